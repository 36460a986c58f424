"""The regimes of prediction say what they are named for."""

from __future__ import annotations

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.generate import generate
from amin.workload.intervals import intervals

TRACE = generate("lmsys-like", 300, seed=0)
OUTPUT = TRACE.num_output_tokens


def test_one_interval_for_all() -> None:
    """And a cap that does not cut it."""
    trace = intervals("all:1,1000")(TRACE, 0)
    assert set(trace.lower) == {1}
    assert set(trace.upper) == {1000}
    assert trace.max_tokens.min() == 1000


def test_bins_hold_the_truth_and_are_as_wide_as_asked() -> None:
    """[1, 100], [101, 200], ..."""
    trace = intervals("bins:100")(TRACE, 0)
    assert (trace.lower <= OUTPUT).all()
    assert (trace.upper >= OUTPUT).all()
    assert set(trace.upper - trace.lower) == {99}
    assert set(trace.lower % 100) == {1}


@pytest.mark.parametrize("x", [0.0, 0.1, 0.95])
def test_relative_intervals_hold_the_truth(x: float) -> None:
    """Their ends are (1 - x) and (1 + x) times it, rounded outwards, at least 1."""
    trace = intervals(f"relative:{x}")(TRACE, 0)
    assert (trace.lower == np.maximum(np.floor((1 - x) * OUTPUT), 1)).all()
    assert (trace.upper == np.ceil((1 + x) * OUTPUT)).all()


def test_exact_and_none() -> None:
    """The truth, and nothing at all."""
    assert (intervals("exact")(TRACE, 0).lower == OUTPUT).all()
    assert all(job.request.hint is None for job in intervals("none")(TRACE, 0))


@pytest.mark.parametrize("spec", ["", "all", "all:5,4", "all:0,4", "bins:0", "relative:1", "wide"])
def test_refuses_other_regimes(spec: str) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(ConfigError, match=f"intervals: got '{spec}', allowed: none, all:L,U"):
        intervals(spec)
