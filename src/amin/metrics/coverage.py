"""How often the predicted bounds held.

Only finished requests count, the true length of the others being unknown, and only those for which
a bound was predicted (lower >= 1). All answers are shares in 0..1, NaN where nothing counts.
"""

from __future__ import annotations

import math

import numpy as np

from amin.metrics.columns import Array, Columns, Records
from amin.metrics.status import finished


def bound_coverage(records: Records) -> float:
    """Share of requests at least as long as their lower bound: what A_min relies on."""
    predicted = _predicted(records)
    return _share(predicted.num_output_tokens >= predicted.lower)


def interval_coverage(records: Records) -> float:
    """Share of requests whose length is in [lower, upper], both ends included."""
    predicted = _predicted(records)
    length = predicted.num_output_tokens
    return _share((predicted.lower <= length) & (length <= predicted.upper))


def _predicted(records: Records) -> Columns:
    done = finished(records)
    return done.where(done.lower >= 1)


def _share(answers: Array) -> float:
    return float(np.mean(answers)) if len(answers) else math.nan
