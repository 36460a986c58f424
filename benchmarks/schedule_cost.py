"""What deciding costs: ``schedule()`` with A_min and the default ÷ with vLLM's own priority.

256 requests run and 10,000 wait (also 1,000 and 40,000, to see that the queue's length does not
matter). Both schedulers step in turn through the same work in one process; the figure is the
median over the steps of the ratio of each pair. Behind it stand what an arrival costs while many
run, and a step in which vLLM skips many (`benchmarks.edge_cost`; alone with ``--waiting`` and no
number).

    python -m benchmarks schedule_cost [--waiting N ...]
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs
from rich.progress import track

from amin.engine.vllm.config import AminConfig
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.workload.interface import Job
from amin.workload.lmsys_like import NOMINAL_FLOORS, embedded_replies, lmsys_like
from benchmarks.edge_cost import print_rows, timed_step

WARM_UP_STEPS = 100
STEPS = 500
NUM_RUNNING = 256

# Blocks where memory decides how many run: A_min leaves room for what it forecasts, so it needs
# more than stock to run as many.
STOCK_BLOCKS = 1780
BLOCKS = {"amin-static": 2240, "amin-dynamic": 2240, AminConfig.policy: 1990}

# What decides how many run, and max_num_seqs then.
LIMITS = {"max_num_seqs": NUM_RUNNING, "KV memory": 2 * NUM_RUNNING}
CACHED = "max_num_seqs, prefix caching"
"""The default's look-ups in the cache are then a part of what it costs."""
AMPLE_BLOCKS = 6000


class Stepper:
    """A scheduler that is kept saturated: whatever ends is replaced by a new arrival."""

    def __init__(
        self, scheduler: str | AminConfig, jobs: Sequence[Job], shape: dict[str, Any]
    ) -> None:
        from amin.engine.vllm.dry import DryEngine
        from amin.engine.vllm.dry_config import DryConfig

        self._engine = DryEngine(DryConfig(**shape), scheduler)
        self._jobs = list(jobs)
        self._lengths = {job.request.request_id: job.num_output_tokens for job in jobs}
        for job in jobs:
            self._engine.submit(job)

    @property
    def num_running(self) -> int:
        """Requests that run now."""
        return len(self._engine.scheduler.running)

    def step(self) -> float:
        """One step; returns the seconds spent in ``schedule()``."""
        scheduler = self._engine.scheduler
        spent = timed_step(self._engine, self._lengths)
        for request_id in sorted(scheduler.finished_req_ids, key=int):
            self._arrive(request_id)
        return spent

    def _arrive(self, ended: str) -> None:
        job = self._jobs[int(ended) % len(self._jobs)]
        request_id = str(int(ended) + len(self._jobs))
        again = replace(job, request=structs.replace(job.request, request_id=request_id))
        self._lengths[request_id] = job.num_output_tokens
        self._engine.submit(again)


def measure(policy: str, num_waiting: int, limit: str) -> tuple[float, float, float]:
    """(median ratio to stock priority, running there, running here), steps taken in pairs."""
    jobs = lmsys_like(
        embedded_replies(20_000, 0),
        num_requests=num_waiting + NUM_RUNNING,
        requests_per_second=float("inf"),
        seed=1,
        class_priorities=True,
    )
    with tempfile.TemporaryDirectory() as directory:
        classes = {str(c): ClassBounds(lower) for c, lower in enumerate(NOMINAL_FLOORS)}
        predictor = write_class_table(Path(directory, "classes.json"), classes)
        if policy == AminConfig.policy:
            predictor = AminConfig.predictor
        ours = AminConfig(policy=policy, predictor=predictor, client_hints=True)
        max_num_seqs = LIMITS.get(limit, NUM_RUNNING)
        shape = {"max_num_seqs": max_num_seqs, "enable_prefix_caching": limit == CACHED}
        blocks = [AMPLE_BLOCKS] * 2
        if limit == "KV memory":
            blocks = [STOCK_BLOCKS, BLOCKS[policy]]
        schedulers: tuple[str | AminConfig, ...] = ("vllm-priority", ours)
        pair = [
            Stepper(scheduler, jobs, shape | {"num_gpu_blocks": num_blocks})
            for scheduler, num_blocks in zip(schedulers, blocks, strict=True)
        ]
    gc.collect()
    gc.freeze()  # as vLLM's engine does at start
    times: list[list[float]] = [[], []]
    running: list[list[int]] = [[], []]
    for step in track(range(WARM_UP_STEPS + STEPS), description=f"{policy}, {num_waiting} wait"):
        for which in (0, 1) if step % 2 else (1, 0):
            times[which].append(pair[which].step())
            running[which].append(pair[which].num_running)
    stock, mine = (np.array(t[WARM_UP_STEPS:]) for t in times)
    counts = [float(np.mean(r[WARM_UP_STEPS:])) for r in running]
    return float(np.median(mine / stock)), counts[0], counts[1]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks schedule_cost", description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="*", default=[1_000, 10_000, 40_000])
    options = parser.parse_args(arguments)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    print("| policy | limited by | waiting | running: stock, ours | schedule() ÷ stock priority |")
    print("|---|---|---|---|---|")
    for policy in BLOCKS:
        for limit in (*LIMITS, CACHED) if policy == AminConfig.policy else LIMITS:
            for num_waiting in options.waiting:
                ratio, stock, ours = measure(policy, num_waiting, limit)
                print(
                    f"| {policy} | {limit} | {num_waiting:,} | {stock:.0f}, {ours:.0f} "
                    f"| {ratio:.3f} |",
                    flush=True,
                )
    print_rows()
