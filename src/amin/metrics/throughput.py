"""How much was delivered, and in how long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from amin.metrics.status import finished
from amin.record import RequestRecord


def first_arrival_time(records: Iterable[RequestRecord]) -> float:
    """When the first request arrived, in seconds on the engine's clock; NaN without requests."""
    return min((record.arrival_time for record in records), default=math.nan)


def makespan(records: Sequence[RequestRecord]) -> float:
    """Seconds from the first arrival of any request to the last finish; NaN if none finished."""
    finishes = [record.finish_time for record in finished(records)]
    if not finishes:
        return math.nan
    return max(finishes) - first_arrival_time(records)


def output_tokens_per_second(records: Sequence[RequestRecord]) -> float:
    """Output tokens of finished requests per second of makespan.

    Tokens of other requests are left out: nobody got an answer from them. NaN where the makespan
    is zero or undefined.
    """
    num_tokens = sum(record.num_output_tokens for record in finished(records))
    return per_second(num_tokens, records)


def per_second(count: int, records: Sequence[RequestRecord]) -> float:
    """`count` per second of the makespan of `records`; NaN where that is zero or undefined."""
    seconds = makespan(records)
    return count / seconds if seconds > 0 else math.nan
