"""Where a policy helps and where it does not: ``amin map``, every policy in every place.

A place is a workload, an amount of KV memory and a load. What is run is one TOML file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from amin.errors import ConfigError
from amin.experiment.cell import Cell, Row
from amin.experiment.comparison import named
from amin.experiment.setting import Setting
from amin.experiment.sweep import sweep
from amin.experiment.traffic import Traffic
from amin.report.terminal import Track

BURSTY_LOAD = 1.1
"""At which arrivals of another shape are tried."""


@dataclass(frozen=True)
class Place:
    """A workload on so many tokens of KV, at a load in words."""

    workload: str
    kv_tokens: int
    load: str

    @property
    def is_at_capacity(self) -> bool:
        """Whether as much arrives as can be served, or more."""
        try:
            return float(self.load) >= 1
        except ValueError:
            return True


@dataclass(frozen=True)
class MapConfig:
    """What a TOML file says; see `maps/map.toml`, which ships with amin."""

    title: str
    step_time: str
    block_size: int
    enable_prefix_caching: bool
    num_requests: int
    seeds: int
    loads: Sequence[float]
    shapes: Sequence[str]
    policy: Sequence[dict[str, Any]]
    workload: Sequence[dict[str, Any]]

    @classmethod
    def parse(cls, text: str, where: str, is_quick: bool = False) -> MapConfig:
        """Read a file's text; with `is_quick`, what it says below ``[quick]`` in its place."""
        try:
            table = tomllib.loads(text)
            quick = table.pop("quick", {})
            if is_quick:
                quick["title"] = f"{table.get('title')} (--quick: a sample, not the map)"
            return cls(**table | (quick if is_quick else {}))
        except (tomllib.TOMLDecodeError, TypeError) as error:
            raise ConfigError(f"{where}: {str(error).removeprefix('MapConfig.')}") from error

    @property
    def labels(self) -> list[str]:
        """The policies; the first is the baseline, the second what the map shows."""
        return [policy["name"] for policy in self.policy]

    @property
    def places(self) -> list[Place]:
        """Where all are tried."""
        loads = [f"{load:g}" for load in self.loads] + list(self.shapes)
        return [
            Place(workload["name"], kv_tokens, load)
            for workload in self.workload
            for kv_tokens, load in product(workload["kv_tokens"], loads)
        ]

    def cells(self, place: Place) -> list[Cell]:
        """A run for each policy and seed."""
        (workload,) = (one for one in self.workload if one["name"] == place.workload)
        setting = Setting(
            place.kv_tokens, block_size=self.block_size, step_time=self.step_time,
            enable_prefix_caching=self.enable_prefix_caching,
        )  # fmt: skip
        arrivals = _arrivals(place.load, workload["source"], setting)
        traffic = Traffic(workload["source"], self.num_requests, **arrivals)
        cells = []
        for policy in self.policy:
            mine = named(policy.get("policy", policy["name"]), setting)
            mine = replace(mine, predictor=policy.get("predictor", mine.predictor))
            told = traffic if policy.get("is_told", True) else replace(traffic, predicted="none")
            cells += [
                Cell(policy["name"], told, replace(mine, seed=seed))
                for seed in range(1, self.seeds + 1)
            ]
        return cells


def _arrivals(load: str, source: str, setting: Setting) -> dict[str, Any]:
    """What a place's load means to `Traffic`."""
    if load == "batch":
        return {"arrivals": "batch"}
    if load.startswith("gamma"):
        return {"arrivals": load, "load": BURSTY_LOAD}
    if load.startswith("users:"):
        return {"closed_loop": _num_users(float(load.removeprefix("users:")), source, setting)}
    return {"load": float(load)}


def _num_users(times: float, source: str, setting: Setting) -> int:
    """So many times the users whose requests, half of each reply made, fill the memory."""
    trace = Traffic(source, 300).trace(1, setting.config)
    held = trace.num_prompt_tokens.mean() + trace.num_output_tokens.mean() / 2
    return max(round(times * setting.kv_tokens / float(held)), 1)


@dataclass(frozen=True)
class Mapped:
    """What came of it: the rows of each place, all policies and seeds."""

    config: MapConfig
    rows: dict[Place, list[Row]]

    def ratios(self, place: Place, label: str, column: str) -> list[float]:
        """Each seed's value ÷ the baseline's on the same requests; NaN for x ÷ 0."""
        by_label = {name: self._values(place, name, column) for name in self.config.labels}
        base = by_label[self.config.labels[0]]
        return [a / b if b else float("nan") for a, b in zip(by_label[label], base, strict=True)]

    def ratio(self, place: Place, label: str, column: str) -> tuple[float, float]:
        """(mean over seeds, half the width of its 95 % confidence interval)."""
        values = np.array(self.ratios(place, label, column))
        values = values[~np.isnan(values)]
        if not len(values):
            return float("nan"), float("nan")
        half = float("nan")
        if len(values) > 1:
            half = _STUDENT.get(len(values), 2.0) * values.std(ddof=1) / len(values) ** 0.5
        return float(values.mean()), half

    def mean(self, place: Place, label: str, column: str) -> float:
        """The mean over seeds."""
        return float(np.mean(self._values(place, label, column)))

    def _values(self, place: Place, label: str, column: str) -> list[float]:
        return [
            float("nan") if row[column] is None else float(row[column])
            for row in self.rows[place]
            if row["label"] == label
        ]


# Of Student's distribution, for 95 % and so many values; 2 beyond.
_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


def shipped_map() -> str:
    """The text of the map that ships with amin."""
    return resources.files("amin.experiment").joinpath("maps/map.toml").read_text("utf-8")


def run_map(
    config: MapConfig,
    *,
    folder: Path | None = None,
    backend: str = "threads",
    track: Track = lambda what, total: lambda: None,
) -> Mapped:
    """Run everything; what is finished is kept in `folder`, as for `sweep`."""
    cells = {place: config.cells(place) for place in config.places}
    every = [cell for of_place in cells.values() for cell in of_place]
    rows = sweep(every, folder=folder, backend=backend, advance=track("mapping", len(every)))
    found, start = {}, 0
    for place, of_place in cells.items():
        found[place] = rows[start : start + len(of_place)]
        start += len(of_place)
    return Mapped(config, found)
