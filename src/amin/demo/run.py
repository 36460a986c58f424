"""``amin demo``: serve the shipped prompts with each scheduler in turn and compare.

Every contender gets a fresh process, the same prompts, arrivals and sampling seeds, the same tight
KV cache, and is told the same: what a server could know, the lengths of replies to other prompts of
each kind, measured beforehand; as a table, or as what a server would have learned from them. The
baseline runs twice, so that the page can tell a difference from the noise of the machine.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amin.demo.budget import Budget, Plan, Speed
from amin.demo.contenders import BASELINE, Contender, contenders
from amin.demo.first_look import WHAT, first_look
from amin.demo.measured import Measured, learned_from, measure
from amin.demo.model import smollm2
from amin.demo.prompts import Prompt, served_prompts
from amin.demo.serve_one import ServeJob
from amin.demo.serving import serve
from amin.errors import ConfigError
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.predictor.saved import save, snapshot
from amin.record import RunResult
from amin.report import require_report
from amin.report.table import as_csv, as_markdown, as_table
from amin.report.terminal import Track, console, progress


@dataclass(frozen=True)
class DemoConfig:
    """What the demo may take, and how hard it presses: `load` is a multiple of capacity.

    Four times, because the run is short: all have arrived in a quarter of the time that it takes.
    """

    minutes: float = 8.0
    load: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("minutes", "load"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: got {getattr(self, name)}, allowed: > 0")


def run_demo(config: DemoConfig, out: Path, names: Sequence[str] = ()) -> list[RunResult]:
    """Serve, print the tables, write them and the page below `out`; returns the results.

    The last result is the baseline's second run.
    """
    chosen = contenders(names)
    budget = Budget(config.minutes)
    require_report()
    screen = console()
    with progress(screen) as track:
        first = first_look(chosen, track)
    screen.print(f"\nFirst look, no model yet: {WHAT}", highlight=False)
    screen.print(first.as_table())
    # Fetched before any progress bar: it prints lines of its own.
    model = smollm2()
    with progress(screen) as track:
        measured = measure(model, track)
        plan = budget.plan(measured.speed, len(chosen) + 1, config.load)
        screen.print(_in_words(plan, measured.speed, config), highlight=False)
        prompts = served_prompts(plan.num_requests, config.seed)
        results = [
            serve_with(contender, plan, prompts, model, measured, config.seed, track)
            for contender in [*chosen, replace(BASELINE, name=f"{BASELINE.name} again")]
        ]
    screen.print(as_table(results))
    _write(results, chosen, plan, measured, config, out)
    screen.print(f"page: {out / 'index.html'}", soft_wrap=True)
    return results


def serve_with(
    contender: Contender,
    plan: Plan,
    prompts: Sequence[Prompt],
    model: Path,
    measured: Measured,
    seed: int,
    track: Track,
    max_tokens: int = ServeJob.max_tokens,
) -> RunResult:
    """Serve the prompts with one contender in a fresh process."""
    with tempfile.TemporaryDirectory() as directory:
        classes = {kind: ClassBounds(*ends) for kind, ends in measured.bounds.items()}
        predictor = write_class_table(Path(directory, "classes.json"), classes)
        known = Path(directory, "lengths.npz")
        save(snapshot(learned_from(measured, max_tokens)), known)
        advance = track(f"serving: {contender.name}", len(prompts))
        return serve(
            prompts,
            model,
            advance,
            name=contender.name,
            scheduler=contender.scheduler,
            watermark=contender.watermark,
            predictor=predictor,
            lengths_file=str(known),
            priorities=measured.priorities,
            requests_per_second=plan.requests_per_second,
            seed=seed,
            max_tokens=max_tokens,
        )


def _in_words(plan: Plan, speed: Speed, config: DemoConfig) -> str:
    return (
        f"This machine makes {speed.output_tokens_per_second:.0f} tokens/s, replies have "
        f"{speed.mean_reply:.0f} on average: {plan.num_requests} prompts for each scheduler, "
        f"{plan.requests_per_second:.2f}/s, {config.load:g} x capacity."
    )


def _write(
    results: Sequence[RunResult],
    chosen: Sequence[Contender],
    plan: Plan,
    measured: Measured,
    config: DemoConfig,
    out: Path,
) -> None:
    from amin.report.page import render_page

    *runs, again = results
    bounds = ", ".join(f"{kind} {low}-{high}" for kind, (low, high) in measured.bounds.items())
    how = {
        "model": "SmolLM2-135M-Instruct, bf16, on vLLM's CPU engine (real clock)",
        "workload": f"{plan.num_requests} of amin's own prompts, Poisson "
        f"{plan.requests_per_second:.2f}/s = {config.load:g} x the capacity measured, "
        f"seed {config.seed}, temperature {ServeJob.temperature:g}, "
        f"cap {ServeJob.max_tokens} tokens",
        "KV cache": f"{results[0].num_blocks} blocks of {results[0].block_size} tokens",
        "predictions": "the same for all: reply length by kind of prompt, 25 % quantile to "
        f"the longest on other prompts: {bounds}; vLLM's priority is the rank of the lower end",
        "command": shlex.join(["amin", *sys.argv[1:]]),
    }
    words = {contender.name: contender.summary for contender in chosen}
    page = render_page(
        runs, title="amin demo: one model, several schedulers", how=how, words=words, again=again
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(page, encoding="utf-8")
    (out / "table.md").write_text(as_markdown(results), encoding="utf-8")
    (out / "table.csv").write_text(as_csv(results), encoding="utf-8")
