"""How long a step of an engine takes, where no model is there to take it.

Seconds by what is scheduled and what is held: a constant, so much per scheduled token and per token
of KV in memory; or a file of measured points.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amin.errors import ConfigError

ALLOWED = "unit, linear:SECONDS_PER_STEP,SECONDS_PER_TOKEN[,PER_KV_TOKEN] or a CSV file"


@dataclass(frozen=True)
class StepTime:
    """Seconds that a step takes.

    `seconds_per_step` + `seconds_per_token` x scheduled tokens; or, where there are `points`, pairs
    of (scheduled tokens, seconds), interpolated between them and constant beyond. On top, in both
    cases, `seconds_per_kv_token` x tokens in memory.
    """

    seconds_per_step: float = 0.030
    seconds_per_token: float = 0.00015
    seconds_per_kv_token: float = 0.0
    points: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        linear = self.seconds_per_token, self.seconds_per_kv_token
        if not (self.seconds_per_step > 0 and min(linear) >= 0 and max(linear) < float("inf")):
            raise ConfigError(f"step time: got {self}, allowed: > 0 s per step, >= 0 s per token")
        for (before, _), (after, _) in pairwise(self.points):
            if not before < after:
                raise ConfigError(f"step time: tokens {after:g} after {before:g}, allowed: more")
        for tokens, seconds in self.points:
            if not (tokens >= 0 and 0 < seconds < float("inf")):
                raise ConfigError(
                    f"step time: got {seconds:g} s for {tokens:g} tokens, allowed: > 0 s"
                )

    def __call__(self, num_scheduled_tokens: int, num_kv_tokens: int = 0) -> float:
        """Seconds for a step with so many scheduled tokens and tokens in memory at its end."""
        if self.points:
            seconds = float(np.interp(num_scheduled_tokens, *self.points_array))
        else:
            seconds = self.seconds_per_step + self.seconds_per_token * num_scheduled_tokens
        return seconds + self.seconds_per_kv_token * num_kv_tokens

    @property
    def points_array(self) -> npt.NDArray[np.float64]:
        """A row of tokens and one of seconds; no columns where there are no points."""
        return np.array(self.points, np.float64).reshape(-1, 2).T.copy()

    @classmethod
    def parse(cls, text: str) -> StepTime:
        """From ``unit``, ``linear:C,T``, ``linear:C,T,K`` or the name of a CSV file.

        The file has the columns num_scheduled_tokens and seconds, a row per measured step. Raises
        `ConfigError` naming the field, the value and what is allowed.
        """
        if text == "unit":
            return UNIT
        if text.startswith("linear:"):
            try:
                values = [float(value) for value in text.removeprefix("linear:").split(",")]
            except ValueError:
                values = []
            if len(values) not in (2, 3):
                raise ConfigError(f"step_time: got {text!r}, allowed: {ALLOWED}")
            return cls(*values)  # type: ignore[arg-type]
        if not Path(text).is_file():
            raise ConfigError(f"step_time: got {text!r}, allowed: {ALLOWED}")
        return cls(points=_read_points(Path(text)))


UNIT = StepTime(1.0, 0.0)
"""The paper's: a step takes 1, whatever is in it."""


def _read_points(path: Path) -> tuple[tuple[float, float], ...]:
    points = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                pair = []
                for column in ("num_scheduled_tokens", "seconds"):
                    value = row.get(column)
                    try:
                        pair.append(float(value or ""))
                    except ValueError as error:
                        raise ConfigError(
                            f"{path}: row {number}: {column}: got {value!r}, allowed: a number"
                        ) from error
                points.append((pair[0], pair[1]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    if not points:
        raise ConfigError(f"{path}: no rows, allowed: num_scheduled_tokens,seconds per row")
    return tuple(points)
