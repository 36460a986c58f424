"""``amin predictor``: ``evaluate`` says how good bounds are on these requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from amin.cli import options
from amin.cli.train import train

if TYPE_CHECKING:
    from amin.workload.reading import Reading

EXAMPLES = """
\b
Examples:
  amin predictor evaluate --trace servegen.csv.gz
  amin predictor evaluate --trace t.csv --predictor class:table.json \\
      --predictor calibrated:class:table.json
  amin predictor evaluate --trace t.csv --predictor online --json
  amin predictor evaluate --trace t.csv --kv-tokens 65536 --load 1.5
\b
Each request is predicted, then learned from, in the order of the trace; the first fifth is not
counted. coverage: how often a reply reached its bound; loglik_gain: nats per reply that learning
lengths by these answers gains over learning all together. truth is the oracle.
\b
With --kv-tokens also what decides: mean and p99 of the latency, ÷ vLLM's FCFS, of policies that are
told these answers (simulated; as if each outcome were known when the next request arrives).
"""

POLICIES = "expected-volume+1~10", "amin-dynamic+1~10"
DEFAULT = "constant:1", "online", "calibrated:online"
COLUMNS = (
    ("coverage", "coverage"),
    ("mean bound", "mean_lower"),
    ("mean length", "mean_true"),
    ("width", "mean_width"),
    ("pinball", "pinball"),
    ("rank corr.", "rank_correlation"),
    ("nats gained", "loglik_gain"),
    ("predict us", "predict_us"),
    ("learn us", "learn_us"),
)


@click.group()
def predictor() -> None:
    """Predictors of reply lengths: train one, see how good they are."""


predictor.add_command(train)


@predictor.command(epilog=EXAMPLES)
@click.option("--trace", required=True, help="a file of traffic, as for amin simulate")
@options.reading
@click.option("--num-requests", type=int, help="of the trace, the first so many [default: all]")
@click.option(
    "--predictor",
    "specs",
    multiple=True,
    default=DEFAULT,
    show_default=True,
    help="as for amin serve; may be given several times",
)
@click.option(
    "--kv-tokens",
    type=options.Tokens(),
    help="simulate policies that are told the answers, on so many",
)
@click.option("--load", default=1.5, show_default=True, help="there: multiple of capacity")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    default=POLICIES,
    show_default=True,
    help="there: NAME or NAME+X with a tail promise; may be given several times",
)
@click.option(
    "--out",
    type=options.OutputFolder(),
    default=Path("results/predictor"),
    show_default=True,
    help="folder for the page",
)
@click.option("--json", "as_json", is_flag=True, help="print all numbers as JSON, write no page")
def evaluate(
    trace: str,
    reading: Reading,
    num_requests: int | None,
    specs: tuple[str, ...],
    kv_tokens: int | None,
    load: float,
    policies: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Replay a trace and say how good the lower bounds are.

    Beside the predictors stand the prompt's length, the classes and clients of the trace, each by
    itself, and the truth, which knows each length.
    """
    from amin.experiment.evaluation import evaluate as run
    from amin.experiment.evaluation import latencies
    from amin.experiment.setting import Setting
    from amin.experiment.yardsticks import yardsticks
    from amin.predictor.catalog import get_predictor
    from amin.report.terminal import console, progress
    from amin.workload.read import read

    understood = read(Path(trace), reading, num_requests)
    requests = understood.trace
    chosen = [get_predictor(spec) for spec in specs]
    if not as_json:
        chosen += yardsticks(requests)
    with progress(Console(stderr=True)) as track:
        found = [run(one, requests, track(one.name, len(requests))) for one in chosen]
    rows = [one.as_dict() for one in found]
    if kv_tokens is not None:
        setting = Setting(kv_tokens)
        for one, row in zip(found, rows, strict=True):
            row["latency"] = latencies(one, requests, policies, setting, load)
    if as_json:
        click.echo(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2))
        return
    console().print(f"{trace}: {understood}", highlight=False, markup=False, soft_wrap=True)
    _print(rows)
    _write(rows, trace, out)


def _print(rows: list[dict[str, Any]]) -> None:
    from amin.report.terminal import console, plain

    out = console()
    for about, titles, cells in _tables(rows):
        out.print(about, highlight=False)
        out.print(_table(titles, rows, cells))
    for row in rows:
        groups = row["coverage_by_group"]
        if groups:
            worst = min(groups, key=groups.__getitem__)
            best = max(groups, key=groups.__getitem__)
            out.print(
                f"{row['predictor']}: coverage by group, of {len(groups)}: {groups[worst]:.3f} "
                f"({plain(worst)}) to {groups[best]:.3f} ({plain(best)})",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip


def _tables(rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """(what it is, titles, cells) of each table."""
    numbers = [[row[column] for _, column in COLUMNS] for row in rows]
    cells = [["-" if n is None else _short(n) for n in of_one] for of_one in numbers]
    yield "", [title for title, _ in COLUMNS], cells
    if policies := list(rows[0].get("latency", ())):
        about = "\nmean and p99 of the latency ÷ vllm-fcfs, told these answers (simulated):\n"
        ratios = [[f"{mean:.2f}, {p99:.2f}" for mean, p99 in r["latency"].values()] for r in rows]
        yield about, policies, ratios


def _short(number: float) -> str:
    return "0" if abs(number) < 5e-4 else f"{number:.3g}"


def _write(rows: list[dict[str, Any]], trace: str, out: Path) -> None:
    from amin.predictor.online import COVERAGE
    from amin.report.plain_page import plain_page
    from amin.report.reliability_figure import Reliability, reliability_figure
    from amin.report.terminal import console

    found = {}
    for row in rows:
        by_bound = [share for _, share in row["coverage_by_bound"]]
        found[row["predictor"]] = Reliability(by_bound, row["coverage_over_time"])
    figure = reliability_figure(
        found,
        COVERAGE,
        name="reliability",
        title="share of replies that reach their lower bound, by the bound and over time",
    )
    parts = [
        f"{trace}, {rows[0]['num_requests']:,} requests; the first fifth is not counted.",
        figure,
    ]
    for about, titles, cells in _tables(rows):
        lines = [["predictor", *titles], ["---"] * (len(titles) + 1)]
        lines += [[row["predictor"], *mine] for row, mine in zip(rows, cells, strict=True)]
        parts.append(about + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(plain_page("How good bounds are", parts), encoding="utf-8")
    console().print(f"page: {out / 'index.html'}", soft_wrap=True)


def _table(titles: list[str], rows: list[dict[str, Any]], cells: list[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    table.add_column("predictor", no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right")
    for row, of_one in zip(rows, cells, strict=True):
        table.add_row(row["predictor"], *of_one)
    return table
