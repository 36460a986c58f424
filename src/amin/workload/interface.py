"""The workload contract: a list of jobs in the order of arrival.

A workload is any sequence of `Job`. Engines read the request as a server would see it; the true
output length is for the engine's stand-in of a model alone, and for the metrics afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from amin.errors import ConfigError
from amin.request import Request


@dataclass(frozen=True, slots=True)
class Job:
    """A request and its true output length in tokens.

    ``request.prompt_token_ids`` matters only where prefixes repeat; a prompt without is unlike any
    other. So is a reply without `reply_token_ids`, which a later prompt may begin with. `follows`
    is the id of an earlier request of the workload: this one then arrives `think_time` seconds
    after that one's end, whatever its arrival_time says. A request is followed once at most.
    """

    request: Request
    num_output_tokens: int
    reply_token_ids: Sequence[int] = field(default=(), repr=False, compare=False)
    follows: str | None = None
    think_time: float = 0.0

    def __post_init__(self) -> None:
        if self.num_output_tokens < 1:
            raise ConfigError(
                f"num_output_tokens: got {self.num_output_tokens} in request "
                f"{self.request.request_id!r}, allowed: >= 1"
            )
        if not 0 <= self.think_time < math.inf:
            raise ConfigError(
                f"think_time: got {self.think_time} in request {self.request.request_id!r}, "
                "allowed: seconds >= 0"
            )


def check_workload(jobs: Sequence[Job]) -> None:
    """Raise `ConfigError` unless arrivals ascend, ids are unique and the followed come first."""
    seen: set[str] = set()
    followed: set[str] = set()
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
        if job.follows is not None:
            if job.follows not in seen or job.follows in followed:
                raise ConfigError(
                    f"follows: got {job.follows!r} in request {request.request_id!r}, allowed: "
                    "the id of an earlier request that no other one follows"
                )
            followed.add(job.follows)
        seen.add(request.request_id)
        last = request.arrival_time
