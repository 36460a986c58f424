"""A predictor that cannot hurt the server: whatever goes wrong, the request gets the bound 1.

Raising, hanging and answering nonsense each raise a counter and, at most once a minute, one
warning. A hanging predictor is skipped, not queued for, until it comes back. Waiting for answers
holds up every request of the server, so a step of the engine waits for `timeout` at most in all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from amin.predictor.interface import Predictor
from amin.predictor.worker import Worker
from amin.request import LengthEstimate, Request

logger = logging.getLogger(__name__)

WARNING_INTERVAL = 60.0


@dataclass
class PredictorCounters:
    """How often the predictor was asked, and how often its answer could not be used.

    `num_lost_outcomes` counts what it could not learn from: it raised, or hung for too long.
    """

    num_predictions: int = 0
    num_raised: int = 0
    num_timeouts: int = 0
    num_invalid: int = 0
    num_lost_outcomes: int = 0

    @property
    def num_failures(self) -> int:
        """Requests that fell back to the bound 1."""
        return self.num_raised + self.num_timeouts + self.num_invalid


class GuardedPredictor:
    """Asks `inner` and never raises; waits for at most `timeout` seconds between two `begin_step`.

    `clock` (seconds, monotonic) decides only how often a warning is logged.
    """

    def __init__(
        self,
        inner: Predictor,
        *,
        timeout: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters = PredictorCounters()
        self._inner = inner
        self._timeout = timeout
        self._patience = timeout
        self._clock = clock
        self._next_warning = -float("inf")
        self._pending: Future[LengthEstimate] | None = None
        self._worker = None if inner.is_instant else Worker("amin-predictor")

    def begin_step(self) -> None:
        """A step of the engine begins: answers may be waited for again."""
        self._patience = self._timeout

    def predict(self, request: Request) -> LengthEstimate:
        """The inner predictor's answer, or [1, max_tokens] where there is none to be had."""
        self.counters.num_predictions += 1
        try:
            estimate = self._ask(request)
        except TimeoutError:
            self.counters.num_timeouts += 1
            self._warn(f"did not answer within {self._timeout:g} s")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.counters.num_raised += 1
            self._warn(f"raised {_in_words(error)}")
        else:
            if isinstance(estimate, LengthEstimate):
                return estimate
            self.counters.num_invalid += 1
            self._warn(f"answered a {type(estimate).__name__}, allowed: a LengthEstimate")
        return LengthEstimate(1, max(request.max_tokens, 1))

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Hand the outcome on; where the predictor raises or hangs, it is counted as lost."""
        call = partial(self._learn, request, num_output_tokens, is_censored)
        if self._worker is None:
            call()
            return
        try:
            self._worker.submit(call)
        except TimeoutError:
            self.counters.num_lost_outcomes += 1

    def _learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        try:
            self._inner.learn(request, num_output_tokens, is_censored)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.counters.num_lost_outcomes += 1
            self._warn(f"raised in learn {_in_words(error)}")

    def _ask(self, request: Request) -> LengthEstimate:
        if self._worker is None:
            return self._inner.predict(request)
        if self._pending is not None and not self._pending.done():
            raise TimeoutError
        self._pending = self._worker.submit(partial(self._inner.predict, request))
        start = time.monotonic()
        try:
            return self._pending.result(max(self._patience, 0.0))
        finally:
            self._patience -= time.monotonic() - start

    def _warn(self, what: str) -> None:
        now = self._clock()
        if now < self._next_warning:
            return
        self._next_warning = now + WARNING_INTERVAL
        logger.warning(
            "predictor %s %s; such requests get the bound 1 (%d of %d so far)",
            getattr(self._inner, "name", type(self._inner).__name__),
            what,
            self.counters.num_failures,
            self.counters.num_predictions,
        )


def _in_words(error: BaseException) -> str:
    """The error's type and, where it can be had, its text: not even this may raise."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
