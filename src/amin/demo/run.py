"""``amin demo``: serve the shipped prompts with each scheduler in turn and compare.

Every contender gets a fresh process, the same prompts, arrivals and sampling seeds, the same tight
KV cache, and is told the same: what a server could know, the lengths of replies to other prompts of
each kind, measured beforehand; as a table, or as what a server would have learned from them. The
baseline runs twice, so that the page can tell a
difference from the noise of the machine.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from amin.demo.budget import Budget, Plan, Speed
from amin.demo.contenders import BASELINE, Contender, contenders
from amin.demo.first_look import WHAT, first_look
from amin.demo.model import smollm2
from amin.demo.prompts import Prompt, halves
from amin.demo.serve_one import ServeJob
from amin.errors import AminError, ConfigError
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.predictor.features import FEATURES
from amin.predictor.lengths import LearnedLengths
from amin.predictor.saved import save, snapshot
from amin.record import RunResult
from amin.report import require_report
from amin.report.results import read_result
from amin.report.table import as_csv, as_markdown, as_table
from amin.report.terminal import Advance, Track, console, progress
from amin.request import Request

BOUND_QUANTILE = 0.25
"""Of a dozen replies: the third shortest. A smaller one would be the shortest, by chance."""


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


@dataclass(frozen=True)
class Measured:
    """Replies to each kind of prompt, (tokens of the prompt, of the reply), and the speed."""

    replies: dict[str, list[tuple[int, int]]]
    speed: Speed

    @property
    def bounds(self) -> dict[str, tuple[int, int]]:
        """(lower, upper) bounds of the reply length by kind of prompt."""
        found = {}
        for kind, replies in sorted(self.replies.items()):
            lengths = [length for _, length in replies]
            found[kind] = max(int(np.quantile(lengths, BOUND_QUANTILE)), 1), max(lengths)
        return found

    @property
    def priorities(self) -> dict[str, int]:
        """The kinds ranked by their lower bound: what vLLM's priority scheduling is told."""
        ranked = sorted(self.bounds, key=self.bounds.__getitem__)
        return {kind: rank for rank, kind in enumerate(ranked)}


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


def served_prompts(number: int, seed: int) -> list[Prompt]:
    """The prompts to serve, in an order drawn from the seed; they repeat beyond one round."""
    _, prompts = halves()
    rng = np.random.default_rng(seed)
    order: list[int] = []
    while len(order) < number:
        order += rng.permutation(len(prompts)).tolist()
    return [prompts[i] for i in order[:number]]


def measure(model: Path, track: Track, max_tokens: int = ServeJob.max_tokens) -> Measured:
    """Serve the other half of the prompts under ample memory."""
    prompts, _ = halves()
    settings = {"scheduler": "vllm-fcfs", "num_gpu_blocks": 1024, "max_tokens": max_tokens}
    job = _job(prompts, model, name="measuring", **settings)
    start = time.monotonic()
    result = _serve_in_process(job, track("measuring lengths and speed", len(prompts)))
    replies: dict[str, list[tuple[int, int]]] = {}
    for prompt, record in zip(prompts, result.records, strict=True):
        reply = record.num_prompt_tokens, record.num_output_tokens
        replies.setdefault(prompt.kind, []).append(reply)
    return Measured(replies, Speed.of(result, time.monotonic() - start))


def learned_from(measured: Measured, max_tokens: int) -> LearnedLengths:
    """What a server knows that has served these replies, kind named and all."""
    lengths = LearnedLengths()
    of_all = [(kind, reply) for kind, replies in measured.replies.items() for reply in replies]
    nobody = np.zeros((1, len(FEATURES)), np.int64)
    for i in np.random.default_rng(0).permutation(len(of_all)).tolist():
        kind, (num_prompt_tokens, length) = of_all[i]
        request = Request("", num_prompt_tokens, max_tokens, predicted_class=kind)
        lengths.learn(lengths.arrived(request), length, is_censored=length >= max_tokens)
        lengths.refresh(nobody)
    return lengths


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
        job = _job(
            prompts,
            model,
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
        return _serve_in_process(job, track(f"serving: {contender.name}", len(prompts)))


def _job(prompts: Sequence[Prompt], model: Path, **settings: object) -> dict[str, object]:
    rows = [(prompt.id, prompt.kind, prompt.text) for prompt in prompts]
    return {"model": str(model), "prompts": rows, **settings}


def _serve_in_process(job: dict[str, object], advance: Advance) -> RunResult:
    with tempfile.TemporaryDirectory() as directory:
        out, description = Path(directory, "result"), Path(directory, "job.json")
        complete = ServeJob(**job, out=str(out))  # type: ignore[arg-type]
        description.write_text(json.dumps(asdict(complete)))
        log = Path(directory, "log")
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "amin.demo.serve_one", str(description)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith('{"ended"'):
                    advance()
        if process.wait() != 0:
            tail = "\n".join(log.read_text().splitlines()[-15:])
            raise AminError(f"serving with {complete.name} failed:\n{tail}")
        return read_result(out)


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
