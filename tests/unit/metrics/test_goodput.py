import math

import pytest

from amin.errors import ConfigError
from amin.metrics.goodput import SLO, goodput
from amin.record import RequestRecord


@pytest.mark.parametrize(
    ("slo", "num_met"),
    [
        (SLO(ttft=math.inf, tpot=math.inf), 3),
        (SLO(ttft=0.5, tpot=0.25), 1),
        (SLO(ttft=0.49, tpot=0.25), 0),
        (SLO(ttft=2.0, tpot=0.01), 1),
        (SLO(ttft=3.5, tpot=0.49), 2),
        (SLO(ttft=3.5, tpot=0.5), 3),
    ],
)
def test_requests_that_meet_both_promises(
    records: list[RequestRecord], slo: SLO, num_met: int
) -> None:
    """Limits themselves are met; a single token (the second request) has no TPOT to miss."""
    assert goodput(records, slo) == num_met / 9


def test_nothing_finished() -> None:
    """An empty run has no goodput."""
    assert math.isnan(goodput([], SLO(1, 1)))


def test_a_finished_request_without_a_first_token_misses() -> None:
    """An undefined TTFT is no TTFT that was kept."""
    silent = RequestRecord("r", 0.0, 1, 1, 1, 0.0, math.nan, 2.0, 0, status="finished")
    assert goodput([silent], SLO(9, 9)) == 0


@pytest.mark.parametrize("name", ["ttft", "tpot"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan])
def test_limits_must_be_positive(name: str, value: float) -> None:
    """The message names the field and the value."""
    with pytest.raises(ConfigError, match=f"{name}: got {value!r}"):
        SLO(**{"ttft": 1.0, "tpot": 1.0, name: value})
