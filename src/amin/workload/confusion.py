"""A classifier of reply lengths as its confusion matrix: right as often as it was when measured."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amin.errors import ConfigError
from amin.workload.lmsys_like import NOMINAL_FLOORS, class_table
from amin.workload.trace import Trace

SSJF = "ssjf"
"""The five-class BERT of Qiu et al. (arXiv 2404.08509), as measured on 85,482 LMSYS replies."""


@dataclass(frozen=True)
class Confusion:
    """Classes by their shortest length, ascending from 1 on, and counts: a row per true class.

    A column is a predicted class. Only the proportions within a row matter.
    """

    floors: tuple[int, ...]
    counts: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        ascending = sorted(set(self.floors)) == list(self.floors)
        if not self.floors or not ascending or self.floors[0] < 1:
            raise ConfigError(
                f"floors: got {list(self.floors)}, allowed: ascending integers from 1 on"
            )
        size = len(self.floors)
        if [len(row) for row in self.counts] != [size] * size:
            raise ConfigError(f"counts: allowed: {size} rows of {size}, a class each")
        for number, row in enumerate(self.counts):
            if min(row) < 0 or not 0 < sum(row) < float("inf"):
                raise ConfigError(
                    f"counts: got {list(row)} in row {number}, allowed: >= 0, not all 0"
                )

    @classmethod
    def named(cls, name: str) -> Confusion:
        """``ssjf``, or the JSON file of that name, an object with ``floors`` and ``counts``."""
        if name == SSJF:
            return cls(NOMINAL_FLOORS, _counts_of_ssjf())
        try:
            entry = json.loads(Path(name).read_text("utf-8"))
            rows = tuple(tuple(float(count) for count in row) for row in entry["counts"])
            return cls(tuple(int(floor) for floor in entry["floors"]), rows)
        except OSError as error:
            raise ConfigError(f"classes: {name}: cannot be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"classes: {name}: {error!r}, allowed: {SSJF} or a JSON file with floors and counts"
            ) from error

    def predict(self, trace: Trace, seed: int) -> Trace:
        """The same requests, a class predicted of each.

        The class's own interval are the bounds, and its number the priority: fewer tokens first.
        """
        floors, size = np.array(self.floors), len(self.floors)
        true = np.clip(np.searchsorted(floors, trace.num_output_tokens, "right") - 1, 0, None)
        shares = np.array(self.counts) / np.array(self.counts).sum(axis=1, keepdims=True)
        draws = np.random.default_rng([seed, 5]).random(len(trace))
        predicted = (draws[:, None] >= shares.cumsum(axis=1)[true]).sum(axis=1).clip(max=size - 1)
        longest = np.maximum(trace.max_tokens, floors[-1])
        upper = np.where(predicted == size - 1, longest, np.append(floors[1:], 0)[predicted] - 1)
        names = np.array([str(number) for number in range(size)], np.object_)
        return replace(
            trace,
            lower=floors[predicted],
            upper=upper,
            max_tokens=np.maximum(trace.max_tokens, upper),
            priority=predicted.astype(np.int64),
            predicted_class=names[predicted],
        )


def _counts_of_ssjf() -> tuple[tuple[float, ...], ...]:
    """From the lengths of each predicted class, which ship as quantiles."""
    shares, tables = class_table()
    joint = []
    for share, quantiles in zip(shares, tables, strict=True):
        places = np.linspace(0, 1, len(quantiles))
        below = np.interp(NOMINAL_FLOORS[1:], quantiles, places)
        joint.append(share * np.diff([0.0, *below, 1.0]))
    return tuple(map(tuple, np.array(joint).T.tolist()))
