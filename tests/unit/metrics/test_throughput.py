import math

from amin.metrics.throughput import (
    first_arrival_time,
    makespan,
    output_tokens_per_second,
    per_second,
)
from amin.record import RequestRecord


def test_makespan_starts_with_any_arrival_and_ends_with_a_finish(
    records: list[RequestRecord],
) -> None:
    """From the rejected request's arrival at 9 s to the last finish at 18 s."""
    assert first_arrival_time(records) == 9.0
    assert makespan(records) == 9.0


def test_tokens_of_unfinished_requests_were_not_delivered(records: list[RequestRecord]) -> None:
    """3 + 1 + 6 tokens in 9 s; the 7 tokens of the aborted request do not count."""
    assert output_tokens_per_second(records) == 10 / 9


def test_nothing_finished(records: list[RequestRecord]) -> None:
    """Without finished requests there is no makespan, so no rate."""
    for run in ([], records[3:]):
        assert math.isnan(makespan(run))
        assert math.isnan(output_tokens_per_second(run))
    assert math.isnan(first_arrival_time([]))


def test_a_makespan_of_zero_has_no_rate() -> None:
    """A request that finishes as it arrives gives NaN, not a division by zero."""
    instant = RequestRecord("r", 5.0, 1, 1, 1, 5.0, 5.0, 5.0, 1, status="finished")
    assert makespan([instant]) == 0.0
    assert math.isnan(per_second(1, [instant]))
