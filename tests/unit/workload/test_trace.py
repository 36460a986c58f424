"""A trace is the workload that it was made of."""

from __future__ import annotations

from dataclasses import fields

import pytest

from amin.errors import ConfigError
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job
from amin.workload.trace import Trace

JOBS = [
    Job(Request("a", 3, 9, 0.0, priority=2, hint=LengthEstimate(2, 5)), 4),
    Job(Request("b", 5, 9, 1.25, predicted_class="long"), 12),
]


def test_gives_back_the_jobs() -> None:
    """Into columns and out again: nothing is lost but token ids and sampling."""
    assert list(Trace.of(JOBS)) == JOBS


def test_a_trace_is_not_copied() -> None:
    """`Trace.of` is free where there is nothing to do."""
    trace = Trace.of(JOBS)
    assert Trace.of(trace) is trace


def test_a_slice_is_a_trace() -> None:
    """Half a workload is a workload."""
    part = Trace.of(JOBS)[1:]
    assert isinstance(part, Trace)
    assert list(part) == JOBS[1:]


def test_negative_indices_count_from_the_end_and_others_end_it() -> None:
    """As with any sequence."""
    trace = Trace.of(JOBS)
    assert trace[-1] == JOBS[-1]
    with pytest.raises(IndexError):
        trace[2]


def test_columns_are_equally_long() -> None:
    """A column that is too short is named."""
    columns = {field.name: getattr(Trace.of(JOBS), field.name) for field in fields(Trace)}
    with pytest.raises(ConfigError, match="lower: got 1 values, allowed: 2"):
        Trace(**columns | {"lower": columns["lower"][:1]})
