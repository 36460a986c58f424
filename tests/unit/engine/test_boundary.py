# ruff: noqa: D102
import logging

import pytest

from amin.engine.boundary import FAULTS_TO_GIVE_UP, SLOW_STEPS, Boundary

LOGGER = logging.getLogger("amin.test.boundary")


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(budget_ms: float = 50.0) -> tuple[Boundary, Clock]:
    """A boundary and its clock."""
    clock = Clock()
    return Boundary(budget_ms, LOGGER, clock), clock


def fails(*args: object) -> int:
    """Raise."""
    raise ZeroDivisionError("no")


def test_what_is_decided_is_passed_on() -> None:
    """Arguments go in, the answer comes out, and nothing is counted."""
    boundary, _ = make()
    assert boundary.ask("place", -1, pow, 7, 2) == 49
    assert not boundary.faults
    assert not boundary.is_off


def test_a_fault_costs_its_answer_and_the_third_one_all(caplog: pytest.LogCaptureFixture) -> None:
    """The engine's own answer is given each time. After the third fault nothing is asked any more,
    and one line at ERROR has the traceback."""
    boundary, _ = make()
    for number in range(1, FAULTS_TO_GIVE_UP + 1):
        assert not boundary.is_off
        assert boundary.ask(f"place {number % 2}", -1, fails, 5) == -1
    assert boundary.is_off
    assert boundary.ask("place", -1, lambda: pytest.fail("asked")) == -1
    assert boundary.faults == {"place 1": 2, "place 0": 1}
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "fault 3 (place 1: ZeroDivisionError: no)" in errors[0].getMessage()
    assert errors[0].exc_info is not None
    assert len(caplog.records) == FAULTS_TO_GIVE_UP


def test_an_error_that_has_no_text_is_a_fault_like_any_other() -> None:
    """Not even writing it down may raise."""

    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    def raises() -> int:
        raise UnspeakableError

    boundary, _ = make()
    assert boundary.ask("place", 3, raises) == 3
    assert boundary.faults["place"] == 1


def test_an_interrupt_is_not_a_fault() -> None:
    """Who stops the server stops it."""

    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make()[0].ask("place", 0, interrupted)


def test_being_slow_in_a_hundred_steps_running_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    """All answers of a step count together; one step in time starts the count anew."""
    boundary, clock = make(budget_ms=10)

    def step(seconds: float) -> None:
        for _ in range(2):
            boundary.ask("place", None, lambda: setattr(clock, "now", clock.now + seconds / 2))
        boundary.step_is_over()

    for _ in range(SLOW_STEPS - 1):
        step(0.011)
    step(0.010)
    for _ in range(SLOW_STEPS - 1):
        step(0.011)
    assert not boundary.is_off
    step(0.011)
    assert boundary.is_off
    assert boundary.faults == {"time": 1}
    assert "more than 10 ms in 100 steps running (11 ms in this one)" in caplog.text
