"""A classifier that is right as often as its confusion matrix says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.confusion import Confusion
from amin.workload.generate import generate
from amin.workload.intervals import intervals

TRACE = generate("lmsys-like", 4000, seed=0)


def test_predictions_are_wrong_as_often_as_the_matrix_says() -> None:
    """A quarter of the short ones are called long; of the long ones none is called short."""
    trace = Confusion((1, 100), ((3, 1), (0, 5))).predict(TRACE, seed=1)
    is_long = TRACE.num_output_tokens >= 100
    called_long = trace.predicted_class == "1"
    assert called_long[~is_long].mean() == pytest.approx(0.25, abs=0.03)
    assert called_long[is_long].all()


def test_a_class_is_an_interval_and_a_priority() -> None:
    """The bounds are those of the predicted class, the last one's upper bound the longest reply."""
    trace = Confusion((1, 100), ((1, 1), (1, 1))).predict(TRACE, seed=1)
    short = trace.predicted_class == "0"
    assert set(zip(trace.lower[short], trace.upper[short], trace.priority[short], strict=True)) == {
        (1, 99, 0)
    }
    assert set(trace.lower[~short]) == {100}
    assert set(trace.upper[~short]) == {TRACE.max_tokens.max()}


def test_seeds_differ_and_repeat() -> None:
    """The same seed predicts the same."""
    first, again, other = (intervals("classes:ssjf")(TRACE, seed) for seed in (1, 1, 2))
    assert (first.lower == again.lower).all()
    assert (first.lower != other.lower).any()


def test_ssjf_puts_a_fifth_of_the_replies_below_their_floor() -> None:
    """As its published predictions on LMSYS replies do: 22 %."""
    trace = intervals("classes:ssjf")(TRACE, 0)
    assert (trace.num_output_tokens < trace.lower).mean() == pytest.approx(0.22, abs=0.03)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"floors": [1, 1], "counts": [[1, 0], [0, 1]]},
            r"floors: got \[1, 1\], allowed",
        ),
        ({"floors": [1, 9], "counts": [[1, 0]]}, "counts: allowed: 2 rows of 2, a class each"),
        ({"floors": [1, 9], "counts": [[1, 0], [0, 0]]}, r"counts: got \[0.0, 0.0\] in row 1"),
        ({"floors": [1]}, "KeyError.'counts'"),
    ],
)
def test_a_bad_matrix_is_named(tmp_path: Path, entry: dict[str, object], message: str) -> None:
    """Field, value, what is allowed; the file where it is not even a matrix."""
    path = tmp_path / "c.json"
    path.write_text(json.dumps(entry))
    with pytest.raises(ConfigError, match=message):
        intervals(f"classes:{path}")
    with pytest.raises(ConfigError, match="classes: nope: cannot be read"):
        intervals("classes:nope")
    assert np.array(Confusion.named("ssjf").counts).shape == (5, 5)
