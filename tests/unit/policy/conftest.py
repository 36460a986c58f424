"""One way to write down a request's visible state."""

from collections.abc import Callable

import pytest

from amin.request import RequestView

MakeView = Callable[..., RequestView]


@pytest.fixture(scope="session")
def view() -> MakeView:
    """A request with a prompt of 10 and a predicted output of 4-50; name what differs."""
    usual = RequestView(
        num_prompt_tokens=10,
        num_output_tokens=0,
        num_computed_tokens=0,
        max_tokens=100,
        lower=4,
        upper=50,
        bound=4,
        priority=0,
        arrival_index=7,
        admission_index=-1,
        num_preemptions=0,
        mean_remaining=27,
        mean_square_remaining=729,
        num_cached_tokens=0,
    )
    return usual._replace
