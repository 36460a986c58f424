"""Work that preemptions threw away.

All requests count, finished or not: the memory and the time were spent on them all the same.
"""

from __future__ import annotations

from amin.metrics.columns import Columns, Records


def num_preemptions(records: Records) -> int:
    """How often any request was preempted; one request may count several times."""
    return int(Columns.of(records).num_preemptions.sum())


def num_lost_tokens(records: Records) -> int:
    """Tokens whose KV entries preemptions dropped."""
    return int(Columns.of(records).num_lost_tokens.sum())


def num_recomputed_tokens(records: Records) -> int:
    """Lost tokens that were computed again: at most `num_lost_tokens`, as caches may hold some."""
    return int(Columns.of(records).num_recomputed_tokens.sum())
