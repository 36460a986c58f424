"""How much to serve, so that the demo ends within the minutes it was given.

The machine's speed is measured while the reply lengths are; from it follow the number of prompts,
the same for every contender, and the arrival rate, a stated multiple of what the engine can serve.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from amin.record import RunResult

FEWEST, MOST = 16, 192
"""Prompts to serve: with fewer there is no queue to speak of."""

TIGHT_CACHE = 0.42
"""Share of the speed in full batches that is left where the demo's tight cache lets few run."""

SPARE = 1.3
"""A_max serves fewer at a time, and a run's last requests leave the batch half empty."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured: tokens a second, tokens of a mean reply, seconds that a start takes."""

    output_tokens_per_second: float
    mean_reply: float
    start_seconds: float

    @classmethod
    def of(cls, result: RunResult, seconds: float) -> Speed:
        """From a run under ample memory that took so many seconds, its process's start included."""
        ends = [record.finish_time for record in result.records]
        tokens = sum(record.num_output_tokens for record in result.records)
        serving = max(ends)
        return cls(tokens / serving, tokens / len(ends), max(seconds - serving, 0.0))

    @property
    def capacity(self) -> float:
        """Requests a second that the engine can serve under the tight cache."""
        return TIGHT_CACHE * self.output_tokens_per_second / self.mean_reply


@dataclass(frozen=True, slots=True)
class Plan:
    """What each contender serves."""

    num_requests: int
    requests_per_second: float


class Budget:
    """Minutes from now on; `clock` in seconds."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + 60 * minutes

    def plan(self, speed: Speed, num_runs: int, load: float) -> Plan:
        """As many prompts as `num_runs` runs can serve in the time that is left.

        They arrive at `load` times the capacity, so that a queue builds up where `load` is above 1.
        """
        seconds = (self._end - self._clock()) / num_runs - speed.start_seconds
        # Below capacity it is the arrivals that take the time.
        rate = speed.capacity * min(load, 1.0)
        number = int(max(seconds, 0.0) * rate / SPARE)
        return Plan(min(max(number, FEWEST), MOST), load * speed.capacity)
