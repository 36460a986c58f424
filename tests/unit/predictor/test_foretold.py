"""A predictor that reads texts, in two processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from amin.predictor.calibrated import CalibratedPredictor
from amin.predictor.catalog import reads_text
from amin.predictor.foretold import ForetoldPredictor, api_side, engine_side
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request


class Reading(Predictor):
    """Counts how often it is made."""

    name = "reading"
    is_instant = True
    needs_text = True
    num_made = 0

    def __init__(self) -> None:
        Reading.num_made += 1

    def predict(self, request: Request) -> LengthEstimate:
        """As long as the text."""
        return LengthEstimate(len(request.prompt or "."), 9999, "a class")


class Blind(Reading):
    """The same that needs no text."""

    needs_text = False


@pytest.fixture(autouse=True)
def third_party() -> Iterator[None]:
    """A module with both."""
    module = ModuleType("somebodys")
    module.Reading, module.Blind = Reading, Blind  # type: ignore[attr-defined]
    sys.modules["somebodys"] = module
    Reading.num_made = 0
    yield
    del sys.modules["somebodys"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("online", False),
        ("similar", False),
        ("constant:3", False),
        ("text:/nowhere.npz", True),
        ("calibrated:text:/nowhere.npz", True),
        ("somebodys:Reading", True),
        ("calibrated:somebodys:Reading", True),
        ("somebodys:Blind", False),
        ("somebodys:missing", False),
    ],
)
def test_who_reads_texts(spec: str, expected: bool) -> None:
    """Known without making it."""
    assert reads_text(spec) is expected
    assert Reading.num_made == 0


def test_each_process_makes_what_it_asks() -> None:
    """The API's what reads; the engine's the others, and in place of a reader what was foretold."""
    assert api_side("somebodys:Blind") is None
    assert Reading.num_made == 0
    assert isinstance(api_side("calibrated:somebodys:Reading"), Reading)
    assert Reading.num_made == 1
    assert isinstance(engine_side("somebodys:Reading"), ForetoldPredictor)
    assert isinstance(engine_side("calibrated:somebodys:Reading"), CalibratedPredictor)
    assert Reading.num_made == 1
    assert isinstance(engine_side("somebodys:Blind"), Blind)


@pytest.mark.parametrize("spec", ["somebodys:Reading", "calibrated:somebodys:Reading"])
def test_what_was_foretold_is_passed_on(spec: str) -> None:
    """Within the cap, with its class; of a request without, nothing is said."""
    predictor = engine_side(spec)
    told = Request("r", 5, 100, foretold=LengthEstimate(30, 9999, "a class"))
    assert predictor.predict(told) == LengthEstimate(30, 100, "a class")
    assert predictor.predict(Request("r", 5, 100)) == LengthEstimate(1, 100)


def test_calibration_learns_in_the_engine() -> None:
    """What is foretold is five times too long: in the end bounds hold."""
    predictor = engine_side("calibrated:somebodys:Reading")
    request = Request("r", 5, 9999, foretold=LengthEstimate(500, 9999))
    for _ in range(300):
        predictor.learn(request, 100, False)
    assert predictor.predict(request).lower <= 100
