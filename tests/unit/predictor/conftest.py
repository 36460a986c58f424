"""One way to write down a request."""

from collections.abc import Callable
from functools import partial

import pytest

from amin.request import Request

MakeRequest = Callable[..., Request]


@pytest.fixture(scope="session")
def request_of() -> MakeRequest:
    """A request with a prompt of 10 and max_tokens 100; name what differs."""
    return partial(_request, request_id="r", num_prompt_tokens=10)


def _request(max_tokens: int = 100, **fields: object) -> Request:
    return Request(max_tokens=max_tokens, **fields)  # type: ignore[arg-type]
