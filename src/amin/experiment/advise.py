"""Which setting for this traffic on this memory, its gain and its price: ``amin advise``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from amin.engine.settings import READING_PACE, TAIL_PROMISE, Label
from amin.errors import ConfigError
from amin.experiment.cell import Row
from amin.experiment.comparison import Comparison, compare
from amin.experiment.load import rho as load_of
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.report.terminal import Track

BASELINE = "vllm-fcfs"
STOCK = (BASELINE, "vllm-fcfs@0.05")
BY_PRIORITY = ("vllm-priority", "vllm-priority@0.05")
PROMISES = (0.5, 0.7, 1.0, 1.5)
POLICY = "expected-volume"
BOUND = tuple(f"{POLICY}+{promise:g}~{READING_PACE:g}" for promise in PROMISES)
OURS = (*BOUND, f"{POLICY}~{READING_PACE:g}", POLICY)
"""The last two without a promise on the tail, and without any."""
GROWTH = (1.0, 1.25, 1.5)
"""Multiples of the traffic that are tried: tomorrow's is more."""

MOST_P99, MOST_WORST = 1.02, 1.10
"""A setting is advised if its tail is no worse than stock FCFS's by more than that."""

WORTH_IT = 0.98
"""The mean must fall below that, or nothing is advised."""


@dataclass(frozen=True)
class Option:
    """A setting, next to stock FCFS on the same requests."""

    label: str
    mean: float
    p99: float
    worst: float
    ttft: float
    paused: float

    @property
    def command(self) -> str:
        """What to run."""
        name, watermark, tail, stream = Label.of(self.label)
        if name.startswith("vllm-"):
            policy = "" if name == BASELINE else " --scheduling-policy priority"
            return f"vllm serve MODEL{policy}" + (f" --watermark {watermark}" if watermark else "")
        return f"amin serve MODEL --tail-promise {tail or 'off'} --stream-promise {stream or 'off'}"


@dataclass(frozen=True)
class Advice:
    """What was found: `compared` by growth of the traffic."""

    traffic: Traffic
    setting: Setting
    rho: float
    compared: dict[float, Comparison]

    def options(self, growth: float = 1.0) -> list[Option]:
        """Every setting but the baseline."""
        return [self.option(growth, label) for label in self.compared[growth].labels[1:]]

    @property
    def advised(self) -> Option | None:
        """The lowest mean whose tail is as good as stock FCFS's; None: change nothing."""
        good = [o for o in self.options() if o.p99 <= MOST_P99 and o.worst <= MOST_WORST]
        best = min(good, key=lambda option: option.mean, default=None)
        return best if best and best.mean < WORTH_IT else None

    @property
    def told_by(self) -> str | None:
        """The feature of a request that foretold lengths best; None where nothing did."""
        rows = {row["label"]: row for row in self.compared[1.0].rows}
        return rows[BOUND[PROMISES.index(TAIL_PROMISE)]]["lengths_foretold_by"]  # type: ignore[no-any-return]

    def baseline(self, growth: float = 1.0) -> Row:
        """The numbers of stock FCFS."""
        return dict(self.compared[growth].rows[0])

    def option(self, growth: float, label: str) -> Option:
        """A setting, with so many times the traffic."""
        found = self.compared[growth]
        rows = {row["label"]: row for row in found.rows}
        return Option(
            label,
            mean=found.ratios(label, "mean_e2e_latency")[0],
            p99=found.ratios(label, "p99_e2e_latency")[0],
            worst=found.ratios(label, "max_e2e_latency")[0],
            ttft=found.ratios(label, "mean_ttft")[0],
            paused=rows[label]["share_paused"] or 0.0,
        )


