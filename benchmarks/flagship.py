"""The default and its kin on traffic as servers have it, by what people feel, ÷ stock FCFS.

3,000 requests each, prefix caching on, lengths learned from nothing in each run. `none` is told
nothing, `class` the class that a real BERT predicted, `amin` is A_min (dynamic) with the classes'
floors, `clairvoyant` is told the lengths and makes the same promises; `batch` promises nothing of
streams. Chat is LMSYS-like at 5, 7, 9 and 11 a second (capacity is about 5); see
`benchmarks.flagship_traffic` for the rest. Means over traffics and seeds of ratios to stock FCFS on
the same requests; `paused` is the share of readers, at ten tokens a second, who once wait longer
than a second, as it is, and `goodput` that of requests with TTFT <= 2 s and TPOT <= .1 s. Of
`outliers` the figures are those of the others.

    python -m benchmarks flagship [--engine vllm-dry|simulator] [--replies FILE.csv.gz]
                                  [--mooncake FILE.jsonl.gz] [--seeds 1,2,...] [--requests N]
                                  [--tail-promise X] [--stream-promise PACE] [--rows NAME,...] [-v]

The two engines decide alike, request by request (tests/dry); vLLM's own scheduler takes some ten
times as long. -v prints each traffic by itself. The last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from amin.engine.settings import READING_PACE, TAIL_PROMISE
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.metrics.summary import summarize
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.record import RequestRecord, RunResult
from amin.report.terminal import progress
from amin.workload.intervals import intervals
from amin.workload.lmsys_like import NOMINAL_FLOORS
from amin.workload.trace import Trace
from benchmarks.flagship_traffic import TEMPLATES, Files, Traffic, is_outlier, is_short

if TYPE_CHECKING:
    from amin.engine.vllm.dry import DryEngine

CHAT = tuple(Traffic("chat", rate) for rate in (5, 7, 9, 11))
BEHIND_TEMPLATES = tuple(Traffic(kind, load) for kind in TEMPLATES for load in (1.1, 1.5, 2.5))
MIXED = Traffic("mixed", 1.2), Traffic("mixed", 2.0)
OFFLOADED = tuple(Traffic("offload", rate) for rate in (5, 7, 9, 11))
CLOSED = (
    *(Traffic("closed", users) for users in (120, 200)),
    *(Traffic("sharegpt", 200), Traffic("r1", 150)),
)
SESSIONS = Traffic("sessions", 1.1), Traffic("sessions", 1.5)
CONVERSATIONS = Traffic("mooncake", 1.1), Traffic("mooncake", 1.5)

RATIOS = {
    "mean": "mean_e2e_latency", "p99": "p99_e2e_latency", "worst": "max_e2e_latency",
    "p99 gap": "p99_longest_gap", "p99 TPOT": "p99_tpot", "TTFT": "mean_ttft",
    "makespan": "makespan",
}  # fmt: skip
SHARES = {"paused": "share_paused", "goodput": "goodput"}
HALVES = "mean, short", "p99, short", "mean, chat", "p99, chat"
COLUMNS = (*RATIOS, *SHARES, "goodput, FCFS", *HALVES)


@dataclass(frozen=True)
class Row:
    """A line of the table: on which traffic which policy runs, and what it is told."""

    name: str
    traffics: tuple[Traffic, ...]
    policy: str = "expected-volume"
    told: str = ""
    has_tail_promise: bool = True
    has_stream_promise: bool = True
    watermark: float = 0.0


ROWS = (
    Row("fcfs_watermark", CHAT, "vllm-fcfs", watermark=0.05),
    Row("priority_watermark", CHAT, "vllm-priority", "class", watermark=0.05),
    Row("none_default", CHAT),
    Row("class_default", CHAT, told="class"),
    Row("amin_default", CHAT, "amin-dynamic", "floors"),
    Row("none_batch", CHAT, has_stream_promise=False),
    Row("clairvoyant", CHAT, told="lengths"),
    Row("templates", BEHIND_TEMPLATES),
    Row("mixed_cache", MIXED),
    Row("sessions", SESSIONS),
    Row("mooncake", CONVERSATIONS),
    Row("closed", CLOSED),
    Row("outliers", (Traffic("outliers", 1.3),)),
    Row("swap", (Traffic("swap", 1.4),), told="class"),
    Row("offload", OFFLOADED),
)


@dataclass(frozen=True)
class Cell:
    """One run beside stock FCFS."""

    row: Row
    traffic: Traffic
    seed: int


def measure(options: argparse.Namespace, floors: str, cell: Cell) -> list[float]:
    """The columns of one run."""
    files = Files(options.replies, options.mooncake)
    trace, stock = stock_run(options.engine, files, cell.traffic, options.requests, cell.seed)
    promises: dict[str, Any] = {}
    if not cell.row.policy.startswith("vllm-"):
        promises = {
            "predictor": floors if cell.row.told == "floors" else "constant:1",
            "tail_promise": options.tail_promise if cell.row.has_tail_promise else None,
            "stream_promise": options.stream_promise if cell.row.has_stream_promise else None,
        }
    shape = replace(cell.traffic.shape, watermark=cell.row.watermark)
    ours = _run(options.engine, shape, cell.row.policy, _told(trace, cell.row.told), promises)
    stock, ours = _but_outliers(cell, stock), _but_outliers(cell, ours)
    base, mine = summarize(stock), summarize(ours)
    assert mine.num_finished == base.num_finished == len(stock.records), (cell, mine)
    ratios = [getattr(mine, field) / getattr(base, field) for field in RATIOS.values()]
    shares = [getattr(mine, field) for field in SHARES.values()]
    halves = [float("nan")] * len(HALVES)
    if cell.traffic.kind == "mixed":
        halves = _halves(trace, stock.records, ours.records)
    return [*ratios, *shares, base.goodput, *halves]


def _but_outliers(cell: Cell, run: RunResult) -> RunResult:
    """Where some are outliers, only the others are looked at."""
    if cell.traffic.kind != "outliers":
        return run
    return replace(run, records=[record for record in run.records if not is_outlier(record)])


@lru_cache(maxsize=2)
def stock_run(
    engine: str, files: Files, traffic: Traffic, num_requests: int, seed: int
) -> tuple[Trace, RunResult]:
    """The requests of a seed and stock FCFS on them, to whom nothing is told that it would use."""
    trace = traffic.trace(files, num_requests, seed)
    return trace, _run(engine, traffic.shape, "vllm-fcfs", trace, {})


def _told(trace: Trace, what: str) -> Trace:
    if what == "lengths":
        return replace(intervals("exact")(trace, 0), predicted_class=np.empty(0, np.object_))
    if what:
        return trace
    return replace(trace, predicted_class=np.empty(0, np.object_))


def _run(
    engine: str, shape: SimulatorConfig, policy: str, trace: Trace, ours: dict[str, Any]
) -> RunResult:
    make = SimulatedEngine if engine == "simulator" else _on_vllm
    return make(shape, policy, **ours).run(trace)


def _on_vllm(shape: SimulatorConfig, policy: str, **settings: Any) -> DryEngine:
    from amin.engine.vllm.dry import DryEngine

    return DryEngine.like(shape, policy, **settings)


def _halves(trace: Trace, stock: list[RequestRecord], ours: list[RequestRecord]) -> list[float]:
    """Mean and 99th percentile of those with the cached prompt and of the others, ÷ FCFS's."""
    short = {trace.id_of(i) for i in np.flatnonzero(is_short(trace))}
    found = []
    for chosen in (True, False):
        base, mine = (
            [r.e2e_latency for r in records if (r.request_id in short) == chosen]
            for records in (stock, ours)
        )
        found += [np.mean(mine) / np.mean(base), np.percentile(mine, 99) / np.percentile(base, 99)]
    return [float(value) for value in found]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks flagship", description=__doc__)
    parser.add_argument("--engine", choices=["vllm-dry", "simulator"], default="vllm-dry")
    parser.add_argument("--replies", type=Path, help="the CSV published with SSJF")
    parser.add_argument("--mooncake", type=Path, help="Mooncake's conversation trace")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--requests", type=int, default=3000, help="of each traffic")
    parser.add_argument("--rows", default=",".join(row.name for row in ROWS))
    parser.add_argument("--tail-promise", type=float, default=TAIL_PROMISE)
    parser.add_argument("--stream-promise", type=float, default=READING_PACE)
    parser.add_argument("-v", "--verbose", action="store_true", help="each traffic by itself")
    options = parser.parse_args(arguments)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    chosen = [row for row in ROWS if row.name in options.rows.split(",")]
    if options.mooncake is None:
        chosen = [row for row in chosen if row.traffics is not CONVERSATIONS]
    if options.engine == "vllm-dry":
        chosen = [row for row in chosen if row.traffics is not OFFLOADED]
    seeds = [int(seed) for seed in options.seeds.split(",")]
    # Row by row within a traffic and a seed, so that stock FCFS runs once there.
    traffics = dict.fromkeys(traffic for row in chosen for traffic in row.traffics)
    cells = [
        Cell(row, traffic, seed)
        for traffic in traffics
        for seed in seeds
        for row in chosen
        if traffic in row.traffics
    ]
    with tempfile.TemporaryDirectory() as folder:
        classes = {str(c): ClassBounds(lower) for c, lower in enumerate(NOMINAL_FLOORS)}
        floors = write_class_table(Path(folder, "floors.json"), classes)
        with ProcessPoolExecutor(os.cpu_count()) as pool, progress(Console(stderr=True)) as track:
            advance, found = track(options.engine, len(cells)), []
            for values in pool.map(partial(measure, options, floors), cells):
                found.append(values)
                advance()
    _print(cells, np.array(found), chosen, options)


