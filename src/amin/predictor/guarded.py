"""A predictor that cannot hurt the server: whatever goes wrong, the request gets the bound 1.

Raising, hanging and answering nonsense each raise a counter and, at most once a minute, one
warning. A hanging predictor is skipped, not queued for, until it comes back.
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
    """Asks `inner`, for at most `timeout` seconds, and never raises.

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
        self._clock = clock
        self._next_warning = -float("inf")
        self._pending: Future[LengthEstimate] | None = None
        self._worker = None if inner.is_instant else Worker("amin-predictor")

    def predict(self, request: Request) -> LengthEstimate:
        """The inner predictor's answer, or [1, max_tokens] where there is none to be had."""
        self.counters.num_predictions += 1
        try:
            estimate = self._ask(request)
        except TimeoutError:
            self.counters.num_timeouts += 1
            self._warn(f"did not answer within {self._timeout:g} s")
        except Exception as error:
            self.counters.num_raised += 1
            self._warn(f"raised {type(error).__name__}: {error}")
        else:
            if isinstance(estimate, LengthEstimate):
                return estimate
            self.counters.num_invalid += 1
            self._warn(f"answered {estimate!r:.80}, allowed: a LengthEstimate")
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
        except Exception as error:
            self.counters.num_lost_outcomes += 1
            self._warn(f"raised in learn {type(error).__name__}: {error}")

    def _ask(self, request: Request) -> LengthEstimate:
        if self._worker is None:
            return self._inner.predict(request)
        if self._pending is not None and not self._pending.done():
            raise TimeoutError
        self._pending = self._worker.submit(partial(self._inner.predict, request))
        return self._pending.result(self._timeout)

    def _warn(self, what: str) -> None:
        now = self._clock()
        if now < self._next_warning:
            return
        self._next_warning = now + WARNING_INTERVAL
        logger.warning(
            "predictor %s %s; such requests get the bound 1 (%d of %d so far)",
            self._inner.name,
            what,
            self.counters.num_failures,
            self.counters.num_predictions,
        )
