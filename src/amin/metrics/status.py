"""How requests ended, and which of them count.

Latency, throughput and coverage count finished requests only: the others have no end to
measure. A policy can thus look fast by finishing less, so read every number next to
`num_finished`. What was wasted is counted for all requests (see `amin.metrics.waste`).
"""

from __future__ import annotations

from collections.abc import Iterable

from amin.record import RequestRecord


def finished(records: Iterable[RequestRecord]) -> list[RequestRecord]:
    """The records of finished requests, in the given order."""
    return [record for record in records if record.status == "finished"]


def num_finished(records: Iterable[RequestRecord]) -> int:
    """Requests that made all of their output."""
    return len(finished(records))


def num_rejected(records: Iterable[RequestRecord]) -> int:
    """Requests turned away at arrival."""
    return sum(record.status == "rejected" for record in records)


def num_aborted(records: Iterable[RequestRecord]) -> int:
    """Requests that were taken in but never finished."""
    return sum(record.status == "aborted" for record in records)
