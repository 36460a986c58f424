"""How requests ended, and which of them count.

Latency, throughput and coverage count finished requests only: the others have no end to
measure. A policy can thus look fast by finishing less, so read every number next to
`num_finished`. What was wasted is counted for all requests (see `amin.metrics.waste`).
"""

from __future__ import annotations

import numpy as np

from amin.metrics.columns import Columns, Records


def finished(records: Records) -> Columns:
    """Those of finished requests, in the given order."""
    columns = Columns.of(records)
    return columns.where(columns.status == "finished")


def num_finished(records: Records) -> int:
    """Requests that made all of their output."""
    return _count(records, "finished")


def num_rejected(records: Records) -> int:
    """Requests turned away at arrival."""
    return _count(records, "rejected")


def num_aborted(records: Records) -> int:
    """Requests that were taken in but never finished."""
    return _count(records, "aborted")


def _count(records: Records, status: str) -> int:
    return int(np.count_nonzero(Columns.of(records).status == status))
