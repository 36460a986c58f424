"""A warning about each of many is one warning a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL = 60.0


class Seldom:
    """Says when it is time for the next one; `clock` in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = -float("inf")

    def is_due(self) -> bool:
        """Whether the last time is long enough ago; if so, this is the last time."""
        now = self._clock()
        is_due = now >= self._next
        if is_due:
            self._next = now + INTERVAL
        return is_due
