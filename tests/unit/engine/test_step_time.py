"""Step times: in a user's words, and in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from amin.engine.step_time import UNIT, StepTime
from amin.errors import ConfigError


def test_unit_is_one_whatever_is_in_it() -> None:
    """The paper's clock."""
    assert StepTime.parse("unit") == UNIT
    assert {UNIT(1), UNIT(5000, 9)} == {1.0}


def test_linear_adds_up() -> None:
    """A constant, so much per scheduled token and per token in memory."""
    assert StepTime.parse("linear:0.5,0.25")(4, 100) == 1.5
    assert StepTime.parse("linear:0.5,0.25,0.125")(4, 8) == 2.5


def test_points_are_interpolated(tmp_path: Path) -> None:
    """Between two points on the line, beyond them constant."""
    path = tmp_path / "steps.csv"
    path.write_text("num_scheduled_tokens,seconds\n10,1\n20,3\n")
    time = StepTime.parse(str(path))
    assert [time(n) for n in (1, 10, 15, 20, 90)] == [1, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("linear", "step_time: got 'linear', allowed: unit, linear:"),
        ("linear:1", "step_time: got 'linear:1', allowed"),
        ("linear:a,b", "step_time: got 'linear:a,b', allowed"),
        ("linear:0,1", "allowed: > 0 s per step"),
        ("linear:1,-1", "allowed: > 0 s per step, >= 0 s per token"),
        ("linear:1,inf", "allowed: > 0 s per step, >= 0 s per token"),
        ("linear:nan,0", "allowed: > 0 s per step"),
        ("none.csv", "step_time: got 'none.csv', allowed"),
    ],
)
def test_refuses_what_is_no_time(text: str, message: str) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(ConfigError) as caught:
        StepTime.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "no rows"),
        ("1,x\n", "row 2: seconds: got 'x', allowed: a number"),
        ("5,1\n5,2\n", "tokens 5 after 5, allowed: more"),
        ("5,0\n", "got 0 s for 5 tokens, allowed: > 0 s"),
        ("5,nan\n", "got nan s for 5 tokens, allowed: > 0 s"),
    ],
)
def test_refuses_bad_points(tmp_path: Path, rows: str, message: str) -> None:
    """A file of points that make no sense."""
    path = tmp_path / "steps.csv"
    path.write_text("num_scheduled_tokens,seconds\n" + rows)
    with pytest.raises(ConfigError) as caught:
        StepTime.parse(str(path))
    assert message in str(caught.value)
