# ruff: noqa: D102
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from amin.predictor.guarded import GuardedPredictor
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request

MakeRequest = Callable[..., Request]


class Scripted(Predictor):
    """Answers with what it is told to; raises it if it is an exception."""

    name = "scripted"
    is_instant = True

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.outcomes: list[tuple[int, bool]] = []

    def predict(self, request: Request) -> LengthEstimate:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        if isinstance(self.answer, Exception):
            raise self.answer
        self.outcomes.append((num_output_tokens, is_censored))


class Hanging(Scripted):
    """Hangs in predict until it is released."""

    is_instant = False

    def __init__(self) -> None:
        super().__init__(LengthEstimate(5, 9))
        self.released = threading.Event()
        self.num_asked = 0

    def predict(self, request: Request) -> LengthEstimate:
        self.num_asked += 1
        self.released.wait()
        return super().predict(request)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """A predictor that hangs, and lets its thread go at the end."""
    predictor = Hanging()
    yield predictor
    predictor.released.set()


def _in_a_new_step(guarded: GuardedPredictor, request: Request) -> LengthEstimate:
    guarded.begin_step()
    return guarded.predict(request)


def _failures(guarded: GuardedPredictor) -> tuple[int, int, int]:
    counters = guarded.counters
    return counters.num_raised, counters.num_timeouts, counters.num_invalid


@pytest.mark.parametrize("is_instant", [True, False])
def test_a_good_answer_is_handed_on(request_of: MakeRequest, is_instant: bool) -> None:
    """With and without a thread; nothing is counted as a failure."""
    inner = Scripted(LengthEstimate(5, 9))
    inner.is_instant = is_instant
    guarded = GuardedPredictor(inner, timeout=60)
    assert guarded.predict(request_of()) == LengthEstimate(5, 9)
    assert guarded.counters.num_predictions == 1
    assert guarded.counters.num_failures == 0


@pytest.mark.parametrize("is_instant", [True, False])
@pytest.mark.parametrize("error", [ValueError("bad"), KeyError("k"), RecursionError()])
def test_raising_gives_the_bound_one(
    request_of: MakeRequest, error: Exception, is_instant: bool
) -> None:
    """The request runs with [1, max_tokens], and the failure is counted as raised."""
    inner = Scripted(error)
    inner.is_instant = is_instant
    guarded = GuardedPredictor(inner, timeout=60)
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert _failures(guarded) == (1, 0, 0)


@pytest.mark.parametrize("answer", [None, 5, (5, 9), "5-9", float("nan"), {"lower": 5}])
def test_nonsense_gives_the_bound_one(request_of: MakeRequest, answer: object) -> None:
    """Anything but a LengthEstimate is counted as invalid."""
    guarded = GuardedPredictor(Scripted(answer))
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert _failures(guarded) == (0, 0, 1)


def test_hanging_gives_the_bound_one(request_of: MakeRequest, hanging: Hanging) -> None:
    """An answer that does not come in time is not waited for."""
    guarded = GuardedPredictor(hanging, timeout=0.01)
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert _failures(guarded) == (0, 1, 0)


def test_a_hanging_predictor_is_skipped_not_queued_for(
    request_of: MakeRequest, hanging: Hanging
) -> None:
    """While one call hangs no other waits for its turn; each request counts as a timeout."""
    guarded = GuardedPredictor(hanging, timeout=0.01)
    for _ in range(500):
        guarded.predict(request_of())
    assert hanging.num_asked == 1
    assert _failures(guarded) == (0, 500, 0)
    hanging.released.set()
    while _in_a_new_step(guarded, request_of()) != LengthEstimate(5, 9):
        time.sleep(0.001)
    # Only the one that hung and those that were asked since.
    assert hanging.num_asked < 500


def test_outcomes_do_not_pile_up_behind_a_hanging_predictor(
    request_of: MakeRequest, hanging: Hanging
) -> None:
    """Of very many outcomes during a hang only a bounded number is kept for later."""
    guarded = GuardedPredictor(hanging, timeout=0.01)
    guarded.predict(request_of())
    for length in range(20_000):
        guarded.learn(request_of(), length, False)
    hanging.released.set()
    while _in_a_new_step(guarded, request_of()) != LengthEstimate(5, 9):
        time.sleep(0.001)  # the answer comes after the outcomes that were kept
    num_learned = len(hanging.outcomes)
    assert 1 <= num_learned < 20_000
    assert guarded.counters.num_lost_outcomes == 20_000 - num_learned


