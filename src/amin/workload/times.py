"""Times of arrival as files have them: numbers of some unit since some moment, or dates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from amin.arrays import Floats
from amin.errors import ConfigError
from amin.workload.reading import SECONDS

_EPOCH = (("s", 1e9, 1e10), ("ms", 1e12, 1e13), ("us", 1e15, 1e16), ("ns", 1e18, 1e19))
"""Numbers between these are the time since 1970, of any day from 2001 to 2286."""


def is_since_1970(time: float) -> bool:
    """Whether a number is taken for the time since 1970, in whatever unit."""
    return any(least <= time < most for _, least, most in _EPOCH)


def unit_of(time: float) -> str:
    """The unit of a number that may be the time since 1970: seconds where it is not."""
    return next((unit for unit, least, most in _EPOCH if least <= time < most), "s")


def seconds_of(value: Any, unit: str | None = None) -> float:
    """Seconds since some moment, the same for all of a file; of a date, since 1970.

    `unit` is what is said of numbers; None: `unit_of` each. Raises `ConfigError`.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return _date(value)
    if isinstance(value, datetime):
        return _in_utc(value).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ConfigError(f"got {value!r:.60}, allowed: a time or a date")
    return float(value) * SECONDS[unit or unit_of(value)]


def dates(cells: np.ndarray[tuple[int], np.dtype[np.object_]]) -> Floats:
    """Seconds since the first of many dates, to the nanosecond; raises `ValueError`."""
    # numpy reads dates without a zone only; most files are in one zone throughout.
    plain = [_without_utc(cell) for cell in cells]
    try:
        found = np.array(plain, "datetime64[ns]")
    except ValueError:
        seconds: Floats = np.array([_date(cell) for cell in cells])
        return seconds - seconds[0]  # type: ignore[no-any-return]
    return (found - found[0]) / np.timedelta64(1, "s")  # type: ignore[no-any-return]


def _without_utc(cell: str) -> str:
    cell = cell.strip()
    return cell.removesuffix("Z").removesuffix("+00:00").removesuffix(" UTC")


def _date(text: str) -> float:
    try:
        date = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(f"got {text!r:.60}, allowed: a time or a date and time") from error
    return _in_utc(date).timestamp()


def _in_utc(date: datetime) -> datetime:
    """One without a zone is taken for one in UTC."""
    return date if date.tzinfo else date.replace(tzinfo=UTC)
