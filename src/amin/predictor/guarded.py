"""A predictor that cannot hurt the server: nothing waits for it, whatever goes wrong.

A predictor that is not instant is asked on a thread of its own. Its request starts with the bound 1
and gets the answer whenever that comes, be it seconds later; an answer after the request's end is
worth nothing. Raising, answering nonsense and answering too late each raise a counter and, at most
once a minute, one warning.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Lock

from amin.errors import ConfigError, in_words
from amin.predictor.interface import Predictor
from amin.predictor.seldom import Seldom
from amin.predictor.worker import Worker
from amin.request import LengthEstimate, Request

_LOGGER = logging.getLogger(__name__)


@dataclass
class PredictorCounters:
    """How often the predictor was asked, and how often its answer could not be used.

    `num_unanswered` counts requests that ended, or were refused a place among those that wait for
    an answer, before one came; `num_lost_outcomes` what it could not learn from: it raised, or too
    many outcomes were waiting.
    """

    num_predictions: int = 0
    num_raised: int = 0
    num_unanswered: int = 0
    num_invalid: int = 0
    num_lost_outcomes: int = 0

    @property
    def num_failures(self) -> int:
        """Requests that had the bound 1 to their end."""
        return self.num_raised + self.num_unanswered + self.num_invalid


class GuardedPredictor:
    """Asks `inner`; never raises, never waits.

    `clock` (seconds, monotonic) decides only how often a warning is logged.
    """

    def __init__(
        self,
        inner: Predictor,
        *,
        logger: logging.Logger = _LOGGER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters = PredictorCounters()
        self._inner = inner
        self._logger = logger
        self._seldom = Seldom(clock)
        self._lock = Lock()
        self._worker = None if inner.is_instant else Worker("amin-predictor")
        # Requests whose answer has not come, by id; read on the worker's thread too.
        self._asked: dict[str, Request] = {}
        self._answers: queue.SimpleQueue[tuple[Request, LengthEstimate | None]]
        self._answers = queue.SimpleQueue()

    def predict(self, request: Request) -> LengthEstimate:
        """What to believe now: an instant predictor's answer, else [1, max_tokens]."""
        self.counters.num_predictions += 1
        if self._worker is None:
            return self._ask(request) or LengthEstimate(1, max(request.max_tokens, 1))
        self._asked[request.request_id] = request
        if not self._worker.submit(partial(self._answer, request)):
            del self._asked[request.request_id]
            self._unanswered()
        return LengthEstimate(1, max(request.max_tokens, 1))

    def answers(self) -> Iterator[tuple[str, LengthEstimate]]:
        """(request id, estimate) of the answers that came since the last call."""
        while not self._answers.empty():
            request, estimate = self._answers.get_nowait()
            if self._asked.get(request.request_id) is request:
                del self._asked[request.request_id]
                if estimate is not None:
                    yield request.request_id, estimate

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """The request has ended: hand the outcome on, and wait no longer for an answer."""
        if self._asked.pop(request.request_id, None) is not None:
            self._unanswered()
        call = partial(self._learn, request, num_output_tokens, is_censored)
        if self._worker is None:
            call()
        elif not self._worker.submit(call):
            self._count("num_lost_outcomes")

    def _answer(self, request: Request) -> None:
        # On the worker's thread; the request may have ended while its question waited.
        if self._asked.get(request.request_id) is request:
            self._answers.put((request, self._ask(request)))

    def _ask(self, request: Request) -> LengthEstimate | None:
        try:
            answer = self._inner.predict(request)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._count("num_raised")
            self._warn(f"raised {in_words(error)}")
            return None
        try:
            return checked(answer)
        except Exception as error:  # a stranger's object may raise anything when it is looked at
            self._count("num_invalid")
            self._warn(f"answered nonsense, {in_words(error)}")
            return None

    def _learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        try:
            self._inner.learn(request, num_output_tokens, is_censored)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._count("num_lost_outcomes")
            self._warn(f"raised in learn {in_words(error)}")

    def _unanswered(self) -> None:
        self._count("num_unanswered")
        self._warn("did not answer before the request's end")

    def _count(self, counter: str) -> None:
        with self._lock:
            setattr(self.counters, counter, getattr(self.counters, counter) + 1)

    def _warn(self, what: str) -> None:
        if not self._seldom.is_due():
            return
        self._logger.warning(
            "predictor %s %s; such requests have the bound 1 (%d of %d so far)",
            getattr(self._inner, "name", type(self._inner).__name__),
            what,
            self.counters.num_failures,
            self.counters.num_predictions,
        )


def checked(answer: object) -> LengthEstimate:
    """A predictor's answer, checked whole: one that was never made properly has any parts.

    Raises `ConfigError` naming what is wrong with it, or whatever a look at its parts raises.
    """
    if type(answer) is LengthEstimate and answer.predicted_class is None:
        lower, upper = answer.lower, answer.upper
        if type(lower) is type(upper) is int and 1 <= lower <= upper:
            return answer
    if not isinstance(answer, LengthEstimate):
        raise ConfigError(f"answer: got a {type(answer).__name__}, allowed: a LengthEstimate")
    return LengthEstimate(answer.lower, answer.upper, answer.predicted_class)
