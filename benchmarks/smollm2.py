"""A_min on a real model: SmolLM2-135M on vLLM's CPU engine against stock FCFS, real clock.

The demo's prompts, at four times the capacity; all serve the same prompts in turn, told the same,
seed after seed. The figures are the medians of the ratios.

    python -m benchmarks smollm2 [--seeds N] [--requests N] [--load X] [--max-tokens N]
                                 [--schedulers a,b,c]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from amin.demo.budget import Plan
from amin.demo.contenders import BASELINE, Contender, contenders
from amin.demo.measured import measure
from amin.demo.model import smollm2
from amin.demo.prompts import served_prompts
from amin.demo.run import serve_with
from amin.demo.serve_one import ServeJob
from amin.metrics.summary import Summary, summarize
from amin.report.terminal import progress

COLUMNS = ("mean_e2e_latency", "p99_e2e_latency", "output_tokens_per_second", "num_preemptions")


def compare(
    chosen: Sequence[Contender],
    seeds: Sequence[int],
    num_requests: int,
    load: float,
    max_tokens: int,
) -> dict[str, list[Summary]]:
    """Summaries by scheduler, one for each seed; the schedulers take turns within a seed."""
    model = smollm2()
    found: dict[str, list[Summary]] = {contender.name: [] for contender in chosen}
    with progress(Console(stderr=True)) as track:
        measured = measure(model, track, max_tokens)
        plan = Plan(num_requests, load * measured.speed.capacity)
        for seed in seeds:
            prompts = served_prompts(num_requests, seed)
            for contender in chosen:
                result = serve_with(
                    contender, plan, prompts, model, measured, seed, track, max_tokens
                )
                found[contender.name].append(summarize(result))
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks smollm2", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--load", type=float, default=4.0, help="multiple of capacity")
    parser.add_argument("--max-tokens", type=int, default=ServeJob.max_tokens)
    parser.add_argument("--schedulers", default="", help="comma-separated; all of the demo if none")
    options = parser.parse_args(arguments)
    chosen = contenders([name for name in options.schedulers.split(",") if name])
    seeds = range(1, options.seeds + 1)
    found = compare(chosen, seeds, options.requests, options.load, options.max_tokens)
    print(
        f"measured, {options.seeds} seeds x {options.requests} prompts at {options.load:g} x "
        f"capacity, at most {options.max_tokens} tokens each, ratios to {BASELINE.name}"
    )
    print("| scheduler | mean | p99 | output tokens/s | preemptions |")
    print("|---|---|---|---|---|")
    for name in [contender.name for contender in chosen[1:]]:
        cells = []
        for column in COLUMNS:
            pairs = zip(found[name], found[BASELINE.name], strict=True)
            ratios = [getattr(mine, column) / getattr(base, column) for mine, base in pairs]
            cells.append(f"{np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |")
