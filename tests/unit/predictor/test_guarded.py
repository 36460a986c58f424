# ruff: noqa: D102
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from msgspec import structs

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


def _answers(guarded: GuardedPredictor, number: int) -> list[tuple[str, LengthEstimate]]:
    """Wait for so many answers: for ever, if they do not come."""
    answers: list[tuple[str, LengthEstimate]] = []
    while len(answers) < number:
        answers += guarded.answers()
        time.sleep(0.001)
    return answers


def _until(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.001)


def _failures(guarded: GuardedPredictor) -> tuple[int, int, int]:
    counters = guarded.counters
    return counters.num_raised, counters.num_unanswered, counters.num_invalid


def test_an_instant_answer_is_handed_on(request_of: MakeRequest) -> None:
    """At once; nothing is counted as a failure, and no second answer comes."""
    guarded = GuardedPredictor(Scripted(LengthEstimate(5, 9)))
    assert guarded.predict(request_of()) == LengthEstimate(5, 9)
    assert list(guarded.answers()) == []
    assert guarded.counters.num_predictions == 1
    assert guarded.counters.num_failures == 0


def test_a_slow_answer_comes_later(request_of: MakeRequest, hanging: Hanging) -> None:
    """The request starts with [1, max_tokens] at once, and the answer comes when it comes."""
    guarded = GuardedPredictor(hanging)
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert list(guarded.answers()) == []
    hanging.released.set()
    assert _answers(guarded, 1) == [("r", LengthEstimate(5, 9))]
    assert guarded.counters.num_failures == 0


def test_every_request_of_a_burst_is_answered(request_of: MakeRequest) -> None:
    """200 arrivals at once and 2 ms for each answer: all come, in order, none is dropped."""

    class Slow(Scripted):
        is_instant = False

        def predict(self, request: Request) -> LengthEstimate:
            time.sleep(0.002)
            return LengthEstimate(int(request.request_id), 500)

    guarded = GuardedPredictor(Slow(None))
    for i in range(1, 201):
        guarded.predict(structs.replace(request_of(), request_id=str(i)))
    assert _answers(guarded, 200) == [(str(i), LengthEstimate(i, 500)) for i in range(1, 201)]
    assert guarded.counters.num_failures == 0


@pytest.mark.parametrize("error", [ValueError("bad"), KeyError("k"), RecursionError()])
def test_raising_gives_the_bound_one(request_of: MakeRequest, error: Exception) -> None:
    """The request runs with [1, max_tokens], and the failure is counted as raised."""
    guarded = GuardedPredictor(Scripted(error))
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert _failures(guarded) == (1, 0, 0)


@pytest.mark.parametrize("answer", [None, 5, (5, 9), "5-9", float("nan"), {"lower": 5}])
def test_nonsense_gives_the_bound_one(request_of: MakeRequest, answer: object) -> None:
    """Anything but a LengthEstimate is counted as invalid."""
    guarded = GuardedPredictor(Scripted(answer))
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert _failures(guarded) == (0, 0, 1)


class Shouting(str):
    """Text that raises as soon as it is used as such."""

    __slots__ = ()

    def encode(self, *args: object, **kwargs: object) -> bytes:
        raise RuntimeError("no")


def _forged(**fields: object) -> LengthEstimate:
    """An estimate that was never checked, as unpickling or a copying library makes them."""
    estimate = object.__new__(LengthEstimate)
    for name, value in fields.items():
        object.__setattr__(estimate, name, value)
    return estimate


@pytest.mark.parametrize("is_instant", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        _forged(lower=5, upper=9, predicted_class=3),
        _forged(lower=5, upper=9, predicted_class="\ud800"),
        _forged(lower=5, upper=9, predicted_class=["a"]),
        _forged(lower=5, upper=9, predicted_class=Shouting("a")),
        _forged(lower=9, upper=5, predicted_class=None),
        _forged(lower="5", upper=9, predicted_class=None),
        _forged(lower=5),
    ],
)
def test_an_answer_is_checked_whole(
    request_of: MakeRequest, answer: LengthEstimate, is_instant: bool
) -> None:
    """A class that is no text, ends the wrong way round, a field that is missing: all are invalid,
    and nothing of them is handed on, from an instant predictor or from one on a thread."""
    inner = Scripted(answer)
    inner.is_instant = is_instant
    guarded = GuardedPredictor(inner)
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    _until(lambda: _failures(guarded) == (0, 0, 1))
    assert list(guarded.answers()) == []


@pytest.mark.parametrize(
    ("answer", "failures"), [(ValueError("bad"), (1, 0, 0)), ("nonsense", (0, 0, 1))]
)
def test_a_slow_predictor_fails_as_an_instant_one_does(
    request_of: MakeRequest, answer: object, failures: tuple[int, int, int]
) -> None:
    """On its thread; no answer is handed on, and the request is not counted twice at its end."""
    inner = Scripted(answer)
    inner.is_instant = False
    guarded = GuardedPredictor(inner)
    guarded.predict(request_of())
    _until(lambda: guarded.counters.num_failures == 1)
    assert list(guarded.answers()) == []
    guarded.learn(request_of(), 5, False)
    assert _failures(guarded) == failures


