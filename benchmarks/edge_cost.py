"""What arrivals and skipped requests cost, beside vLLM's own scheduler in the same run.

Arrivals: `add_request` of one request, in microseconds, while 1,024 run and no step is in between,
and what the first arrival after a step pays for reckoning all who run. Skips: ``schedule()`` while
300 requests wait for LoRA adapters beyond `max_loras`, ours ÷ stock FCFS, step by step in turn.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import numpy as np

from amin.engine.vllm.config import AminConfig
from amin.request import Request
from amin.workload.interface import Job

NUM_RUNNING = 1024
NUM_ARRIVALS = 2000
NUM_SKIPPED = 300
NUM_STEPS = 300

ROOMY: dict[str, Any] = {
    "num_gpu_blocks": 200_000, "max_num_seqs": NUM_RUNNING, "max_num_batched_tokens": 8192,
}  # fmt: skip


def _engine(scheduler: str | AminConfig, **shape: Any) -> Any:
    from amin.engine.vllm.dry import DryEngine
    from amin.engine.vllm.dry_config import DryConfig

    return DryEngine(DryConfig(**shape), scheduler)


def _job(number: int, prompt: int = 200) -> Job:
    tokens = tuple(range(number % 7, number % 7 + prompt))
    return Job(Request(str(number), prompt, 4000, prompt_token_ids=tokens), 4000)


def timed_step(engine: Any, lengths: dict[str, int]) -> float:
    """One step of a dry engine; returns the seconds spent in ``schedule()``."""
    start = time.perf_counter()
    output = engine.scheduler.schedule()
    spent = time.perf_counter() - start
    engine.finish_step(output, engine.emitting(output), lengths)
    return spent


def arrivals(scheduler: str | AminConfig) -> tuple[float, float]:
    """(microseconds of an arrival, of the first one after a step), while 1,024 run."""
    engine = _engine(scheduler, **ROOMY)
    lengths = {str(i): 4000 for i in range(NUM_RUNNING + 2 * NUM_ARRIVALS)}
    for i in range(NUM_RUNNING):
        engine.submit(_job(i))
    while len(engine.scheduler.running) < NUM_RUNNING:
        timed_step(engine, lengths)
    made = [engine.model.request_of(_job(NUM_RUNNING + i)) for i in range(NUM_ARRIVALS)]
    gc.collect()
    gc.freeze()
    times = []
    for i, request in enumerate(made):
        if i % 50 == 0:
            timed_step(engine, lengths)
        start = time.perf_counter()
        engine.scheduler.add_request(request)
        times.append((time.perf_counter() - start) * 1e6)
    found = np.array(times).reshape(-1, 50)
    return float(np.median(found[:, 1:])), float(np.median(found[:, 0]))


def skips(num_adapters: int) -> float:
    """``schedule()`` ÷ stock FCFS with 300 skipped of so many adapters; the median over steps."""
    shape = {"num_gpu_blocks": 20_000, "max_num_seqs": 256, "max_loras": 2}
    pair, lengths = [], {str(i): 4000 for i in range(1000)}
    for scheduler in ("vllm-fcfs", AminConfig()):
        engine = _engine(scheduler, **shape)
        for i in range(64 + NUM_SKIPPED):
            engine.model.adapters[str(i)] = 1 + i % 2 if i < 64 else 3 + i % num_adapters
            engine.submit(_job(i, prompt=16))
        pair.append(engine)
    gc.collect()
    gc.freeze()
    ratios = []
    for step in range(NUM_STEPS):
        spent = [0.0, 0.0]
        for which in (0, 1) if step % 2 else (1, 0):
            spent[which] = timed_step(pair[which], lengths)
        ratios.append(spent[1] / spent[0])
    assert [len(engine.scheduler.waiting) for engine in pair] == [NUM_SKIPPED] * 2
    return float(np.median(ratios[20:]))


def print_rows() -> None:
    """Measure and print."""
    print("\n| what | stock FCFS | the default |\n|---|---|---|")
    stock, ours = arrivals("vllm-fcfs"), arrivals(AminConfig())
    for what, before, after in zip(
        (f"an arrival while {NUM_RUNNING:,} run, us", "the first one after a step, us"),
        stock, ours, strict=True,
    ):  # fmt: skip
        print(f"| {what} | {before:.1f} | {after:.1f} |", flush=True)
    for num_adapters in (1, 8, NUM_SKIPPED):
        ratio = skips(num_adapters)
        print(
            f"| schedule(), {NUM_SKIPPED} skipped for {num_adapters} LoRA adapters "
            f"beyond max_loras | 1 | {ratio:.2f} |",
            flush=True,
        )
