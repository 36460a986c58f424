"""How fast the simulator is: simulated output tokens per second of wall clock, one core.

100,000 LMSYS-like requests, Poisson at 1.5 x capacity, 1,024 blocks of 16 tokens, steps of 30 ms +
0.15 ms per token. Compiling is not in it; its time, cold and cached, stands beside.

    python -m benchmarks simulator_speed [--requests N] [--repeats N] [--dynamo PYTHON]

PYTHON is an interpreter that has ai-dynamo installed: its offline replay of the same requests then
runs in turn with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.experiment.load import at_load
from amin.workload.generate import generate
from amin.workload.trace import Trace

CONFIG = SimulatorConfig(num_blocks=1024, block_size=16)
POLICIES = ("vllm-fcfs", "fcfs", "amin-static", "amin-dynamic", "amax")
COMPILING = (
    "import time; t = time.perf_counter()\n"
    "from amin.engine.simulator import SimulatedEngine, SimulatorConfig\n"
    "SimulatedEngine(SimulatorConfig(64), 'amin-static')\n"
    "print(time.perf_counter() - t)"
)


def tokens_per_second(policy: str, trace: Trace) -> float:
    """One run."""
    engine = SimulatedEngine(CONFIG, policy)
    start = time.perf_counter()
    engine.simulate(trace)
    return int(trace.num_output_tokens.sum()) / (time.perf_counter() - start)


def dynamo_tokens_per_second(python: str, trace: Trace) -> float:
    """Dynamo's replay of the same requests, in its own process; its start is not counted."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "trace.jsonl")
        with path.open("w") as file:
            for i, (at, prompt, output) in enumerate(
                zip(
                    trace.arrival_time.tolist(),
                    trace.num_prompt_tokens.tolist(),
                    trace.num_output_tokens.tolist(),
                    strict=True,
                )
            ):
                row = {
                    "timestamp": at * 1000,
                    "input_length": prompt,
                    "output_length": output,
                    # Distinct prompts: no two share a block.
                    "hash_ids": list(range(i * 64, i * 64 + -(-prompt // 16))),
                }
                file.write(json.dumps(row) + "\n")
        script = Path(__file__).with_name("dynamo_replay.py")
        done = subprocess.run(
            [python, str(script), str(path), str(CONFIG.num_blocks), str(CONFIG.block_size)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(f"dynamo: {done.stderr[-2000:]}")
    seconds = float(done.stdout.strip().splitlines()[-1])
    return int(trace.num_output_tokens.sum()) / seconds


def compile_seconds(cache: str) -> float:
    """Importing and compiling in a new process, with this folder for compiled code."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-c", COMPILING],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks simulator_speed", description=__doc__
    )
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dynamo", default="", help="a python that has ai-dynamo")
    options = parser.parse_args(arguments)
    trace = at_load(generate("lmsys-like", options.requests, seed=1), 1.5, CONFIG, seed=1)
    names = [*POLICIES, *(["dynamo, vLLM mode"] if options.dynamo else [])]
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.repeats):
        for policy in POLICIES:
            found[policy].append(tokens_per_second(policy, trace))
        if options.dynamo:
            found[names[-1]].append(dynamo_tokens_per_second(options.dynamo, trace))
    print(
        f"simulated, {options.requests:,} requests, {trace.num_output_tokens.sum():,} tokens, "
        f"median of {options.repeats}"
    )
    print("| simulator | output tokens/s | to dynamo |")
    print("|---|---|---|")
    for name, values in found.items():
        base = statistics.median(found[names[-1]]) if options.dynamo else float("nan")
        middle = statistics.median(values)
        print(f"| {name} | {middle / 1e6:,.1f} M | {middle / base:.1f} |")
    with tempfile.TemporaryDirectory() as cache:
        cold, cached = (compile_seconds(cache) for _ in range(2))
    print(f"\nimport and compile: {cold:.1f} s cold, {cached:.2f} s with the cache")
