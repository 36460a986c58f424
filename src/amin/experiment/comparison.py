"""Policies side by side on one kind of traffic, over seeds: the table, the CSV, the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from amin.engine.settings import Label
from amin.errors import ConfigError
from amin.experiment.cell import Cell, Row
from amin.experiment.frame import frame
from amin.experiment.setting import Setting
from amin.experiment.sweep import sweep
from amin.experiment.traffic import Traffic
from amin.policy.interface import Policy
from amin.report.terminal import Track

COLUMNS = (
    ("mean e2e", "mean_e2e_latency"),
    ("p99 e2e", "p99_e2e_latency"),
    ("mean TTFT", "mean_ttft"),
    ("p99 TPOT", "p99_tpot"),
    ("p99 gap", "p99_longest_gap"),
    ("makespan", "makespan"),
    ("preempted", "num_preemptions"),
)
SHARES = ("paused > 1 s", "share_paused"), ("goodput", "goodput")
"""Shares of requests, which stand as they are, not as ratios."""


@dataclass(frozen=True)
class Comparison:
    """Rows of cells: `labels` in order, the baseline first, each with every seed."""

    labels: tuple[str, ...]
    rows: list[Row]

    def ratios(self, label: str, column: str) -> list[float]:
        """Each seed's value ÷ that of the baseline on the same requests; NaN for x ÷ 0."""
        mine, base = (
            {row["seed"]: row[column] for row in self.rows if row["label"] == name}
            for name in (label, self.labels[0])
        )
        return [
            mine[seed] / base[seed] if mine[seed] is not None and base[seed] else float("nan")
            for seed in mine
        ]

    def to_pandas(self) -> Any:
        """A frame with a row per cell; raises `ConfigError` where pandas is not installed."""
        return frame(self.rows)

    def as_csv(self) -> str:
        """A row per cell, unrounded."""
        out = io.StringIO()
        writer = csv.DictWriter(out, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return out.getvalue()

    def as_table(self) -> Table:
        """For a terminal: the baseline's means, and everybody's ratios to it."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1))
        for i, cell in enumerate(self._header()):
            table.add_column(cell, justify="right" if i else "left", overflow="fold", no_wrap=not i)
        for label in self.labels:
            table.add_row(*self._cells(label))
        return table

    def as_markdown(self) -> str:
        """The same in GitHub's Markdown."""
        rows = [self._header(), ["---"] * len(self._header()), *map(self._cells, self.labels)]
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)

    def _header(self) -> list[str]:
        return ["policy", *(title for title, _ in (*COLUMNS, *SHARES)), "finished"]

    def _cells(self, label: str) -> list[str]:
        mine = [row for row in self.rows if row["label"] == label]
        finished = sum(row["num_finished"] for row in mine)
        cells = [label]
        for _, column in COLUMNS:
            values = [row[column] for row in mine if row[column] is not None]
            if label == self.labels[0] and values:
                cells.append(f"{np.mean(values):,.4g}")
                continue
            ratios = [ratio for ratio in self.ratios(label, column) if not np.isnan(ratio)]
            if not ratios:
                cells.append("-")
                continue
            spread = f" ({min(ratios):.2f}-{max(ratios):.2f})" if len(ratios) > 1 else ""
            cells.append(f"{np.mean(ratios):.2f}{spread}")
        for _, column in SHARES:
            values = [row[column] for row in mine if row[column] is not None]
            cells.append(f"{np.mean(values):.1%}" if values else "-")
        return [*cells, f"{finished:,}"]


def cells_of(
    policies: Sequence[str | Policy], traffic: Traffic, setting: Setting, seeds: Sequence[int]
) -> list[Cell]:
    """A cell for each policy and seed.

    A policy is as for `Setting`, or such a name with a watermark (``vllm-priority@0.05``), a tail
    promise, a stream promise (``amin-dynamic+1~10``), or all of them. What the name does not
    promise is not promised, whatever the setting says.
    """
    cells = []
    for policy in policies:
        label = policy if isinstance(policy, str) else policy.name
        if isinstance(policy, str):
            changed = named(policy, setting)
        else:
            changed = replace(setting, policy=policy, tail_promise=None, stream_promise=None)
        cells += [Cell(label, traffic, replace(changed, seed=seed)) for seed in seeds]
    return cells


def named(label: str, setting: Setting) -> Setting:
    """The setting with what `Label` says, without promises where it says none."""
    said = Label.of(label)
    changed = replace(setting, policy=said.policy, **said.promises)
    if said.watermark is not None:
        changed = replace(changed, watermark=_share(said.watermark, label))
    return changed


def compare(
    policies: Sequence[str | Policy],
    traffic: Traffic,
    setting: Setting,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    *,
    folder: Path | None = None,
    backend: str = "threads",
    num_workers: int | None = None,
    track: Track = lambda what, total: lambda: None,
) -> Comparison:
    """Run all policies on the same requests; the first is the baseline.

    See `amin.experiment.sweep.sweep` for `folder`, `backend` and `num_workers`; `track` is told
    what is done and how often, and what it returns is called after each run.
    """
    if not policies or not seeds:
        raise ConfigError("policies, seeds: got none, allowed: one or more of each")
    cells = cells_of(policies, traffic, setting, seeds)
    for cell in cells:
        cell.setting.check_policy()
    advance = track("simulating", len(cells))
    rows = sweep(cells, folder=folder, backend=backend, num_workers=num_workers, advance=advance)
    return Comparison(tuple(dict.fromkeys(cell.label for cell in cells)), rows)


def _share(text: str, label: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(
            f"policies: got {label!r}, allowed: NAME[@WATERMARK][+TAIL_PROMISE][~STREAM_PROMISE]"
        ) from error
