"""The workload contract: a list of jobs in the order of arrival.

A workload is any sequence of `Job`. Engines read the request as a server would see it; the true
output length is for the engine's stand-in of a model alone, and for the metrics afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amin.errors import ConfigError
from amin.request import Request


@dataclass(frozen=True, slots=True)
class Job:
    """A request and its true output length in tokens.

    ``request.prompt_token_ids`` matters only where prefixes repeat; a prompt without is unlike any
    other.
    """

    request: Request
    num_output_tokens: int

    def __post_init__(self) -> None:
        if self.num_output_tokens < 1:
            raise ConfigError(
                f"num_output_tokens: got {self.num_output_tokens} in request "
                f"{self.request.request_id!r}, allowed: >= 1"
            )


def check_workload(jobs: Sequence[Job]) -> None:
    """Raise `ConfigError` unless arrivals ascend and request ids are unique."""
    seen: set[str] = set()
    last = 0.0
    for job in jobs:
        request = job.request
        if request.request_id in seen:
            raise ConfigError(f"request_id: {request.request_id!r} occurs twice")
        if not request.arrival_time >= last:
            raise ConfigError(
                f"arrival_time: got {request.arrival_time} in request {request.request_id!r}, "
                f"allowed: >= {last} (ascending, not negative)"
            )
        seen.add(request.request_id)
        last = request.arrival_time