def test_an_answer_after_the_end_is_counted_and_not_handed_on(
    request_of: MakeRequest, hanging: Hanging
) -> None:
    """A request that ended unanswered had the bound 1; nobody waits for its answer."""
    guarded = GuardedPredictor(hanging)
    guarded.predict(request_of())
    _until(lambda: hanging.num_asked == 1)
    guarded.learn(request_of(), 5, False)
    assert _failures(guarded) == (0, 1, 0)
    hanging.released.set()
    _until(lambda: len(hanging.outcomes) == 1)
    assert list(guarded.answers()) == []


def test_who_has_ended_is_not_asked_about(request_of: MakeRequest, hanging: Hanging) -> None:
    """Behind a call that hangs, questions of requests that end meanwhile cost nothing later."""
    guarded = GuardedPredictor(hanging)
    for i in range(500):
        request = structs.replace(request_of(), request_id=str(i))
        guarded.predict(request)
        if i % 2:
            guarded.learn(request, 5, False)
    hanging.released.set()
    answered = [request_id for request_id, _ in _answers(guarded, 250)]
    assert answered == [str(i) for i in range(0, 500, 2)]
    _until(lambda: len(hanging.outcomes) == 250)
    assert hanging.num_asked == 250
    assert _failures(guarded) == (0, 250, 0)


def test_an_id_that_comes_again_gets_its_own_answer(
    request_of: MakeRequest, hanging: Hanging
) -> None:
    """The answer to an earlier request of the same id is not taken for it."""
    guarded = GuardedPredictor(hanging)
    first, second = request_of(), request_of()
    guarded.predict(first)
    _until(lambda: hanging.num_asked == 1)
    guarded.learn(first, 5, False)
    guarded.predict(second)
    hanging.released.set()
    assert len(_answers(guarded, 1)) == 1
    _until(lambda: hanging.num_asked == 2)
    assert list(guarded.answers()) == []


def test_nothing_piles_up_behind_a_hanging_predictor(
    request_of: MakeRequest, hanging: Hanging
) -> None:
    """Of very many questions and outcomes during a hang only a bounded number is kept."""
    guarded = GuardedPredictor(hanging)
    guarded.predict(request_of())
    _until(lambda: hanging.num_asked == 1)
    for length in range(20_000):
        guarded.learn(request_of(), length, False)
    assert guarded.counters.num_lost_outcomes == 10_000
    assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
    assert _failures(guarded) == (0, 2, 0)
    hanging.released.set()
    _until(lambda: len(hanging.outcomes) == 10_000)


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
estimate = GuardedPredictor(Hanging()).predict(Request("r", 1, 9))
print(estimate.lower, estimate.upper)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "1 9"


@pytest.mark.parametrize("is_instant", [True, False])
def test_outcomes_are_handed_on(request_of: MakeRequest, is_instant: bool) -> None:
    """What a request made, and whether it was cut, reach the predictor in order."""
    inner = Scripted(LengthEstimate(1, 1))
    inner.is_instant = is_instant
    guarded = GuardedPredictor(inner)
    guarded.learn(request_of(), 5, False)
    guarded.learn(request_of(), 6, True)
    _until(lambda: inner.outcomes == [(5, False), (6, True)])


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
        "predictor scripted raised ValueError: bad; such requests have the bound 1 (3 of 3 so far)"
    )


class UnspeakableError(Exception):
    """An error that cannot even be written down."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("x" * 1000, "answered nonsense, ConfigError: answer: got a str"),
        (UnspeakableError(), "raised UnspeakableError"),
    ],
)
def test_the_warning_names_the_kind_of_nonsense(
    request_of: MakeRequest, caplog: pytest.LogCaptureFixture, answer: object, what: str
) -> None:
    """The type is enough: the text of an answer or error may be huge, or itself raise."""
    GuardedPredictor(Scripted(answer)).predict(request_of())
    (message,) = caplog.messages
    assert f"predictor scripted {what}" in message
    assert len(message) < 250


def test_an_exit_in_a_predictor_is_no_exit_of_the_server(request_of: MakeRequest) -> None:
    """sys.exit() is survived like any other error, on the engine's thread and on its own."""

    class Exiting(Scripted):
        def predict(self, request: Request) -> LengthEstimate:
            raise SystemExit(1)

    for is_instant in (True, False):
        inner = Exiting(None)
        inner.is_instant = is_instant
        guarded = GuardedPredictor(inner)
        assert guarded.predict(request_of(77)) == LengthEstimate(1, 77)
        _until(lambda guarded=guarded: _failures(guarded) == (1, 0, 0))  # type: ignore[misc]
