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
from amin.report.label import labels, provenances

# HEADER, cut so that the table fits a terminal of 85 columns while names are short.
_NARROW_HEADER = (
    "policy",
    "fini-\nshed",
    "mean\ne2e",
    "p99\ne2e",
    "mean\nTTFT",
    "mean\nTPOT",
    "p99\ngap",
    "pau-\nsed",
    "out\ntok/s",
    "pre-\nempted",
    "bound\ncover",
)


def as_table(results: Sequence[RunResult]) -> Table:
    """One row per run for a terminal; below each time its ratio to that of the first row."""
    table = Table(
        caption=_caption(results),
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    for title in _NARROW_HEADER:
        justify: JustifyMethod = "left" if title == "policy" else "right"
        # Folded, not cut: no digit may get lost in a narrow terminal.
        table.add_column(title, justify=justify, overflow="fold")
    for row in table_rows(results):
        # Text, not str: a policy's name is no markup.
        table.add_row(*(Text(f"{cell.text}\n{cell.ratio_text}".strip()) for cell in row))
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


def _caption(results: Sequence[RunResult]) -> Text:
    baseline = f"\nratios are to {labels(results)[0]}, where comparable" if len(results) > 1 else ""
    return Text(f"{provenances(results)}{baseline}")


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(text))
