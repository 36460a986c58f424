import math

from amin.record import RequestRecord


def test_latencies_are_counted_from_the_arrival() -> None:
    """ttft to the first token, e2e to the last, tpot over the tokens after the first."""
    record = RequestRecord("r", 10.0, 5, 1, 9, 10.5, 11.0, 14.0, num_output_tokens=4)
    assert (record.ttft, record.e2e_latency, record.tpot) == (1.0, 4.0, 1.0)


def test_tpot_of_one_token_is_undefined() -> None:
    """There is no time between tokens where there is one token."""
    assert math.isnan(RequestRecord("r", 0.0, 5, 1, 9, 0, 1, 1, num_output_tokens=1).tpot)


def test_what_never_happened_has_no_time() -> None:
    """A request that never ran has NaN for its times, and so for its latencies."""
    record = RequestRecord("r", 10.0, 5, 1, 9, status="rejected")
    assert all(map(math.isnan, (record.ttft, record.e2e_latency, record.first_scheduled_time)))
