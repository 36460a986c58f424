"""One small run whose numbers can be checked by hand."""

import pytest

from amin.record import RequestRecord


@pytest.fixture
def records() -> list[RequestRecord]:
    """Three finished requests with e2e latencies 1, 2 and 6 s, one aborted and one rejected."""
    return [
        RequestRecord("a", 10.0, 5, 2, 4, 10.25, 10.5, 11.0, 3, 0, 0, 0, "finished",
                      0.25, 0.0, 0.0),
        RequestRecord("b", 11.0, 5, 9, 9, 11.75, 13.0, 13.0, 1, 1, 6, 4, "finished",
                      0.0, 0.0, 0.0),
        RequestRecord("c", 12.0, 5, 6, 8, 14.0, 15.5, 18.0, 6, 2, 14, 14, "finished",
                      2.0, 1.5, 1.75),
        RequestRecord("d", 13.0, 5, 1, 2, 13.5, 14.0, num_output_tokens=7, num_preemptions=4,
                      num_lost_tokens=20, status="aborted"),
        RequestRecord("e", 9.0, 5, 1, 2, status="rejected"),
    ]  # fmt: skip
