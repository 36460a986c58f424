"""What was advised, in a dozen lines, as a page and for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from amin.experiment.advise import BOUND, GROWTH, NUM_RESAMPLES, PROMISES, Advice, Option, Ratio
from amin.experiment.assumed import assumed, rests_on_a_guess
from amin.experiment.assumed import in_words as assumed_in_words
from amin.metrics.summary import for_json


def in_words(advice: Advice) -> list[str]:
    """A dozen lines at most; first what the answer rests on."""
    base, best = advice.baseline(), advice.advised
    lines = [
        *assumed_in_words(advice.setting, advice.traffic.served),
        advice.traffic.understood,
        *([str(advice.fidelity)] if advice.fidelity else []),
        f"That is {advice.rho:.2f} x the capacity of {advice.setting.kv_tokens:,} KV tokens; "
        f"{base['num_finished']:,} requests were simulated, deciding as vLLM does.",
        *(f"Take care: {warning}." for warning in advice.warnings),
        f"vLLM's default: mean {base['mean_e2e_latency']:.3g} s, p99 "
        f"{base['p99_e2e_latency']:.3g} s, first token {base['mean_ttft']:.3g} s; "
        f"{base['num_preemptions']:,} preemptions, {base['num_recomputed_tokens']:,} tokens "
        "computed again.",
    ]
    if best is None:
        lines.append(
            "Advice: change nothing. No setting lowers the mean by 2 % with a tail as good as that."
        )
    else:
        lines += [f"Advice: {best.command}", *_gain(advice, best)]
    lowest = min(advice.options(), key=lambda option: option.mean.value)
    if lowest.label != (best.label if best else None):
        lines.append(
            f"Lowest mean of all: {lowest.command}: {_times(lowest.mean)}, "
            f"p99 {_times(lowest.p99)}, the worst {_times(lowest.worst)}."
        )
    by = f"the {advice.told_by}" if advice.told_by else "nothing but all replies before"
    return [*lines, f"Reply lengths were foretold by {by}."]


def _gain(advice: Advice, best: Option) -> list[str]:
    paused = advice.baseline()["share_paused"] or 0
    later = (advice.option(growth, best.label) for growth in GROWTH[1:])
    more = [
        f"with {growth - 1:.0%} more traffic: mean {_times(option.mean)}, p99 {_times(option.p99)}"
        for growth, option in zip(GROWTH[1:], later, strict=True)
    ]
    return [
        f"Gain: mean {_times(best.mean)}, first token {_times(best.ttft)}. "
        f"Price: p99 {_times(best.p99)}, the worst {_times(best.worst)}. Readers who once wait "
        f"longer than a second: {best.paused:.1%}, with vLLM's default {paused:.1%}.",
        f"{'; '.join(more).capitalize()}. In brackets: {NUM_RESAMPLES} other days that might have "
        "been, made of pieces of this one.",
    ]


def as_dict(advice: Advice, command: str) -> dict[str, Any]:
    """All of it for programs."""
    best = advice.advised
    options = {
        f"{growth:g}": [_as_dict(option) for option in advice.options(growth)] for growth in GROWTH
    }
    answer = {
        "command": command,
        "assumed": [one._asdict() for one in assumed(advice.setting, advice.traffic.served)],
        "is_step_time_assumed": rests_on_a_guess(advice.setting),
        "traffic": advice.traffic.understood,
        "fidelity": asdict(advice.fidelity) if advice.fidelity else None,
        "rho": advice.rho,
        "warnings": advice.warnings,
        "baseline": advice.baseline(),
        "advised": best.command if best else None,
        "lengths_foretold_by": advice.told_by,
        "options": options,
    }
    return for_json(answer)


def _as_dict(option: Option) -> dict[str, Any]:
    given = {field.name: getattr(option, field.name) for field in fields(option)}
    numbers = {n: v._asdict() if isinstance(v, Ratio) else v for n, v in given.items()}
    return {**numbers, "command": option.command}


def as_markdown(advice: Advice, command: str = "") -> str:
    """The lines, what was assumed, and every setting in a table."""
    parts = ["\n\n".join(in_words(advice)), ""]
    parts += ["\n### What the answer rests on\n", "| | | from |", "|---|---|---|"]
    parts += [f"| {' | '.join(one)} |" for one in assumed(advice.setting, advice.traffic.served)]
    parts += [f"| command | `{command}` | |"] if command else []
    for growth in GROWTH:
        parts += [
            f"\n### {growth:g} x the traffic, ÷ vLLM's default\n",
            "| setting | mean | p99 | worst | first token | paused > 1 s | command |",
            "|---|---|---|---|---|---|---|",
        ]
        parts += [_row(option) for option in advice.options(growth)]
    return "\n".join(parts) + "\n"


def as_page(advice: Advice, command: str = "") -> str:
    """The same as HTML, with the trade-off that the promise sets."""
    from amin.report.curve_figure import Curves, curve_figure
    from amin.report.plain_page import plain_page

    options = {option.label: option for option in advice.options()}
    ours = [(promise, options[label]) for promise, label in zip(PROMISES, BOUND, strict=True)]
    points = {
        name: [(promise, getattr(option, field).value) for promise, option in ours]
        for name, field in (("mean", "mean"), ("99th percentile", "p99"), ("worst", "worst"))
    }
    curves = Curves("--tail-promise", "÷ vLLM's default", points, joined=True)
    title = "what a promise on the tail costs and brings, on this traffic"
    figure = curve_figure(curves, name="promise", title=title)
    return plain_page("amin advise", [as_markdown(advice, command), figure])


def _row(option: Option) -> str:
    numbers: Sequence[Ratio] = option.mean, option.p99, option.worst, option.ttft
    cells = [*map(str, numbers), f"{option.paused:.1%}"]
    return f"| {option.label} | {' | '.join(cells)} | `{option.command}` |"


def _times(ratio: Ratio) -> str:
    return f"{ratio} x" if not math.isnan(ratio.value) else "-"
