"""Settings that every engine has, and what they may be. Imports nothing that takes time."""

from __future__ import annotations

import math

from amin.errors import ConfigError


def check_tail_promise(promise: float | None) -> None:
    """Raise `ConfigError` unless it is None (off) or a finite number >= 0."""
    is_number = isinstance(promise, int | float) and not isinstance(promise, bool)
    if promise is not None and not (is_number and 0 <= promise < math.inf):
        raise ConfigError(f"tail_promise: got {promise!r}, allowed: off or a number >= 0")
