"""What A_min's decisions cost as the queue grows, and what a request takes of memory.

N requests wait at time 0 before a memory that some 70 of them fill; the figure is the time of a
step of the simulator (victims, admission with its forecast, one token for each), median of slices,
after the first steps, which sort the queue. Before that, one run of a million requests to its end.

    python -m benchmarks decision_cost [--largest N]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Sequence

import numpy as np

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.workload.families import instance
from amin.workload.trace import Trace

CONFIG = SimulatorConfig(num_blocks=1024, block_size=16)
SLICES, STEPS = 5, 120


def requests(number: int) -> Trace:
    """Replies of 20 to 500 tokens, 100 on average; prompts of 30."""
    return instance("geometric", number, seed=1, lower=20, upper=500, share_short=0.0125, prompt=30)


def microseconds_per_step(policy: str, number: int) -> float:
    """With so many waiting."""
    simulation = SimulatedEngine(CONFIG, policy).start(requests(number))
    simulation.advance(50)
    times = []
    for _ in range(SLICES):
        start = time.perf_counter()
        simulation.advance(STEPS)
        times.append((time.perf_counter() - start) / STEPS)
    return statistics.median(times) * 1e6


def whole_run(number: int) -> None:
    """Print what one run of so many requests takes; first of all, while the process is small."""
    engine = SimulatedEngine(CONFIG, "amin-static")
    engine.simulate(requests(1000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trace = requests(number)
    start = time.perf_counter()
    engine.simulate(trace)
    seconds = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"{number:,} requests in one run: {seconds:.1f} s, "
        f"{trace.num_output_tokens.sum() / seconds / 1e6:.1f} M output tokens/s; the process grew "
        f"by {grown * 1024 / number:.0f} bytes per request, trace and columns included\n"
    )


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks decision_cost", description=__doc__)
    parser.add_argument("--largest", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    numbers = [n for n in (10**3, 10**4, 10**5, 10**6) if n <= options.largest]
    whole_run(options.largest)
    print("| waiting | " + " | ".join(f"{n:,}" for n in numbers) + " | exponent |")
    print("|---|" + "---|" * (len(numbers) + 1))
    for policy in ("amin-static", "amin-dynamic", "vllm-fcfs"):
        times = [microseconds_per_step(policy, n) for n in numbers]
        exponent = np.polyfit(np.log(numbers), np.log(times), 1)[0]
        cells = " | ".join(f"{t:.2f} us" for t in times)
        print(f"| {policy} | {cells} | {exponent:.3f} |")
