"""How long requests took, in seconds.

Only finished requests count. A time that is undefined for a request (TPOT of a single token) is
left out, and with nothing left the answer is NaN. Percentiles interpolate linearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from amin.metrics.status import finished
from amin.record import RequestRecord


def mean_e2e_latency(records: Iterable[RequestRecord]) -> float:
    """Mean seconds from arrival to the last token."""
    return _mean(record.e2e_latency for record in finished(records))


def p50_e2e_latency(records: Iterable[RequestRecord]) -> float:
    """Median seconds from arrival to the last token."""
    return _percentile(50, (record.e2e_latency for record in finished(records)))


def p99_e2e_latency(records: Iterable[RequestRecord]) -> float:
    """99th percentile of the seconds from arrival to the last token."""
    return _percentile(99, (record.e2e_latency for record in finished(records)))


def mean_ttft(records: Iterable[RequestRecord]) -> float:
    """Mean seconds from arrival to the first token."""
    return _mean(record.ttft for record in finished(records))


def p99_ttft(records: Iterable[RequestRecord]) -> float:
    """99th percentile of the seconds from arrival to the first token."""
    return _percentile(99, (record.ttft for record in finished(records)))


def mean_tpot(records: Iterable[RequestRecord]) -> float:
    """Mean over requests of the seconds per output token after the first."""
    return _mean(record.tpot for record in finished(records))


def queue_time(record: RequestRecord) -> float:
    """Seconds from arrival until the request was first scheduled; NaN if it never was.

    Time spent waiting again after a preemption is not in it.
    """
    return record.first_scheduled_time - record.arrival_time


def mean_queue_time(records: Iterable[RequestRecord]) -> float:
    """Mean seconds from arrival until first scheduled."""
    return _mean(queue_time(record) for record in finished(records))


def _defined(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _mean(values: Iterable[float]) -> float:
    defined = _defined(values)
    return float(np.mean(defined)) if defined else math.nan


def _percentile(percent: float, values: Iterable[float]) -> float:
    defined = _defined(values)
    return float(np.percentile(defined, percent)) if defined else math.nan
