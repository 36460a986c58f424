"""``amin demo``: serve the shipped prompts with each scheduler in turn and compare.

Every scheduler gets a fresh process, the same prompts, arrivals and sampling seeds, and the same
tight KV cache. What is predicted is what a server could know: a table of reply lengths per kind of
prompt, measured beforehand on other prompts.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from amin.demo.model import smollm2
from amin.demo.prompts import Prompt, halves
from amin.demo.serve_one import ServeJob
from amin.engine.vllm.config import STOCK
from amin.errors import AminError, ConfigError
from amin.policy.catalog import get_policy
from amin.record import RunResult
from amin.report.page import render_page
from amin.report.results import read_result
from amin.report.table import as_csv, as_markdown, as_table

SCHEDULERS = ("vllm-fcfs", "vllm-priority", "amax", "amin-static", "amin-dynamic")
BOUND_QUANTILE = 0.05


@dataclass(frozen=True)
class DemoConfig:
    """What is served. The default rate is far above what two cores can serve."""

    num_requests: int = 64
    requests_per_second: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_requests < 1:
            raise ConfigError(f"num_requests: got {self.num_requests}, allowed: >= 1")
        if not self.requests_per_second > 0:
            raise ConfigError(f"rate: got {self.requests_per_second}, allowed: > 0 per second")


@dataclass(frozen=True)
class ClassTable:
    """Reply lengths by kind: the file that the class predictor reads, and ranks for priorities."""

    path: Path
    priorities: dict[str, int]


Advance = Callable[[], None]


def run_demo(
    config: DemoConfig, out: Path, schedulers: Sequence[str] = SCHEDULERS
) -> list[RunResult]:
    """Serve, print the table, write page, table and records below `out`; returns the results."""
    for name in schedulers:
        if name not in STOCK:
            get_policy(name)
    console = Console()
    # Fetched before any progress bar: it prints lines of its own.
    model = smollm2()
    prompts = served_prompts(config)
    results: list[RunResult] = []
    columns = (
        TextColumn("{task.description:28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def tracked(what: str, total: int) -> Advance:
            task = progress.add_task(what, total=total)
            return lambda: progress.advance(task)

        measured, _ = halves()
        table = class_table(model, tracked("measuring reply lengths", len(measured)))
        for scheduler in schedulers:
            advance = tracked(f"serving with {scheduler}", len(prompts))
            results.append(serve_with(scheduler, config, prompts, model, table, advance))
    console.print(as_table(results))
    _write(results, config, out)
    console.print(f"page: {out / 'index.html'}")
    return results


def served_prompts(config: DemoConfig) -> list[Prompt]:
    """The prompts to serve, in an order drawn from the seed; they repeat beyond one round."""
    _, prompts = halves()
    rng = np.random.default_rng(config.seed)
    order: list[int] = []
    while len(order) < config.num_requests:
        order += rng.permutation(len(prompts)).tolist()
    return [prompts[i] for i in order[: config.num_requests]]


def class_table(model: Path, advance: Advance) -> ClassTable:
    """Measure reply lengths on the other half of the prompts; kept beside the model for next time.

    Lower bounds are the 5 % quantile of a kind's replies, priorities the rank of its mean.
    """
    prompts, _ = halves()
    text = json.dumps([asdict(prompt) for prompt in prompts])
    path = model.parent / f"reply-lengths-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    if path.exists():
        for _ in prompts:
            advance()
    else:
        job = _job(prompts, model, scheduler="vllm-fcfs", num_gpu_blocks=1024, max_num_seqs=16)
        result = _serve_in_process(job, advance)
        lengths: dict[str, list[int]] = {}
        for prompt, record in zip(prompts, result.records, strict=True):
            lengths.setdefault(prompt.kind, []).append(record.num_output_tokens)
        table = {
            kind: {"lower": max(int(np.quantile(values, BOUND_QUANTILE)), 1)}
            for kind, values in lengths.items()
        }
        means = {kind: float(np.mean(values)) for kind, values in lengths.items()}
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({"classes": table, "means": means}))
        draft.rename(path)
    measured = json.loads(path.read_text())
    ranked = sorted(measured["means"], key=measured["means"].__getitem__)
    bounds = path.with_name(path.stem + "-bounds.json")
    bounds.write_text(json.dumps({"classes": measured["classes"]}))
    return ClassTable(bounds, {kind: rank for rank, kind in enumerate(ranked)})


def serve_with(
    scheduler: str,
    config: DemoConfig,
    prompts: Sequence[Prompt],
    model: Path,
    table: ClassTable,
    advance: Advance,
) -> RunResult:
    """Serve the prompts with one scheduler in a fresh process."""
    job = _job(
        prompts,
        model,
        scheduler=scheduler,
        class_table=str(table.path),
        priorities=table.priorities,
        requests_per_second=config.requests_per_second,
        seed=config.seed,
    )
    return _serve_in_process(job, advance)


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
            raise AminError(f"serving with {complete.scheduler} failed:\n{tail}")
        return read_result(out)


def _write(results: Sequence[RunResult], config: DemoConfig, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    how = {
        "model": "SmolLM2-135M-Instruct, bf16, on vLLM's CPU engine (real clock)",
        "workload": f"{config.num_requests} of amin's own prompts, Poisson "
        f"{config.requests_per_second:g}/s, seed {config.seed}, temperature 0.8, cap 512 tokens",
        "KV cache": f"{results[0].num_blocks} blocks of {results[0].block_size} tokens",
        "predictions": "5 % quantile of reply length by kind of prompt, measured on other prompts",
        "command": "make demo",
    }
    page = render_page(results, title="amin demo: one model, several schedulers", how=how)
    (out / "index.html").write_text(page, encoding="utf-8")
    (out / "table.md").write_text(as_markdown(results), encoding="utf-8")
    (out / "table.csv").write_text(as_csv(results), encoding="utf-8")