def _print(
    cells: list[Cell], found: np.ndarray, rows: list[Row], options: argparse.Namespace
) -> None:
    print(
        f"{options.engine}, seeds {options.seeds}, {options.requests} requests of each traffic, "
        f"tail promise {options.tail_promise:g}, stream promise {options.stream_promise:g}\n"
    )
    print(f"| | {' | '.join(COLUMNS)} |")
    print("|---|" + "---|" * len(COLUMNS))
    means = {}
    for row in rows:
        mine = np.array([cell.row is row for cell in cells])
        if options.verbose:
            for traffic in row.traffics:
                here = mine & np.array([cell.traffic == traffic for cell in cells])
                _line(f"{row.name}: {traffic.kind}, {traffic.load:g}", found[here].mean(axis=0))
        means[row.name] = found[mine].mean(axis=0)
        _line(row.name, means[row.name])
    print()
    print(json.dumps({name: _defined(values) for name, values in means.items()}))


def _line(name: str, values: np.ndarray) -> None:
    cells = [
        "" if np.isnan(value) else f"{value:.2%}" if column == "paused" else f"{value:.3f}"
        for column, value in zip(COLUMNS, values.tolist(), strict=True)
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _defined(values: np.ndarray) -> dict[str, float]:
    pairs = zip(COLUMNS, np.round(values, 4).tolist(), strict=True)
    return {column: value for column, value in pairs if not np.isnan(value)}
