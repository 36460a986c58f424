import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.metrics import latency
from amin.record import RequestRecord

AGGREGATES = [
    latency.mean_e2e_latency,
    latency.p50_e2e_latency,
    latency.p99_e2e_latency,
    latency.mean_ttft,
    latency.p99_ttft,
    latency.mean_tpot,
    latency.mean_queue_time,
]
Aggregate = Callable[[list[RequestRecord]], float]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (latency.mean_e2e_latency, (1 + 2 + 6) / 3),
        (latency.p50_e2e_latency, 2.0),
        (latency.p99_e2e_latency, 2 + 0.98 * (6 - 2)),
        (latency.mean_ttft, (0.5 + 2 + 3.5) / 3),
        (latency.p99_ttft, 2 + 0.98 * (3.5 - 2)),
        (latency.mean_tpot, (0.25 + 0.5) / 2),
        (latency.mean_queue_time, (0.25 + 0.75 + 2) / 3),
    ],
)
def test_known_numbers(records: list[RequestRecord], aggregate: Aggregate, expected: float) -> None:
    """Each aggregate of the small run is what one gets by hand, percentiles interpolated."""
    assert aggregate(records) == pytest.approx(expected)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_only_finished_requests_count(records: list[RequestRecord], aggregate: Aggregate) -> None:
    """The aborted request, though it has times, changes nothing; without finished ones: NaN."""
    assert aggregate(records) == aggregate(records[:3])
    assert math.isnan(aggregate(records[3:]))
    assert math.isnan(aggregate([]))


def test_a_single_token_has_no_tpot(records: list[RequestRecord]) -> None:
    """A run whose only request made one token has no TPOT rather than one of zero."""
    assert math.isnan(latency.mean_tpot([records[1]]))


def test_queue_time_of_a_request_never_scheduled(records: list[RequestRecord]) -> None:
    """A rejected request has none, and alone it makes no mean."""
    assert math.isnan(latency.mean_queue_time([records[4]]))


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_ordered(latencies: list[float]) -> None:
    """min <= p50 <= p99 <= max for every run."""
    run = [RequestRecord("r", 0.0, 1, 1, 1, 0, 0, t, 1, status="finished") for t in latencies]
    p50, p99 = latency.p50_e2e_latency(run), latency.p99_e2e_latency(run)
    rounding = 1e-9 * max(latencies)
    assert min(latencies) - rounding <= p50 <= p99 + rounding <= max(latencies) + 2 * rounding
