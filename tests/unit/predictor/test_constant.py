from collections.abc import Callable

import pytest

from amin.errors import ConfigError
from amin.predictor.constant import ConstantPredictor
from amin.request import LengthEstimate, Request

MakeRequest = Callable[..., Request]


def test_upper_end_is_max_tokens(request_of: MakeRequest) -> None:
    """Nothing is known of the upper end but the client's cap."""
    assert ConstantPredictor(5).predict(request_of(100)) == LengthEstimate(5, 100)


def test_one_is_the_default(request_of: MakeRequest) -> None:
    """At least one token is always true."""
    assert ConstantPredictor().predict(request_of(100)) == LengthEstimate(1, 100)


@pytest.mark.parametrize("max_tokens", [1, 3, 5])
def test_lower_end_never_exceeds_max_tokens(request_of: MakeRequest, max_tokens: int) -> None:
    """A short request is not predicted to be longer than it may be."""
    estimate = ConstantPredictor(5).predict(request_of(max_tokens))
    assert estimate == LengthEstimate(max_tokens, max_tokens)


@pytest.mark.parametrize("lower", [0, -1, 1.5, "2", None, True])
def test_bounds_are_positive_integers(lower: object) -> None:
    """Anything else is refused, with the value in the message."""
    with pytest.raises(ConfigError, match=f"lower: got {lower!r}, allowed: an integer >= 1"):
        ConstantPredictor(lower)  # type: ignore[arg-type]


def test_a_request_that_may_make_nothing_has_the_smallest_interval(
    request_of: Callable[..., Request],
) -> None:
    """max_tokens of 0 is nothing to fail on: an interval starts at 1."""
    assert ConstantPredictor(5).predict(request_of(0)) == LengthEstimate(1, 1)
