"""Settings that every engine has, and what they may be. Imports nothing that takes time."""

from __future__ import annotations

import math

from amin.errors import ConfigError

TAIL_PROMISE = 0.9
"""The default of servers: of .5, .6, .7, ... the largest whose 99th percentile is not above stock
FCFS's on the workloads of `benchmarks/flagship.py`."""


def parse_tail_promise(text: str) -> float | None:
    """A number, or ``off``; raises `ConfigError` for anything else."""
    try:
        promise = None if text == "off" else float(text)
    except ValueError:
        raise ConfigError(f"tail_promise: got {text!r}, allowed: off or a number >= 0") from None
    check_tail_promise(promise)
    return promise


def check_tail_promise(promise: float | None) -> None:
    """Raise `ConfigError` unless it is None (off) or a finite number >= 0."""
    is_number = isinstance(promise, int | float) and not isinstance(promise, bool)
    if promise is not None and not (is_number and 0 <= promise < math.inf):
        raise ConfigError(f"tail_promise: got {promise!r}, allowed: off or a number >= 0")
