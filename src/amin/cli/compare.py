"""``amin compare``: many policies on one kind of traffic, in the simulator."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from amin.cli import options
from amin.experiment import example

if TYPE_CHECKING:
    from amin.experiment.comparison import Comparison
    from amin.experiment.setting import Setting
    from amin.experiment.traffic import Traffic
    from amin.workload.reading import Reading

EXAMPLES = """
\b
Examples:
  amin compare
  amin compare --trace azure.csv.gz --kv-tokens 65536 --load 1.5
  amin compare --workload sharegpt --arrivals gamma:3 --policies vllm-fcfs,amin-dynamic --seeds 20
  amin compare --policies vllm-fcfs,your.module:POLICY
  amin compare --workload sessions
  amin compare --closed-loop 120 --policies vllm-fcfs,expected-volume+1~10
\b
NAME@0.05 is a policy with a watermark: 5 % of the memory is kept free at admission. NAME+1 has a
tail promise, NAME~10 a stream promise, as for amin simulate; NAME alone makes none. The first
policy is what the others are compared with. Finished runs are kept below --out: the same command,
interrupted, goes on from there.
"""


@click.command(epilog=EXAMPLES)
@click.option("--trace", help="a file of traffic, as for amin simulate")
@options.reading
@options.workload
@options.closed_loop
@options.think_time
@click.option("--num-requests", type=int, help="[default: 1000, of a trace all]")
@click.option(
    "--load",
    type=float,
    help="arrival rate as a multiple of capacity [default: a trace's own, else 1.5]",
)
@click.option(
    "--arrivals", help="poisson, gamma:CV or batch [default: a trace's own, else poisson]"
)
@click.option(
    "--predicted",
    help="none, all:L,U, bins:W, relative:X, exact or classes:X [default: what the workload says]",
)
@click.option(
    "--policies", default=",".join(example.POLICIES), show_default=True, help="comma-separated"
)
@click.option("--seeds", default=example.NUM_SEEDS, show_default=True, help="how many")
@click.option(
    "--kv-tokens",
    type=options.Tokens(),
    help=f"[default: what a log of amin serve says, without a trace {example.KV_TOKENS}]",
)
@options.server
@options.paper
@options.reading_pace
@click.option(
    "--backend",
    type=click.Choice(["threads", "ray"]),
    default="threads",
    show_default=True,
    help="all cores of this machine, or a Ray cluster",
)
@click.option(
    "--out",
    type=options.OutputFolder(),
    default=Path("results/compare"),
    show_default=True,
    help="folder for page, tables and finished runs",
)
def compare(
    trace: str | None,
    reading: Reading,
    workload: str | None,
    closed_loop: int | None,
    think_time: float,
    num_requests: int | None,
    load: float | None,
    arrivals: str | None,
    predicted: str | None,
    policies: str,
    seeds: int,
    backend: str,
    server: dict[str, Any],
    kv_tokens: int | None,
    reading_pace: float,
    paper: bool,
    out: Path,
) -> None:
    """Compare policies: what would each do with this traffic and this KV memory?

    Without a trace: LMSYS-like requests at 1.5 x capacity, in some seconds.
    """
    from amin.experiment.comparison import compare as run
    from amin.experiment.served_setting import as_told
    from amin.experiment.setting import Setting
    from amin.experiment.traffic import Traffic
    from amin.report.terminal import progress

    if load is None and trace is None and arrivals != "batch" and closed_loop is None:
        load = example.LOAD
    source = trace or workload or example.WORKLOAD
    loop = closed_loop, think_time
    traffic = Traffic(source, num_requests, load, arrivals, predicted, reading, *loop)
    if kv_tokens is None and trace is None:
        kv_tokens = example.KV_TOKENS
    said = as_told(traffic, kv_tokens, server)
    if paper:
        said = {"kv_tokens": said["kv_tokens"], **server}
    setting = (Setting.paper if paper else Setting)(**said, reading_pace=reading_pace)
    names = [name.strip() for name in policies.split(",") if name.strip()]
    with progress(Console(stderr=True)) as track:
        comparison = run(
            names,
            traffic,
            setting,
            range(1, seeds + 1),
            folder=out / "cells",
            backend=backend,
            track=track,
        )
    _print(comparison, traffic, setting)
    _write(comparison, names, traffic, setting, out)


def _print(comparison: Comparison, traffic: Traffic, setting: Setting) -> None:
    from amin.experiment.assumed import in_words
    from amin.report.terminal import console

    out = console()
    first = comparison.rows[0]
    out.print()
    for line in (*in_words(setting, traffic.served), traffic.understood):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    out.print(
        f"Simulated, deciding as vLLM does: {traffic.source}, load "
        f"{traffic.load_in_words(first['rho'])}, "
        f"{first['kv_tokens']:,} KV tokens. {comparison.labels[0]} in seconds, tokens and counts; "
        "the others as ratios to it, the mean over seeds (smallest-largest):\n",
        highlight=False,
    )
    out.print(comparison.as_table())


def _write(
    comparison: Comparison, names: list[str], traffic: Traffic, setting: Setting, out: Path
) -> None:
    from amin.experiment.assumed import assumed
    from amin.experiment.comparison import cells_of
    from amin.policy.catalog import POLICIES as KNOWN
    from amin.report.page import render_page

    first_row = comparison.rows[0]
    first = first_row["seed"]
    runs = [cell.run() for cell in cells_of(names, traffic, setting, [first])]
    for name, run in zip(names, runs, strict=True):
        run.result.policy = name
    how = {
        "workload": f"{traffic}, seed {first} of {len({row['seed'] for row in comparison.rows})}",
        **{one.name: f"{one.value} ({one.source})" for one in assumed(setting, traffic.served)},
        "load": traffic.load_in_words(first_row["rho"]),
        "command": shlex.join(["amin", *sys.argv[1:]]),
    }
    words = {name: KNOWN[name].summary for name in names if name in KNOWN}
    page = render_page([run.result for run in runs], title="amin compare", how=how, words=words)
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(page, encoding="utf-8")
    (out / "table.md").write_text(comparison.as_markdown(), encoding="utf-8")
    (out / "runs.csv").write_text(comparison.as_csv(), encoding="utf-8")
    Console().print(f"\npage: {out / 'index.html'}", soft_wrap=True)
