"""The waiting queue in the policy's order, which ends where the memory forecast says so.

vLLM admits from the head of ``scheduler.waiting`` until the queue is empty or the head does not
fit (vllm/v1/core/sched/scheduler.py, Scheduler.schedule). This queue reports itself empty as soon
as its head must not be admitted: no code of vLLM's loop is copied or overridden.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from amin.engine.vllm.seam import Request, RequestQueue

Entry = tuple[int, int, Request]
"""(the policy's key, arrival index, request); the arrival index is unique."""


class PolicyQueue(RequestQueue):  # type: ignore[misc]
    """A heap by (key, arrival). Removal is lazy: a removed entry is dropped when it surfaces.

    key          request -> (policy key, arrival index), asked when the request enters
    is_admissible  request -> whether it may be admitted now, asked of the head by ``bool(queue)``
    overdue      () -> who goes next whatever its key, or None
    leaves       request -> None, told of each that waits no longer
    """

    def __init__(
        self,
        key: Callable[[Request], tuple[int, int]],
        is_admissible: Callable[[Request], bool],
        overdue: Callable[[], Request | None] = lambda: None,
        leaves: Callable[[Request], None] = lambda request: None,
    ) -> None:
        self._overdue = overdue
        self._leaves = leaves
        self._key = key
        self._is_admissible = is_admissible
        self._heap: list[Entry] = []
        self._head: Request | None = None
        self._live: dict[str, Entry] = {}

    def begin_step(self) -> None:
        """Look anew who is overdue: vLLM asks for the head three times to admit it."""
        self._head = None

    def add_request(self, request: Request) -> None:
        """Enter at the place that the policy gives."""
        self._head = None
        entry = (*self._key(request), request)
        self._live[request.request_id] = entry
        heapq.heappush(self._heap, entry)

    def pop_request(self) -> Request:
        """Remove and return the head; raises IndexError if nothing waits."""
        request = self.peek_request()
        self._drop(request)
        return request

    def peek_request(self) -> Request:
        """The head; raises IndexError if nothing waits."""
        if self._head is None:
            if not self._live:
                raise IndexError("peek from an empty queue")
            self._head = self._overdue() or self._first()
        return self._head

    def reorder(self, request: Request) -> None:
        """Move one whose key has changed to its place; nothing happens if it does not wait."""
        if request.request_id in self._live:
            self.add_request(request)

    def prepend_request(self, request: Request) -> None:
        """Re-enter after a preemption or a skip: the policy's order holds for these too."""
        self.add_request(request)

    def prepend_requests(self, requests: Iterable[Request]) -> None:
        """`prepend_request` for each."""
        for request in requests:
            self.add_request(request)

    def remove_request(self, request: Request) -> None:
        """Remove one that waits; nothing happens if it does not."""
        if request.request_id in self._live:
            self._drop(request)

    def remove_requests(self, requests: Iterable[Request]) -> None:
        """`remove_request` for each."""
        for request in requests:
            self.remove_request(request)

    def _first(self) -> Request:
        heap = self._heap
        while self._live.get(heap[0][2].request_id) is not heap[0]:
            heapq.heappop(heap)
        return heap[0][2]

    def _drop(self, request: Request) -> None:
        self._head = None
        del self._live[request.request_id]
        self._leaves(request)
        # Aborts and those who are overdue must not make the heap grow without bound; rebuilding at
        # half waste is O(1) each.
        if len(self._heap) > 2 * len(self._live) + 64:
            self._heap = list(self._live.values())
            heapq.heapify(self._heap)

    def __bool__(self) -> bool:
        """Whether the head may be admitted now (not whether anything waits: see ``len``)."""
        return bool(self._live) and self._is_admissible(self.peek_request())

    def __len__(self) -> int:
        """How many wait."""
        return len(self._live)

    def __iter__(self) -> Iterator[Request]:
        """All that wait, in the policy's order."""
        return (request for _, _, request in sorted(self._live.values(), key=lambda e: e[:2]))
