"""A sweep of 200 cells on two workers ÷ on one: threads, and Ray where it is asked for.

python -m benchmarks sweep_scaling [--cells N] [--requests N] [--ray]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

from amin.experiment.cell import Cell
from amin.experiment.comparison import cells_of
from amin.experiment.setting import Setting
from amin.experiment.sweep import sweep
from amin.experiment.traffic import Traffic

POLICIES = ("vllm-fcfs", "vllm-priority", "amin-static", "amin-dynamic")
REPEATS = 3


def seconds(cells: Sequence[Cell], backend: str, num_workers: int) -> float:
    """One sweep."""
    start = time.perf_counter()
    sweep(cells, backend=backend, num_workers=num_workers)
    return time.perf_counter() - start


def main(arguments: Sequence[str]) -> None:
    """Measure in pairs and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sweep_scaling", description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args(arguments)
    traffic = Traffic("lmsys-like", num_requests=options.requests, load=1.5)
    setting = Setting(8176)
    cells = cells_of(POLICIES, traffic, setting, range(options.cells // len(POLICIES)))
    for backend in ("threads", *(["ray"] if options.ray else [])):
        seconds(cells[:4], backend, 2)
        pairs = [[seconds(cells, backend, n) for n in (1, 2)] for _ in range(REPEATS)]
        ratios = [one / two for one, two in pairs]
        print(
            f"{backend}: {len(cells)} cells of {options.requests:,} requests, "
            f"{statistics.median(pair[0] for pair in pairs):.1f} s on one worker; on two "
            f"{statistics.median(ratios):.2f} x as fast ({min(ratios):.2f}-{max(ratios):.2f})"
        )
