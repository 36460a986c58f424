"""The policy of expected volumes with and without the tail promise, against what vLLM has.

LMSYS-like requests, 5, 7, 9 and 11 a second (capacity is about 5), 1,500 each, 511 blocks of 16
tokens, lengths learned from nothing in each run; `none` is told nothing, `class` the class that a
real BERT predicted, `amin_tail` is A_min (dynamic) with the classes' floors. Ratios to stock FCFS
on the same requests, the mean over rates and seeds. The last line is the same as JSON.

    python -m benchmarks flagship [--engine vllm-dry|simulator] [--replies FILE.csv.gz]
                                  [--seeds 1,2,...] [--rates R,...] [--requests N]
                                  [--tail-promise X]

The two engines decide alike, request by request (`pytest tests/dry/test_simulated_promise.py`);
vLLM's own scheduler takes some ten times as long.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from amin.engine.settings import TAIL_PROMISE
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.metrics.latency import e2e_latencies
from amin.metrics.summary import summarize
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.report.terminal import progress
from amin.workload.lmsys_like import (
    NOMINAL_FLOORS,
    Replies,
    embedded_replies,
    lmsys_like,
    read_replies,
)
from amin.workload.trace import Trace

if TYPE_CHECKING:
    from amin.engine.vllm.dry import DryEngine

RATES = "5,7,9,11"
NUM_REQUESTS = 1500
NUM_BLOCKS = 511
COLUMNS = ("mean", "p99", "recomputed", "makespan", "worst")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    policy: str
    has_class: bool = True
    is_promised: bool = False
    has_floors: bool = False
    watermark: float = 0.0


ROWS = (
    Row("fcfs", "vllm-fcfs"),
    Row("fcfs, watermark .05", "vllm-fcfs", watermark=0.05),
    Row("priority = class, watermark .05", "vllm-priority", watermark=0.05),
    Row("none", "expected-volume", has_class=False),
    Row("none_tail", "expected-volume", has_class=False, is_promised=True),
    Row("class", "expected-volume"),
    Row("class_tail", "expected-volume", is_promised=True),
    Row("amin", "amin-dynamic", has_floors=True),
    Row("amin_tail", "amin-dynamic", has_floors=True, is_promised=True),
)
REPORTED = ("none", "none_tail", "class", "class_tail", "amin_tail")


@dataclass(frozen=True)
class Cell:
    """One run."""

    row: Row
    rate: int
    seed: int
    num_requests: int = NUM_REQUESTS


@cache
def served(replies: Path | None) -> Replies:
    """The half of the replies that is served, read once in each process."""
    run, _ = (read_replies(replies) if replies else embedded_replies(50_000, seed=0)).halves()
    return run


def trace_of(cell: Cell, replies: Path | None) -> Trace:
    """The requests; without a class where nothing is to be known."""
    trace = lmsys_like(
        served(replies),
        num_requests=cell.num_requests,
        requests_per_second=cell.rate,
        seed=cell.seed,
        class_priorities=True,
    )
    if cell.row.has_class:
        return trace
    return replace(trace, predicted_class=np.empty(0, np.object_))


def measure(
    engine: str, replies: Path | None, floors: str, promise: float, cell: Cell
) -> list[float]:
    """The columns of one run, not yet divided by anything."""
    row = cell.row
    kept = promise if row.is_promised else None
    predictor = floors if row.has_floors else "constant:1"
    shape = SimulatorConfig(NUM_BLOCKS, 16, watermark=row.watermark)
    make = SimulatedEngine if engine == "simulator" else _on_vllm
    made = make(shape, row.policy, predictor=predictor, tail_promise=kept)
    result = made.run(trace_of(cell, replies))
    summary = summarize(result)
    assert summary.num_finished == cell.num_requests, (cell, summary)
    return [
        summary.mean_e2e_latency,
        summary.p99_e2e_latency,
        float(summary.num_recomputed_tokens),
        summary.makespan,
        float(np.max(e2e_latencies(result.records))),
    ]


def _on_vllm(shape: SimulatorConfig, policy: str, **settings: Any) -> DryEngine:
    from amin.engine.vllm.dry import DryEngine

    return DryEngine.like(shape, policy, **settings)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks flagship", description=__doc__)
    parser.add_argument("--engine", choices=["vllm-dry", "simulator"], default="vllm-dry")
    parser.add_argument("--replies", type=Path, help="the CSV published with SSJF")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--rates", default=RATES, help="requests a second")
    parser.add_argument("--requests", type=int, default=NUM_REQUESTS, help="at each rate")
    parser.add_argument("--tail-promise", type=float, default=TAIL_PROMISE)
    options = parser.parse_args(arguments)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rates = [int(rate) for rate in options.rates.split(",")]
    cells = [
        Cell(row, rate, seed, options.requests) for rate, seed, row in product(rates, seeds, ROWS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        classes = {str(c): ClassBounds(lower) for c, lower in enumerate(NOMINAL_FLOORS)}
        floors = write_class_table(Path(folder, "floors.json"), classes)
        one = partial(measure, options.engine, options.replies, floors, options.tail_promise)
        with ProcessPoolExecutor(os.cpu_count()) as pool, progress(Console(stderr=True)) as track:
            advance, found = track(options.engine, len(cells)), []
            for values in pool.map(one, cells):
                found.append(values)
                advance()
    _print(np.array(found).reshape(-1, len(ROWS), len(COLUMNS)), options)


def _print(found: np.ndarray, options: argparse.Namespace) -> None:
    """`found` by (rate and seed, row, column)."""
    ratios = (found / np.maximum(found[:, :1], 1e-12)).mean(axis=0)
    print(
        f"{options.engine}, seeds {options.seeds}, {options.requests} requests each at "
        f"{options.rates} a second, tail promise "
        f"{options.tail_promise:g}, ÷ stock FCFS on the same requests, mean over rates and seeds\n"
    )
    print(f"| | {' | '.join(COLUMNS)} |")
    print("|---|" + "---|" * len(COLUMNS))
    for row, values in zip(ROWS, ratios, strict=True):
        print(f"| {row.name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    print()
    print(
        json.dumps(
            {
                row.name: dict(zip(COLUMNS, np.round(values, 4).tolist(), strict=True))
                for row, values in zip(ROWS, ratios, strict=True)
                if row.name in REPORTED
            }
        )
    )
