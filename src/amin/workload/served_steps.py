"""How long the steps of a server took, by what was in them: small enough to keep for ever.

Steps are counted in bins of doubling numbers of tokens computed. Of each bin sums are kept, from
which the mean time follows, and how it grows with the tokens that are held in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from amin.errors import ConfigError

NUM_BINS = 24
"""From one token to eight million in a step."""

COUNT, TOKENS, HELD, TIME, HELD2, HELD_TIME, TIME2 = range(7)
"""Sums of a bin: steps, tokens computed, tokens held, seconds, and squares and products of them."""

FEW = 10
"""A bin with fewer steps says nothing, and nothing is an outlier in it."""

OUTLIER = 8.0
"""A step that takes so many times the mean of its bin was a pause of the machine, or a compiler."""


class Fit(NamedTuple):
    """Seconds of a step: by points of (tokens computed, seconds), and for each token held.

    `residual` is what remains unexplained: the root mean square, as a share of a mean step.
    """

    points: tuple[tuple[float, float], ...]
    seconds_per_kv_token: float
    residual: float
    num_steps: int


class ServedSteps:
    """The bins, filled step by step or from the rows of a log."""

    def __init__(self) -> None:
        self._sums: npt.NDArray[np.float64] = np.zeros((NUM_BINS, 7))

    def add(self, num_tokens: int, num_held: int, seconds: float) -> None:
        """A step that computed `num_tokens` >= 1 beside `num_held` in memory took `seconds`."""
        row = self._sums[min(num_tokens.bit_length(), NUM_BINS) - 1]
        if row[COUNT] >= FEW and seconds > OUTLIER * row[TIME] / row[COUNT]:
            return
        held, took = float(num_held), seconds
        row += (1.0, num_tokens, held, took, held * held, held * took, took * took)

    def __len__(self) -> int:
        return int(self._sums[:, COUNT].sum())

    def take(self) -> dict[str, list[float]]:
        """What was added since the last time, as `merge` reads it."""
        row = {str(i): self._sums[i].tolist() for i in np.flatnonzero(self._sums[:, COUNT])}
        self._sums[:] = 0.0
        return row

    def merge(self, row: Mapping[str, Sequence[float]]) -> None:
        """Add what another one took; raises `ConfigError` where that cannot be."""
        for name, sums in row.items():
            values: Any = np.array(sums, np.float64) if isinstance(sums, list) else np.empty(0)
            is_bin = name.isdecimal() and int(name) < NUM_BINS and values.shape == (7,)
            if not (is_bin and np.isfinite(values).all() and (values >= 0).all()):
                raise ConfigError(f"steps: got {name}: {sums!r:.60}, allowed: seven sums of a bin")
            self._sums[int(name)] += values

    def fit(self) -> Fit | None:
        """None where hardly any step was seen."""
        sums = self._sums[self._sums[:, COUNT] >= FEW]
        if not len(sums):
            return None
        count, held, time = sums[:, COUNT], sums[:, HELD], sums[:, TIME]
        spread = float((sums[:, HELD2] - held**2 / count).sum())
        together = float((sums[:, HELD_TIME] - held * time / count).sum())
        slope = max(together / spread, 0.0) if spread > 0 else 0.0
        least = float((time / count).min()) / 10
        seconds = np.maximum((time - slope * held) / count, least)
        left = float((sums[:, TIME2] - time**2 / count).sum()) - slope * (
            2 * together - slope * spread
        )
        mean = float(time.sum() / count.sum())
        residual = float(np.sqrt(max(left, 0.0) / count.sum()) / mean)
        points = tuple(zip((sums[:, TOKENS] / count).tolist(), seconds.tolist(), strict=True))
        return Fit(points, slope, residual, int(count.sum()))
