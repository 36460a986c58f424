"""Runs to the cells of one table: the same for terminal, Markdown and page.

The first run is the baseline: next to a time stands its ratio to the baseline's time, unless the
two runs cannot be compared (see `amin.report.comparable`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from amin.metrics.summary import Summary, summarize
from amin.record import RunResult
from amin.report.comparable import is_comparable
from amin.report.label import labels

Kind = Literal["time", "rate", "count", "share", "harm"]
"""A harm is a share of requests that fare badly."""

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a `Summary`: `field` there, `title` here."""

    title: str
    field: str
    kind: Kind

    @property
    def is_smaller_better(self) -> bool:
        """True for times, for harms, and for counts, which are all of waste."""
        return self.kind in ("time", "count", "harm")

    def value(self, summary: Summary) -> float:
        """The number itself; NaN where the run does not define it."""
        return float(getattr(summary, self.field))


COLUMNS = (
    Column("mean e2e latency", "mean_e2e_latency", "time"),
    Column("p99 e2e latency", "p99_e2e_latency", "time"),
    Column("mean TTFT", "mean_ttft", "time"),
    Column("mean TPOT", "mean_tpot", "time"),
    Column("p99 longest gap", "p99_longest_gap", "time"),
    Column("readers paused > 1 s", "share_paused", "harm"),
    Column("output tok/s", "output_tokens_per_second", "rate"),
    Column("preemptions", "num_preemptions", "count"),
    Column("bound coverage", "bound_coverage", "share"),
)
HEADER = ("policy", "finished", *(column.title for column in COLUMNS))


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` with its unit, and `ratio` to the baseline (NaN where there is none)."""

    text: str
    ratio: float = math.nan

    @property
    def ratio_text(self) -> str:
        """``0.57x``, or nothing."""
        return "" if math.isnan(self.ratio) else format_ratio(self.ratio)

    def __str__(self) -> str:
        return f"{self.text} ({self.ratio_text})" if self.ratio_text else self.text


def table_rows(results: Sequence[RunResult]) -> list[list[Cell]]:
    """One row per run, one cell per title of `HEADER`."""
    summaries = [summarize(result) for result in results]
    has_ratio = [
        row > 0 and is_comparable(result, results[0]) for row, result in enumerate(results)
    ]
    columns = [
        [Cell(label) for label in labels(results)],
        [
            Cell(f"{summary.num_finished}/{len(result.records)}")
            for summary, result in zip(summaries, results, strict=True)
        ],
        *(_cells(column, summaries, has_ratio) for column in COLUMNS),
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _cells(column: Column, summaries: Sequence[Summary], has_ratio: Sequence[bool]) -> list[Cell]:
    values = [column.value(summary) for summary in summaries]
    if column.kind != "time":
        return [Cell(format_value(value, column.kind)) for value in values]
    return [
        Cell(format_value(value, "time"), ratio(value, values[0]) if shown else math.nan)
        for value, shown in zip(values, has_ratio, strict=True)
    ]


def ratio(value: float, baseline: float) -> float:
    """`value` / `baseline`; NaN where that says nothing."""
    return value / baseline if baseline > 0 else math.nan


def format_ratio(value: float) -> str:
    """``0.57x``."""
    return f"{value:.2f}x"


def format_value(value: float, kind: Kind) -> str:
    """A number with its unit, to about three digits; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    match kind:
        case "time":
            return _format_seconds(value)
        case "share" | "harm":
            return f"{value:.1%}"
        case "rate":
            return _three_digits(value)
        case "count":
            return f"{value:,.0f}"


def _format_seconds(value: float) -> str:
    return f"{_three_digits(value)} s" if value >= 1 else f"{_three_digits(value * 1000)} ms"


def _three_digits(value: float) -> str:
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{decimals}f}"
