import pytest

from amin.errors import ConfigError
from amin.request import Request
from amin.workload.interface import Job, check_workload


def job(request_id: str, arrival_time: float) -> Job:
    """A request of that name and time, and nothing special."""
    return Job(Request(request_id, 5, 9, arrival_time), 3)


def test_arrivals_may_be_equal() -> None:
    """Ascending includes simultaneous; an empty workload is one too."""
    check_workload([])
    check_workload([job("a", 0.0), job("b", 0.0), job("c", 1.5)])


@pytest.mark.parametrize("time", [0.5, -1.0, float("nan")])
def test_arrivals_ascend(time: float) -> None:
    """An earlier, a negative and an undefined time are refused, naming request and value."""
    with pytest.raises(ConfigError, match=f"arrival_time: got {time} in request 'late', allowed"):
        check_workload([job("a", 1.0), job("late", time)])


def test_ids_are_unique() -> None:
    """The same id twice could not be told apart in the records."""
    with pytest.raises(ConfigError, match="request_id: 'a' occurs twice"):
        check_workload([job("a", 0.0), job("b", 0.0), job("a", 1.0)])


@pytest.mark.parametrize("length", [0, -3])
def test_an_output_has_a_token(length: int) -> None:
    """A job without output is refused, naming the request."""
    with pytest.raises(ConfigError, match=f"num_output_tokens: got {length} in request 'r'"):
        Job(Request("r", 5, 9), length)