def advise(
    traffic: Traffic,
    setting: Setting,
    *,
    track: Track = lambda what, total: lambda: None,
) -> Advice:
    """Simulate the candidates on this traffic, and on more of it.

    Raises `ConfigError` where all requests arrive at once and no load is given: nothing to advise.
    """
    trace = traffic.trace(1, setting.config)
    rho = load_of(trace, setting.config)
    if not 0 < rho < math.inf:
        raise ConfigError("load: all requests arrive at once, allowed: a multiple of capacity")
    has_priorities = len(set(trace.priority.tolist())) > 1
    labels = [*STOCK, *(BY_PRIORITY if has_priorities else ()), *OURS]
    compared = {}
    for growth in GROWTH:
        load = traffic.load if growth == 1 else rho * growth
        grown = replace(traffic, load=load)
        what = f"{growth:g} x the traffic"
        compared[growth] = compare(labels, grown, setting, [1], track=_called(what, track))
    return Advice(traffic, setting, rho, compared)


def _called(what: str, track: Track) -> Track:
    return lambda _, total: track(what, total)


def in_words(advice: Advice) -> list[str]:
    """Ten lines at most."""
    base, best = advice.baseline(), advice.advised
    lines = [
        advice.traffic.understood,
        f"That is {advice.rho:.2f} x the capacity of {advice.setting.kv_tokens:,} KV tokens; "
        f"{base['num_finished']:,} requests were simulated, deciding as vLLM does.",
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
        lines += [
            f"Advice: {best.command}",
            f"Gain: mean {_times(best.mean)}, first token {_times(best.ttft)}. "
            f"Price: p99 {_times(best.p99)}, the worst {_times(best.worst)}. Readers who once wait "
            f"longer than a second: {best.paused:.1%}, with vLLM's default "
            f"{base['share_paused'] or 0:.1%}.",
        ]
        for growth in GROWTH[1:]:
            more = advice.option(growth, best.label)
            lines.append(
                f"With {growth - 1:.0%} more traffic: mean {_times(more.mean)}, "
                f"p99 {_times(more.p99)}."
            )
    lowest = min(advice.options(), key=lambda option: option.mean)
    if lowest.label != (best.label if best else None):
        lines.append(
            f"Lowest mean of all: {lowest.command}: {_times(lowest.mean)}, "
            f"p99 {_times(lowest.p99)}, the worst {_times(lowest.worst)}."
        )
    by = f"the {advice.told_by}" if advice.told_by else "nothing but all replies before"
    return [*lines, f"Reply lengths were foretold by {by}."]


def as_markdown(advice: Advice) -> str:
    """The lines, and every setting in a table."""
    parts = ["\n\n".join(in_words(advice)), ""]
    for growth in GROWTH:
        parts += [
            f"\n### {growth:g} x the traffic, ÷ vLLM's default\n",
            "| setting | mean | p99 | worst | first token | paused > 1 s | command |",
            "|---|---|---|---|---|---|---|",
        ]
        parts += [_row(option) for option in advice.options(growth)]
    return "\n".join(parts) + "\n"


def as_page(advice: Advice) -> str:
    """The same as HTML, with the trade-off that the promise sets."""
    from amin.report.curve_figure import Curves, curve_figure
    from amin.report.plain_page import plain_page

    options = {option.label: option for option in advice.options()}
    ours = [(promise, options[label]) for promise, label in zip(PROMISES, BOUND, strict=True)]
    points = {
        name: [(promise, getattr(option, field)) for promise, option in ours]
        for name, field in (("mean", "mean"), ("99th percentile", "p99"), ("worst", "worst"))
    }
    curves = Curves("--tail-promise", "÷ vLLM's default", points, joined=True)
    title = "what a promise on the tail costs and brings, on this traffic"
    figure = curve_figure(curves, name="promise", title=title)
    return plain_page("amin advise", [figure, as_markdown(advice)])


def _row(option: Option) -> str:
    numbers: Sequence[float] = option.mean, option.p99, option.worst, option.ttft
    cells = [*("-" if value != value else f"{value:.2f}" for value in numbers)]
    cells.append(f"{option.paused:.1%}")
    return f"| {option.label} | {' | '.join(cells)} | `{option.command}` |"


def _times(ratio: float) -> str:
    return "-" if ratio != ratio else f"{ratio:.2f} x"
