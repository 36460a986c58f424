"""vLLM up to 0.30 has a second waiting queue, which is served before the first and by arrival.

In it land requests that were skipped: because their grammar was not compiled, by the limit on LoRA
adapters, or with output still in flight when they were preempted. Once there, they would come back
outside of any order. So it keeps only those that hold KV memory, as later versions do with their
``kv_holding_waiting``; all others go to the queue that has an order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amin.engine.vllm.seam.names import (
    Request,
    RequestQueue,
    RequestStatus,
    SchedulingPolicy,
    create_request_queue,
)

_FCFS: Any = type(create_request_queue(SchedulingPolicy.FCFS))


class SkippedQueue(_FCFS, RequestQueue):  # type: ignore[misc]
    """vLLM's own FCFS queue for holders of KV memory, in front of ``scheduler.waiting``."""

    def __init__(self, scheduler: Any) -> None:
        super().__init__()
        self._scheduler = scheduler

    def add_request(self, request: Request) -> None:
        """Enter one that is blocked when it arrives."""
        if _holds_kv_blocks(request):
            super().add_request(request)
        else:
            self._scheduler.waiting.add_request(request)

    def prepend_requests(self, requests: Iterable[Request]) -> None:
        """Take back those that were skipped in a step."""
        skipped = list(requests)
        super().prepend_requests([r for r in skipped if _holds_kv_blocks(r)])
        self._scheduler.waiting.prepend_requests([r for r in skipped if not _holds_kv_blocks(r)])


def own_skipped_queue(scheduler: Any) -> None:
    """Put `SkippedQueue` in place, where vLLM has such a queue."""
    if not hasattr(scheduler, "skipped_waiting"):
        return
    skipped = SkippedQueue(scheduler)
    scheduler.skipped_waiting = skipped

    def select() -> RequestQueue:
        # vLLM asks whether a queue is empty to choose one, after it has asked that to go on: the
        # forecast would be asked twice, and might answer otherwise the second time.
        return skipped if len(skipped) else scheduler.waiting

    scheduler._select_waiting_queue_for_scheduling = select


def _holds_kv_blocks(request: Request) -> bool:
    blocked = RequestStatus.WAITING_FOR_REMOTE_KVS, RequestStatus.WAITING_FOR_STREAMING_REQ
    return request.num_computed_tokens > 0 or request.status in blocked