def test_a_predictor_that_comes_back_is_asked_again(
    request_of: MakeRequest, hanging: Hanging
) -> None:
    """After a hang has ended, predictions are used again."""
    guarded = GuardedPredictor(hanging, timeout=0.01)
    guarded.predict(request_of())
    hanging.released.set()
    while _in_a_new_step(guarded, request_of()) != LengthEstimate(5, 9):
        time.sleep(0.001)  # for ever, if it is never asked again
    assert hanging.num_asked >= 2


def test_a_predictor_that_hangs_for_ever_does_not_keep_the_process() -> None:
    """A server whose predictor hangs can still exit."""
    script = """
import threading
from amin.predictor.guarded import GuardedPredictor
from amin.predictor.interface import Predictor
from amin.request import Request
class Hanging(Predictor):
    name = "hanging"
    def predict(self, request):
        threading.Event().wait()
print(GuardedPredictor(Hanging(), timeout=0.01).predict(Request("r", 1, 9)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "LengthEstimate(lower=1, upper=9)"


@pytest.mark.parametrize("is_instant", [True, False])
def test_outcomes_are_handed_on(request_of: MakeRequest, is_instant: bool) -> None:
    """What a request made, and whether it was cut, reach the predictor in order."""
    inner = Scripted(LengthEstimate(1, 1))
    inner.is_instant = is_instant
    guarded = GuardedPredictor(inner, timeout=60)
    guarded.learn(request_of(), 5, False)
    guarded.learn(request_of(), 6, True)
    guarded.predict(request_of())  # answered after the outcomes, on the same thread
    assert inner.outcomes == [(5, False), (6, True)]


def test_raising_in_learn_is_counted(request_of: MakeRequest) -> None:
    """A predictor that cannot learn costs nothing but a count."""
    guarded = GuardedPredictor(Scripted(ValueError("bad")))
    guarded.learn(request_of(), 5, False)
    assert guarded.counters.num_lost_outcomes == 1
    assert guarded.counters.num_failures == 0


def test_max_tokens_below_one_is_survived(request_of: MakeRequest) -> None:
    """The fallback is a valid estimate whatever the request says."""
    assert GuardedPredictor(Scripted(None)).predict(request_of(0)) == LengthEstimate(1, 1)


def test_warns_once_a_minute(request_of: MakeRequest, caplog: pytest.LogCaptureFixture) -> None:
    """By its own clock: at the first failure, not within 60 s of it, then again."""
    clock = {"now": 0.0}
    guarded = GuardedPredictor(Scripted(ValueError("bad")), clock=lambda: clock["now"])
    with caplog.at_level(logging.WARNING, logger="amin.predictor.guarded"):
        for now, expected in ((1000.0, 1), (1059.9, 1), (1060.0, 2), (1061.0, 2), (9e9, 3)):
            clock["now"] = now
            guarded.predict(request_of())
            assert len(caplog.records) == expected
    assert caplog.records[1].getMessage() == (
        "predictor scripted raised ValueError: bad; such requests get the bound 1 (3 of 3 so far)"
    )


class UnspeakableError(Exception):
    """An error that cannot even be written down."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("answer", "what"),
    [("x" * 1000, "answered a str"), (UnspeakableError(), "raised UnspeakableError")],
)
def test_the_warning_names_the_kind_of_nonsense(
    request_of: MakeRequest, caplog: pytest.LogCaptureFixture, answer: object, what: str
) -> None:
    """The type is enough: the text of an answer or error may be huge, or itself raise."""
    GuardedPredictor(Scripted(answer)).predict(request_of())
    (message,) = caplog.messages
    assert f"predictor scripted {what}" in message
    assert len(message) < 250


@pytest.mark.parametrize("is_instant", [True, False])
def test_an_exit_in_a_predictor_is_no_exit_of_the_server(
    request_of: MakeRequest, is_instant: bool
) -> None:
    """sys.exit() is survived like any other error."""

    class Exiting(Scripted):
        def predict(self, request: Request) -> LengthEstimate:
            raise SystemExit(1)

    inner = Exiting(None)
    inner.is_instant = is_instant
    guarded = GuardedPredictor(inner, timeout=60)
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert _failures(guarded) == (1, 0, 0)


def test_arrivals_of_one_step_share_the_timeout(request_of: MakeRequest, hanging: Hanging) -> None:
    """A burst waits no longer than one request would; the next step may wait as long again."""
    guarded = GuardedPredictor(hanging, timeout=0.01)
    guarded.predict(request_of())
    assert guarded._patience <= 0
    guarded.begin_step()
    assert guarded._patience == 0.01
