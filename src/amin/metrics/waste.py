"""Work that preemptions threw away.

All requests count, finished or not: the memory and the time were spent on them all the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from amin.record import RequestRecord


def num_preemptions(records: Iterable[RequestRecord]) -> int:
    """How often any request was preempted; one request may count several times."""
    return sum(record.num_preemptions for record in records)


def num_lost_tokens(records: Iterable[RequestRecord]) -> int:
    """Tokens whose KV entries preemptions dropped."""
    return sum(record.num_lost_tokens for record in records)


def num_recomputed_tokens(records: Iterable[RequestRecord]) -> int:
    """Lost tokens that were computed again: at most `num_lost_tokens`, as caches may hold some."""
    return sum(record.num_recomputed_tokens for record in records)
