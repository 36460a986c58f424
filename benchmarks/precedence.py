"""What a target for the first token and fair shares do, by what people feel. Simulated.

Traffic as in `benchmarks.flagship_traffic`, nothing told, both promises. First, `--ttft-target 2s`
beside the default: latencies ÷ stock FCFS, and goodput, the share of requests with TTFT <= 2 s and
TPOT <= .1 s. Then chat of two clients, one of whom floods the server while the other asks for a
fifth or two fifths of what it serves: the mean latency of the small one ÷ what it has alone on half
of the memory; once with steps as quick as they are there, and once with steps as long as those of
the whole server when it is full. Means over seeds.

    python -m benchmarks precedence [--replies FILE.csv.gz] [--seeds 1,2,...] [--requests N]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.step_time import StepTime
from amin.metrics.columns import Columns
from amin.metrics.summary import Summary, summary_of
from amin.workload.trace import Trace
from benchmarks.flagship_traffic import Files, Traffic

TRAFFICS = (
    *(Traffic("chat", rate) for rate in (5, 7, 9, 11)),
    *(Traffic("sessions", 1.5), Traffic("mixed", 1.2)),
    *(Traffic("1,024 x 4", 1.5), Traffic("4,096 x 1", 1.5)),
)
FULL_STEPS = StepTime.parse("linear:0.0365,0.00015")
"""Some 43 requests run when the whole memory is full of chat, and each makes a token."""


def run(trace: Trace, shape: SimulatorConfig, **settings: Any) -> Columns:
    """The default, which learns everything itself."""
    ours = {"predictor": "online", "tail_promise": 1.0, "stream_promise": 10.0, **settings}
    return SimulatedEngine(shape, "expected-volume", **ours).simulate(trace).columns()


def untold(trace: Trace) -> Trace:
    """The same requests, of which nothing is told."""
    return replace(trace, lower=np.zeros_like(trace.lower), predicted_class=np.empty(0, np.object_))


def with_target(traffic: Traffic, options: argparse.Namespace, seed: int) -> list[float]:
    """(mean, p99, goodput) without a target and with one, and the goodput of stock FCFS."""
    trace = untold(traffic.trace(Files(options.replies, None), options.requests, seed))
    stock = summary_of(SimulatedEngine(traffic.shape, "vllm-fcfs").simulate(trace).columns())
    found: list[float] = []
    for target in (None, 2.0):
        ours: Summary = summary_of(run(trace, traffic.shape, ttft_target=target))
        found += [
            ours.mean_e2e_latency / stock.mean_e2e_latency,
            ours.p99_e2e_latency / stock.p99_e2e_latency,
            ours.goodput,
        ]
    return [*found, stock.goodput]


def with_flood(rates: tuple[float, float], options: argparse.Namespace, seed: int) -> list[float]:
    """(the small one ÷ alone, ÷ alone with full steps, mean of all ÷ FCFS), without shares and with
    them."""
    both = Traffic("chat", sum(rates))
    trace = untold(both.trace(Files(options.replies, None), options.requests, seed))
    is_small = np.random.default_rng(seed).random(len(trace)) < rates[0] / sum(rates)
    trace = replace(trace, client=np.where(is_small, "small", "flood").astype(object))
    half = replace(both.shape, num_blocks=both.shape.num_blocks // 2)
    alone = [
        latencies(run(trace[np.flatnonzero(is_small)], shape)).mean()
        for shape in (half, replace(half, step_time=FULL_STEPS))
    ]
    stock = latencies(SimulatedEngine(both.shape, "vllm-fcfs").simulate(trace).columns()).mean()
    found = []
    for share in (None, "client"):
        ours = latencies(run(trace, both.shape, fair_share=share))
        found += [*(ours[is_small].mean() / one for one in alone), ours.mean() / stock]
    return [float(one) for one in found]


def latencies(columns: Columns) -> np.ndarray:
    """Seconds from arrival to the end."""
    return columns.finish_time - columns.arrival_time


def main(arguments: Sequence[str]) -> None:
    """Run and print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks precedence", description=__doc__)
    parser.add_argument("--replies", type=Path, help="the CSV published with SSJF")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--requests", type=int, default=3000)
    options = parser.parse_args(arguments)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    print("| traffic | mean, p99, goodput | with --ttft-target 2s | goodput, FCFS |")
    print("|---|---|---|---|")
    for traffic in TRAFFICS:
        row = np.mean([with_target(traffic, options, seed) for seed in seeds], axis=0)
        off, on = (" ".join(f"{value:.2f}" for value in row[i : i + 3]) for i in (0, 3))
        print(f"| {traffic.kind} {traffic.load:g} | {off} | {on} | {row[6]:.2f} |", flush=True)
    print("\n| small, flood, a second | ÷ alone | ÷ alone, full steps | mean of all ÷ FCFS |")
    print("|---|---|---|---|")
    for rates in ((1.0, 8.0), (2.0, 8.0), (2.0, 20.0)):
        row = np.mean([with_flood(rates, options, seed) for seed in seeds], axis=0)
        cells = (f"{row[i]:.2f} -> {row[i + 3]:.2f}" for i in range(3))
        print(f"| {rates[0]:g}, {rates[1]:g} | {' | '.join(cells)} |", flush=True)
