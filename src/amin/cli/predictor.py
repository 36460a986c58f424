"""``amin predictor evaluate``: how good are bounds on these requests?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from amin.experiment.evaluation import Evaluation

EXAMPLES = """
\b
Examples:
  amin predictor evaluate --trace servegen.csv.gz
  amin predictor evaluate --trace t.csv --predictor class:table.json \\
      --predictor calibrated:class:table.json
  amin predictor evaluate --trace t.csv --predictor online --json
\b
Each request is predicted, then learned from, in the order of the trace; the first fifth is not
counted. coverage: how often a reply reached its bound; loglik_gain: nats per reply that learning
lengths by these answers gains over learning all together. truth is the oracle.
"""

DEFAULT = "constant:1", "online", "calibrated:online"
COLUMNS = (
    ("coverage", "coverage"),
    ("mean bound", "mean_lower"),
    ("mean length", "mean_true"),
    ("pinball", "pinball"),
    ("rank corr.", "rank_correlation"),
    ("nats gained", "loglik_gain"),
    ("predict us", "predict_us"),
    ("learn us", "learn_us"),
)


@click.group()
def predictor() -> None:
    """Predictors of reply lengths: how good they are."""


@predictor.command(epilog=EXAMPLES)
@click.option("--trace", required=True, help="a CSV or JSON-lines file, as for amin simulate")
@click.option("--num-requests", type=int, help="of the trace, the first so many [default: all]")
@click.option(
    "--predictor",
    "specs",
    multiple=True,
    default=DEFAULT,
    show_default=True,
    help="as for amin serve; may be given several times",
)
@click.option("--json", "as_json", is_flag=True, help="print all numbers as JSON")
def evaluate(trace: str, num_requests: int | None, specs: tuple[str, ...], as_json: bool) -> None:
    """Replay a trace and say how good the lower bounds are.

    Beside the predictors stands the truth, which knows each length.
    """
    from amin.experiment.evaluation import Truth
    from amin.experiment.evaluation import evaluate as run
    from amin.predictor.catalog import get_predictor
    from amin.report.terminal import progress
    from amin.workload.read import read_trace

    requests = read_trace(Path(trace))[:num_requests]
    chosen = [get_predictor(spec) for spec in specs]
    if not as_json:
        chosen.append(Truth())
    with progress(Console(stderr=True)) as track:
        found = [run(one, requests, track(one.name, len(requests))) for one in chosen]
    if as_json:
        rows = [one.as_dict() for one in found]
        click.echo(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2))
        return
    _print(found)


def _print(found: list[Evaluation]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from amin.report.terminal import console

    out = console()
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    table.add_column("predictor", no_wrap=True)
    for title, _ in COLUMNS:
        table.add_column(title, justify="right")
    rows = [one.as_dict() for one in found]
    for row in rows:
        numbers = (row[column] for _, column in COLUMNS)
        cells = ["-" if number is None else f"{number:.3g}" for number in numbers]
        table.add_row(row["predictor"], *cells)
    out.print(table)
    for row in rows:
        groups = row["coverage_by_group"]
        if groups:
            worst = min(groups, key=groups.__getitem__)
            best = max(groups, key=groups.__getitem__)
            out.print(
                f"{row['predictor']}: coverage by group, of {len(groups)}: {groups[worst]:.3f} "
                f"({worst}) to {groups[best]:.3f} ({best})",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
