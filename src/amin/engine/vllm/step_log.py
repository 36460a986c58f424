"""Times the steps of a server for its log, so that a simulation of it need assume nothing.

A step lasts from one call of ``schedule()`` to the next, or until nobody is left. That is what a
request waits for, whatever in it takes the time, and scheduling asynchronously it is the same.
"""

from __future__ import annotations

from amin.engine.vllm.log import RequestLog
from amin.workload.served_steps import ServedSteps

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two rows. The first comes early, since a server that is killed writes none at its
end; then each pause is twice as long as the one before."""


class StepLog:
    """Told of each step by the engine's clock, in seconds; writes a row now and then to `log`."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._steps = ServedSteps()
        self._began = self._written = 0.0
        self._pause = FIRST_PAUSE
        self._num_tokens = self._num_held = 0

    def began(self, now: float) -> None:
        """The next step begins: the one before it is over."""
        self.over(now)
        self._began = now

    def decided(self, num_tokens: int, num_held: int) -> None:
        """The step computes so many tokens, beside so many in memory."""
        self._num_tokens, self._num_held = num_tokens, num_held

    def over(self, now: float) -> None:
        """The step is over, if there was one that computed anything."""
        if self._num_tokens:
            self._steps.add(self._num_tokens, self._num_held, now - self._began)
            self._num_tokens = 0
        if now - self._written > self._pause:
            self._written, self._pause = now, min(2 * self._pause, LONGEST_PAUSE)
            self.write()

    def write(self) -> None:
        """Write what was seen since the last time."""
        if len(self._steps):
            self._log.note({"steps": self._steps.take()})
