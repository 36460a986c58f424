"""How much was delivered, and in how long."""

from __future__ import annotations

import math

from amin.metrics.columns import Columns, Records
from amin.metrics.status import finished


def first_arrival_time(records: Records) -> float:
    """When the first request arrived, in seconds on the engine's clock; NaN without requests."""
    arrivals = Columns.of(records).arrival_time
    return float(arrivals.min()) if len(arrivals) else math.nan


def makespan(records: Records) -> float:
    """Seconds from the first arrival of any request to the last finish; NaN if none finished."""
    columns = Columns.of(records)
    finishes = finished(columns).finish_time
    return float(finishes.max()) - first_arrival_time(columns) if len(finishes) else math.nan


def output_tokens_per_second(records: Records) -> float:
    """Output tokens of finished requests per second of makespan.

    Tokens of other requests are left out: nobody got an answer from them. NaN where the makespan
    is zero or undefined.
    """
    columns = Columns.of(records)
    return per_second(int(finished(columns).num_output_tokens.sum()), columns)


def per_second(count: int, records: Records) -> float:
    """`count` per second of the makespan of `records`; NaN where that is zero or undefined."""
    seconds = makespan(records)
    return count / seconds if seconds > 0 else math.nan
