"""A_min on a real model: SmolLM2-135M on vLLM's CPU engine against stock FCFS, real clock.

The demo's prompts above capacity; stock and A_min serve the same prompts in turn, seed after seed.
The figures are the medians of the ratios.

    python -m benchmarks smollm2 [--seeds N] [--requests N]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import Progress

from amin.demo.model import smollm2
from amin.demo.prompts import halves
from amin.demo.run import DemoConfig, class_table, serve_with, served_prompts
from amin.metrics.summary import Summary, summarize

STOCK = "vllm-fcfs"
POLICIES = ("vllm-priority", "amin-static", "amin-dynamic")
COLUMNS = ("mean_e2e_latency", "p99_e2e_latency", "output_tokens_per_second", "num_preemptions")


def measure(seeds: Sequence[int], num_requests: int) -> dict[str, list[Summary]]:
    """Summaries by scheduler, one for each seed; the schedulers take turns within a seed."""
    model = smollm2()
    found: dict[str, list[Summary]] = {name: [] for name in (STOCK, *POLICIES)}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("measuring reply lengths", total=len(halves()[0]))
        table = class_table(model, lambda: progress.advance(task))
        for seed in seeds:
            config = DemoConfig(num_requests=num_requests, seed=seed)
            prompts = served_prompts(config)
            for name in found:
                task = progress.add_task(f"seed {seed}: {name}", total=len(prompts))
                result = serve_with(
                    name, config, prompts, model, table, lambda t=task: progress.advance(t)
                )
                found[name].append(summarize(result))
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks smollm2", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=64)
    options = parser.parse_args(arguments)
    found = measure(range(1, options.seeds + 1), options.requests)
    print(f"measured, {options.seeds} seeds x {options.requests} prompts, ratios to {STOCK}")
    print("| scheduler | mean | p99 | output tokens/s | preemptions |")
    print("|---|---|---|---|---|")
    for name in POLICIES:
        cells = []
        for column in COLUMNS:
            pairs = zip(found[name], found[STOCK], strict=True)
            ratios = [getattr(mine, column) / getattr(base, column) for mine, base in pairs]
            cells.append(f"{np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |")
