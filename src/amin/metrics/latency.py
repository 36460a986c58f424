"""How long requests took, in seconds.

Only finished requests count. A time that is undefined for a request (TPOT of a single token) is
left out, and with nothing left the answer is NaN. Percentiles interpolate linearly.
"""

from __future__ import annotations

import math

import numpy as np

from amin.metrics.columns import Array, Columns, Records
from amin.metrics.status import finished


def e2e_latencies(records: Records) -> Array:
    """Seconds from arrival to the last token, of each finished request."""
    done = finished(records)
    return done.finish_time - done.arrival_time


def mean_e2e_latency(records: Records) -> float:
    """Mean seconds from arrival to the last token."""
    return _mean(e2e_latencies(records))


def p50_e2e_latency(records: Records) -> float:
    """Median seconds from arrival to the last token."""
    return _percentile(50, e2e_latencies(records))


def p99_e2e_latency(records: Records) -> float:
    """99th percentile of the seconds from arrival to the last token."""
    return _percentile(99, e2e_latencies(records))


def mean_ttft(records: Records) -> float:
    """Mean seconds from arrival to the first token."""
    return _mean(_ttfts(records))


def p99_ttft(records: Records) -> float:
    """99th percentile of the seconds from arrival to the first token."""
    return _percentile(99, _ttfts(records))


def mean_tpot(records: Records) -> float:
    """Mean over requests of the seconds per output token after the first."""
    return _mean(_tpots(records))


def p99_tpot(records: Records) -> float:
    """99th percentile over requests of the seconds per output token after the first."""
    return _percentile(99, _tpots(records))


def _tpots(records: Records) -> Array:
    done = finished(records)
    done = done.where(done.num_output_tokens > 1)
    ttft = done.first_token_time - done.arrival_time
    e2e = done.finish_time - done.arrival_time
    return np.asarray((e2e - ttft) / (done.num_output_tokens - 1))


def max_e2e_latency(records: Records) -> float:
    """The longest seconds from arrival to the last token."""
    return _percentile(100, e2e_latencies(records))


def share_within(records: Records, ttft: float, tpot: float) -> float:
    """Share of requests whose first token came within `ttft` seconds, the others each in `tpot`.

    Goodput, as a share; a request that did not finish was not in time.
    """
    done = finished(records)
    after = np.maximum(done.num_output_tokens - 1, 1)
    is_first_in_time = done.first_token_time - done.arrival_time <= ttft
    is_rest_in_time = (done.finish_time - done.first_token_time) / after <= tpot
    num_requests = len(Columns.of(records))
    return float((is_first_in_time & is_rest_in_time).sum()) / max(num_requests, 1)


def mean_queue_time(records: Records) -> float:
    """Mean seconds from arrival until first scheduled.

    Time spent waiting again after a preemption is not in it.
    """
    done = finished(records)
    return _mean(done.first_scheduled_time - done.arrival_time)


def _ttfts(records: Records) -> Array:
    done = finished(records)
    return done.first_token_time - done.arrival_time


def _mean(values: Array) -> float:
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if len(defined) else math.nan


def _percentile(percent: float, values: Array) -> float:
    defined = values[~np.isnan(values)]
    return float(np.percentile(defined, percent)) if len(defined) else math.nan
