"""The one place where an engine calls amin's code, and what happens there when that code fails.

An engine asks through `Boundary.ask` and says what it would do without amin. An exception never
reaches the engine: it is counted, written to the log, and the engine's own way is taken in its
place. After the third, or where the books of a request are in doubt, amin gives up for good: from
then on every question is answered by the engine's own way, at once. So it does where deciding takes
longer than `budget_ms` in `SLOW_STEPS` steps running: a scheduler that is too slow hurts a server
as much as one that fails.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from amin.errors import in_words

Given = TypeVarTuple("Given")
Answer = TypeVar("Answer")

FAULTS_TO_GIVE_UP = 3
SLOW_STEPS = 100


class Boundary:
    """Calls amin's code for an engine.

    `faults` counts what went wrong, by place (`ask`'s first argument); `is_off` says that amin has
    given up; `num_steps` were decided in `seconds`. `clock` gives seconds.
    """

    def __init__(
        self,
        budget_ms: float,
        logger: logging.Logger,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.faults: Counter[str] = Counter()
        self.is_off = False
        self._budget = budget_ms / 1000
        self._logger = logger
        self._clock = clock
        self.num_steps, self.seconds = 0, 0.0
        self._spent = self._slowest = 0.0
        self._num_slow = 0

    def ask(
        self, place: str, without: Answer, decide: Callable[[*Given], Answer], *args: *Given
    ) -> Answer:
        """``decide(*args)``; `without`, the engine's own way, where that fails or amin is off."""
        if self.is_off:
            return without
        start = self._clock()
        try:
            return decide(*args)
        except Exception as error:
            self._failed(place, error)
            return without
        finally:
            self._spent += self._clock() - start

    def step_is_over(self) -> None:
        """A step of the engine has been decided: was it in time?"""
        self._num_slow = self._num_slow + 1 if self._spent > self._budget else 0
        if self._num_slow == SLOW_STEPS and not self.is_off:
            self.faults["time"] += 1
            self.give_up(
                f"deciding took more than {self._budget * 1000:g} ms in {SLOW_STEPS} steps running "
                f"({self._spent * 1000:.0f} ms in this one)"
            )
        self.num_steps += 1
        self.seconds += self._spent
        self._slowest = max(self._slowest, self._spent)
        self._spent = 0.0

    def take_slowest(self) -> float:
        """Seconds that the slowest step took since this was last asked."""
        slowest, self._slowest = self._slowest, 0.0
        return slowest

    def give_up(self, why: str, error: Exception | None = None) -> None:
        """From now on the engine decides alone."""
        if self.is_off:
            return
        self.is_off = True
        self._logger.error(
            "amin: %s; it has switched itself off, and vLLM schedules on alone. Nothing is lost. "
            "Please report this with the output of amin doctor; a restart switches it on again",
            why,
            exc_info=error,
        )

    def _failed(self, place: str, error: Exception) -> None:
        self.faults[place] += 1
        number = self.faults.total()
        if number >= FAULTS_TO_GIVE_UP:
            self.give_up(f"fault {number} ({place}: {in_words(error)})", error)
            return
        self._logger.warning(
            "amin: fault %d (%s: %s); vLLM's own way is taken instead",
            number,
            place,
            in_words(error),
            exc_info=error,
        )
