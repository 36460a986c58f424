"""Schedulers side by side on a GPU: vLLM with a Llama 8B of random weights, real clock, async.

Requests at `--load` x capacity on a KV memory of `--kv-tokens`; no scheduler is told how long a
reply will be. Each scheduler has a fresh engine and the same requests; stock FCFS runs twice, so
that a difference can be told from noise. Beside each measured ratio stands what the simulator says,
given the step times of the first FCFS run.

Who uses predictions is told the 5 % quantiles of five classes; ``expected-volume+1~10/online`` is
told nothing, and learns. A policy named twice runs twice.

    python -m benchmarks gpu [--workload NAME] [--requests N] [--load X] [--kv-tokens N]
                             [--schedulers a,b/online,c] [--model 8b|tiny] [--engine JSON]
                             [--out FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from amin.demo.contenders import BASELINE, contenders
from amin.engine.settings import Label
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.step_time import StepTime
from amin.experiment.load import capacity
from amin.metrics.summary import Summary, summarize
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.record import RunResult
from amin.report.results import read_result
from amin.workload.generate import LMSYS_LIKE, names
from amin.workload.lmsys_like import embedded_replies
from benchmarks.random_model import MODELS, Job, requests

NAMES = "vllm-fcfs-watermark,vllm-priority-watermark,amax,amin-static,amin-dynamic"
COLUMNS = ("mean_e2e_latency", "p99_e2e_latency", "num_preemptions", "makespan")


def run(job: Job) -> tuple[RunResult, list[tuple[int, float]]]:
    """Serve in a process of its own; raises `RuntimeError` with its last words where that fails."""
    path = Path(f"{job.out}.json")
    path.write_text(json.dumps(asdict(job)))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.random_model", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{job.name}: {done.stderr[-3000:]}")
    with Path(job.out, "steps.csv").open(newline="") as file:
        steps = [
            (int(row["num_scheduled_tokens"]), float(row["seconds"]))
            for row in csv.DictReader(file)
        ]
    return read_result(Path(job.out)), steps


def fit(steps: Sequence[tuple[int, float]]) -> StepTime:
    """The mean time of the steps by how much they scheduled, in bins of a third more each.

    A line would not do: a step with a prompt in it is no CUDA graph and takes far longer.
    """
    busy = np.array([(tokens, seconds) for tokens, seconds in steps if tokens])
    which = np.digitize(busy[:, 0], np.unique(np.geomspace(1, 2**14, 34).astype(int)))
    bins = [busy[which == i] for i in np.unique(which)]
    points = tuple((float(b[:, 0].mean()), float(b[:, 1].mean())) for b in bins if len(b) >= 5)
    return StepTime(points=points)


def twin(job: Job, step_time: StepTime) -> Summary:
    """What the simulator says of the same requests."""
    config = SimulatorConfig(
        num_blocks=job.num_gpu_blocks - 1,
        block_size=job.block_size,
        max_num_seqs=job.max_num_seqs,
        max_num_batched_tokens=job.max_num_batched_tokens,
        watermark=job.watermark,
        step_time=step_time,
    )
    label = Label.of(job.scheduler)
    engine = SimulatedEngine(
        config,
        label.policy,
        predictor=job.predictor,
        **label.promises,
    )
    return summarize(engine.simulate(job.trace()).result())


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--workload", choices=names(), default=LMSYS_LIKE)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--load", type=float, default=1.5, help="multiple of capacity")
    parser.add_argument("--kv-tokens", type=int, default=16368)
    parser.add_argument("--block-size", type=int, default=16, help="32 on vLLM's CPU engine")
    parser.add_argument("--schedulers", default=NAMES)
    parser.add_argument("--model", choices=MODELS, default="8b")
    parser.add_argument("--engine", default="{}", help="further engine arguments, as JSON")
    parser.add_argument("--out", type=Path, help="keep the records here")
    options = parser.parse_args(arguments)
    if options.model != "tiny" and not _has_gpu():
        print("skipped: no GPU here (--model tiny runs anywhere)")
        return
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        _compare(options, out)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _compare(options: argparse.Namespace, out: Path) -> None:
    # A wrong name is to be refused before minutes of GPU time are spent.
    rows = [
        (name, contenders([name.partition("/")[0]])[-1], name.partition("/")[2])
        for name in [BASELINE.name, *options.schedulers.split(","), BASELINE.name]
    ]
    _, measured = embedded_replies(5000, seed=1).halves()
    table = {str(c): ClassBounds(low) for c, low in enumerate(measured.class_quantiles(0.05))}
    predictor = write_class_table(out / "classes.json", table)
    first = Job(
        options.model, "speed", "vllm-fcfs", str(out / "speed"), 200, 1e6,
        num_gpu_blocks=options.kv_tokens // options.block_size + 1,
        block_size=options.block_size, engine=options.engine, predictor=predictor,
        workload=options.workload,
    )  # fmt: skip
    _, steps = run(first)
    step_time = fit(steps)
    config = SimulatorConfig(first.num_gpu_blocks - 1, first.block_size, step_time=step_time)
    rate = options.load * capacity(requests(options.requests, 1.0, 1, options.workload), config)
    print(
        f"a step of one token takes {step_time(1) * 1e3:.1f} ms, "
        f"of 100 {step_time(100) * 1e3:.1f}, of 500 {step_time(500) * 1e3:.1f}; "
        f"{options.requests} requests at {rate:.1f}/s = {options.load:g} x capacity\n",
        flush=True,
    )
    print("| scheduler | mean (simulated) | p99 (simulated) | preemptions (simulated) | makespan |")
    print("|---|---|---|---|---|", flush=True)
    base: tuple[Summary, Summary] | None = None
    for i, (name, contender, told) in enumerate(rows):
        job = replace(
            first, name=name, scheduler=contender.scheduler, predictor=told or predictor,
            out=str(out / f"{i}-{name.replace('/', '-')}"), watermark=contender.watermark,
            num_requests=options.requests, requests_per_second=rate,
        )  # fmt: skip
        result, steps = run(job)
        if base is None:
            step_time = fit(steps)
        pair = summarize(result), twin(job, step_time)
        base = base or pair
        print(_line(name, pair, base), flush=True)


def _line(name: str, pair: tuple[Summary, Summary], base: tuple[Summary, Summary]) -> str:
    cells = []
    for column in COLUMNS:
        real, simulated = (getattr(summary, column) for summary in pair)
        if pair is not base:
            real, simulated = (
                value / (getattr(summary, column) or float("nan"))
                for value, summary in zip((real, simulated), base, strict=True)
            )
        cells.append(f"{real:.2f} ({simulated:.2f})")
    return f"| {name} | " + " | ".join(cells) + " |"
