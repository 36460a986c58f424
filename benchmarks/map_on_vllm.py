"""Places of the map on vLLM's own scheduler, and where requests meet it asynchronously.

The simulator is held equal to vLLM request by request on random workloads (tests/dry); here it is
on the map's own: each workload on the second of its amounts of KV memory, at 1.1 and 2.5 x
capacity, with prefix caching. Then where the default may lose: `max_num_seqs` binds and not memory;
memory is tiny, just below capacity; and without prefix caching. Each also with asynchronous
scheduling, vLLM's default on GPUs, which the simulator does not know. Ratios are the default's
(`expected-volume`, told what the map tells it, both promises) to stock FCFS of the same kind; then
come the readers who once wait for more than a second, with FCFS's in brackets.

    python -m benchmarks map_on_vllm [--requests N] [--seed N] [--loads 1.1,2.5]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console

from amin.engine.settings import READING_PACE, TAIL_PROMISE
from amin.engine.vllm.config import AminConfig
from amin.experiment.cell import Cell
from amin.experiment.map import MapConfig, shipped_map
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.metrics.latency import e2e_latencies
from amin.metrics.streaming import share_paused
from amin.record import RunResult
from amin.report.terminal import progress

BASELINE, OURS = "vllm-fcfs", "amin, told class or client"

MAY_LOSE: dict[str, tuple[str, dict[str, Any]]] = {
    "32 seats": (
        "lmsys-like",
        {"kv_tokens": 131_056, "max_num_seqs": 32, "enable_prefix_caching": True},
    ),
    "tiny memory": ("lmsys-like", {"kv_tokens": 4_080, "enable_prefix_caching": True}),
    "no prefix caching": ("sharegpt", {"kv_tokens": 32_752}),
}


@dataclass(frozen=True)
class Case:
    """Where both are tried: in words, and stock FCFS and the default there."""

    name: str
    cells: tuple[Cell, Cell]


@dataclass(frozen=True)
class Found:
    """Of a case: by engine (mean, p99) ÷ FCFS's, and readers who wait, ours and FCFS's; and the
    requests that were not equal."""

    name: str
    simulated: tuple[float, ...]
    dry: tuple[float, ...]
    asynchronous: tuple[float, ...]
    num_unequal: int


def cases(num_requests: int, seed: int, loads: Sequence[float]) -> Iterator[Case]:
    """Those of the map, and those where the default may lose."""
    config = MapConfig.parse(shipped_map(), "the map")
    config = replace(config, num_requests=num_requests, loads=loads, shapes=[])
    second = {workload["name"]: workload["kv_tokens"][1] for workload in config.workload}
    for place in config.places:
        if place.kv_tokens == second[place.workload]:
            mine = {c.label: c for c in config.cells(place) if c.setting.seed == seed}
            name = f"{place.workload}, {place.kv_tokens:,} KV tokens, {place.load} x capacity"
            yield Case(name, (mine[BASELINE], mine[OURS]))
    for what, (workload, shape) in MAY_LOSE.items():
        for load in (0.95, *loads):
            setting = Setting(
                policy=BASELINE, block_size=config.block_size, step_time=config.step_time,
                seed=seed, **shape,
            )  # fmt: skip
            ours = replace(
                setting, policy=AminConfig.policy, tail_promise=TAIL_PROMISE,
                stream_promise=READING_PACE,
            )  # fmt: skip
            traffic = Traffic(workload, num_requests, load=load)
            pair = Cell(BASELINE, traffic, setting), Cell(OURS, traffic, ours)
            yield Case(f"{what}: {workload}, {load:g} x capacity", pair)


def measure(case: Case) -> Found:
    """Both schedulers on the three engines."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    simulated = [cell.run().result for cell in case.cells]
    dry = [_on_vllm(cell, is_async=False) for cell in case.cells]
    pairs = zip(simulated, dry, strict=True)
    return Found(
        case.name,
        _ratios(simulated),
        _ratios(dry),
        _ratios([_on_vllm(cell, is_async=True) for cell in case.cells]),
        sum(_num_unequal(mine, real) for mine, real in pairs),
    )


def _on_vllm(cell: Cell, is_async: bool) -> RunResult:
    from amin.engine.vllm.dry import DryEngine

    setting = cell.setting
    assert isinstance(setting.policy, str)
    engine = DryEngine.like(
        setting.config,
        setting.policy,
        tail_promise=setting.tail_promise,
        stream_promise=setting.stream_promise,
        seed=setting.seed,
        async_scheduling=is_async,
    )
    return engine.run(list(cell.traffic.trace(setting.seed, setting.config)))


def _ratios(results: Sequence[RunResult]) -> tuple[float, ...]:
    base, ours = (np.array(e2e_latencies(result.records)) for result in results)
    paused = [share_paused(result.records) for result in results]
    p99 = np.quantile(ours, 0.99) / np.quantile(base, 0.99)
    return ours.mean() / base.mean(), p99, paused[1], paused[0]


def _num_unequal(simulated: RunResult, real: RunResult) -> int:
    times = {r.request_id: (r.first_token_time, r.finish_time) for r in real.records}
    return sum(
        (r.first_token_time, r.finish_time) != times[r.request_id] for r in simulated.records
    )


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks map_on_vllm", description=__doc__)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loads", default="1.1,2.5")
    options = parser.parse_args(arguments)
    loads = [float(load) for load in options.loads.split(",")]
    chosen = list(cases(options.requests, options.seed, loads))
    print("| place | simulated: mean, p99, paused | vLLM's scheduler | the same, async | unequal |")
    print("|---|---|---|---|---|")
    with ProcessPoolExecutor() as pool, progress(Console(stderr=True)) as track:
        advance = track("on vLLM's scheduler", len(chosen))
        for future in [pool.submit(measure, case) for case in chosen]:
            found = future.result()
            advance()
            cells = [
                f"{mean:.3f}, {p99:.3f}, {paused:.1%} ({base:.1%})"
                for mean, p99, paused, base in (found.simulated, found.dry, found.asynchronous)
            ]
            print(f"| {found.name} | {' | '.join(cells)} | {found.num_unequal} |", flush=True)
