"""A table of runs for the terminal, for Markdown and for a spreadsheet."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Sequence
from dataclasses import fields

from rich.box import SIMPLE_HEAD
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from amin.metrics.summary import Summary, summarize
from amin.record import RunResult
from amin.report.cells import HEADER, table_rows
from amin.report.label import provenances


def as_table(results: Sequence[RunResult]) -> Table:
    """One row per run for a terminal; the first is what the ratios compare with."""
    table = Table(caption=provenances(results), box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for title in HEADER:
        justify: JustifyMethod = "left" if title == HEADER[0] else "right"
        table.add_column(title, justify=justify, overflow="fold")
    for row in table_rows(results):
        # Text, not str: a policy's name is no markup.
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def as_markdown(results: Sequence[RunResult]) -> str:
    """The same table in GitHub's Markdown, ending in a newline."""
    rows = [
        list(HEADER),
        [":--", *["--:"] * (len(HEADER) - 1)],
        *([_escape_markdown(str(cell)) for cell in row] for row in table_rows(results)),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def as_csv(results: Sequence[RunResult]) -> str:
    """One row per run with every field of its `Summary`, unrounded; times in seconds, NaN empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [field.name for field in fields(Summary)]
    writer.writerow(["policy", "engine", "seed", *names])
    for result in results:
        numbers = summarize(result).as_dict().values()
        writer.writerow([result.policy, result.engine, result.seed, *numbers])
    return out.getvalue()


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(text))
