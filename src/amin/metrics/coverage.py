"""How often the predicted bounds held.

Only finished requests count, the true length of the others being unknown, and only those for which
a bound was predicted (lower >= 1). All answers are shares in 0..1, NaN where nothing counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from amin.metrics.status import finished
from amin.record import RequestRecord


def bound_coverage(records: Iterable[RequestRecord]) -> float:
    """Share of requests at least as long as their lower bound: what A_min relies on."""
    return _share(record.num_output_tokens >= record.lower for record in _predicted(records))


def interval_coverage(records: Iterable[RequestRecord]) -> float:
    """Share of requests whose length is in [lower, upper], both ends included."""
    return _share(
        record.lower <= record.num_output_tokens <= record.upper for record in _predicted(records)
    )


def _predicted(records: Iterable[RequestRecord]) -> list[RequestRecord]:
    return [record for record in finished(records) if record.lower >= 1]


def _share(answers: Iterable[bool]) -> float:
    held = list(answers)
    return sum(held) / len(held) if held else math.nan
