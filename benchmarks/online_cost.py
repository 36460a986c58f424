"""What the default predictor costs: microseconds to predict and to learn, and its memory.

Requests with every feature: 5 classes, 200 clients, 30 system prompts, prompts of all lengths, and
256 replies in progress each time it learns. Medians over batches of 1,000.

    python -m benchmarks online_cost [--requests N]
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Sequence

import numpy as np

from amin.predictor.features import FEATURES
from amin.predictor.online import OnlinePredictor
from amin.request import Request

BATCH = 1000
NUM_RUNNING = 256


def requests(number: int, seed: int) -> list[Request]:
    """A batch."""
    rng = np.random.default_rng(seed)
    prompts = [tuple(rng.integers(0, 50_000, 64).tolist()) for _ in range(30)]
    return [
        Request(
            f"{seed}-{i}",
            num_prompt_tokens=int(rng.integers(64, 4000)),
            max_tokens=int(rng.choice([512, 1024, 4096])),
            predicted_class=str(rng.integers(0, 5)),
            client=str(rng.integers(0, 200)),
            prompt_token_ids=prompts[rng.integers(0, 30)],
        )
        for i in range(number)
    ]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks online_cost", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    number = parser.parse_args(arguments).requests
    for name, seconds in run(number // BATCH).items():
        print(f"{name}: {np.median(seconds) * 1e6:.1f} us")
    tracemalloc.start()
    run(number // BATCH)
    _, most = tracemalloc.get_traced_memory()
    print(f"memory while {number:,} requests came: {most / 1e6:.1f} MB at most")


def run(num_batches: int) -> dict[str, list[float]]:
    """Seconds per request of each batch."""
    predictor = OnlinePredictor()
    lengths, rng = predictor.lengths, np.random.default_rng(1)
    running = np.zeros((NUM_RUNNING, len(FEATURES)), np.int64)
    slots, made = np.arange(NUM_RUNNING), np.full(NUM_RUNNING, 200)
    times: dict[str, list[float]] = {"predict": [], "learn": []}
    batch = requests(BATCH, 0)
    for _ in range(num_batches):
        start = time.perf_counter()
        groups = []
        for request in batch:
            groups.append(lengths.arrived(request))
            predictor.predict(request)
        middle = time.perf_counter()
        running[:] = groups[:NUM_RUNNING]
        for group, length in zip(groups, rng.geometric(0.004, BATCH).tolist(), strict=True):
            lengths.learn(group, length, is_censored=False)
            if lengths.is_due:
                lengths.refresh(running, slots, made)
        times["predict"].append((middle - start) / BATCH)
        times["learn"].append((time.perf_counter() - middle) / BATCH)
    return times
