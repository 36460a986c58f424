"""What whoever watches a reply come sees: gaps in the stream, pauses for its reader, goodput.

Gaps and pauses are of finished requests whose reply is streamed; goodput counts every request.
Times in seconds, shares in 0..1, NaN where nothing counts. The reader is that of
`amin.engine.reading`.
"""

from __future__ import annotations

import math

import numpy as np

from amin.metrics.columns import Columns, Records
from amin.metrics.latency import share_within
from amin.metrics.status import finished

NOTICED = 1.0
"""Seconds of a pause that a reader notices."""

SLO_TTFT, SLO_TPOT = 2.0, 0.1
"""Seconds to the first token and for each one after it, as chat services promise them."""

SLO_E2E, SLO_E2E_PER_TOKEN = 10.0, 0.05
"""Seconds for a whole reply: so many, and so many for each of its tokens."""


def p99_longest_gap(records: Records) -> float:
    """99th percentile, over streams, of the longest time between two tokens."""
    gaps = _streamed(records).longest_gap
    return float(np.percentile(gaps, 99)) if len(gaps) else math.nan


def share_paused(records: Records) -> float:
    """Share of streams in which the reader once waits longer than a second for the next token."""
    pauses = _streamed(records).longest_pause
    return float(np.mean(pauses > NOTICED)) if len(pauses) else math.nan


def max_pause(records: Records) -> float:
    """The longest that any reader waits for the next token."""
    pauses = _streamed(records).longest_pause
    return float(np.max(pauses)) if len(pauses) else math.nan


def mean_total_pause(records: Records) -> float:
    """Mean over streams of all that the reader waits after the first token."""
    pauses = _streamed(records).total_pause
    return float(np.mean(pauses)) if len(pauses) else math.nan


def goodput(records: Records) -> float:
    """Share of requests with the first token within 2 s and the others within .1 s on average."""
    if not len(Columns.of(records)):
        return math.nan
    return share_within(records, SLO_TTFT, SLO_TPOT)


def goodput_e2e(records: Records) -> float:
    """Share of requests that end within 10 s and 50 ms for each token of the reply."""
    done, num_requests = finished(records), len(Columns.of(records))
    allowed = SLO_E2E + SLO_E2E_PER_TOKEN * done.num_output_tokens
    in_time = np.count_nonzero(done.finish_time - done.arrival_time <= allowed)
    return float(in_time) / num_requests if num_requests else math.nan


def _streamed(records: Records) -> Columns:
    done = finished(records)
    return done.where(~np.isnan(done.longest_pause))
