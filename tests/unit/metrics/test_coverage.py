import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.metrics.coverage import bound_coverage, interval_coverage
from amin.record import RequestRecord


def _finished(length: int, lower: int, upper: int) -> RequestRecord:
    return RequestRecord("r", 0, 1, lower, upper, num_output_tokens=length, status="finished")


@pytest.mark.parametrize(
    ("length", "holds", "inside"),
    [(3, 0, 0), (4, 1, 1), (5, 1, 1), (6, 1, 1), (7, 1, 0)],
)
def test_both_ends_of_the_interval_belong_to_it(length: int, holds: int, inside: int) -> None:
    """For [4, 6]: the bound holds from 4 on, the interval from 4 to 6."""
    record = _finished(length, 4, 6)
    assert bound_coverage([record]) == holds
    assert interval_coverage([record]) == inside


def test_only_finished_requests_count(records: list[RequestRecord]) -> None:
    """Two of three finished requests reach their bound; the aborted one, above its, is out."""
    assert bound_coverage(records) == 2 / 3
    assert interval_coverage(records) == 2 / 3
    assert math.isnan(bound_coverage(records[3:]))
    assert math.isnan(interval_coverage([]))


@given(st.lists(st.builds(_finished, *[st.integers(1, 9)] * 3), min_size=1))
def test_an_interval_covers_no_more_than_its_bound(run: list[RequestRecord]) -> None:
    """0 <= interval coverage <= bound coverage <= 1."""
    assert 0 <= interval_coverage(run) <= bound_coverage(run) <= 1


def test_a_request_without_a_prediction_does_not_count() -> None:
    """Stock schedulers predict nothing: their records have no coverage, not one of 100 %."""
    unpredicted = _finished(5, 0, 0)
    assert math.isnan(bound_coverage([unpredicted]))
    assert bound_coverage([unpredicted, _finished(3, 4, 6)]) == 0
