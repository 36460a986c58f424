"""The waiting queue in the policy's order, which ends where the memory forecast says so.

vLLM admits from the head of ``scheduler.waiting`` until the queue is empty or the head does not
fit (vllm/v1/core/sched/scheduler.py, Scheduler.schedule). This queue reports itself empty as soon
as its head must not be admitted: no code of vLLM's loop is copied or overridden.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from amin.engine.vllm.seam import Request, RequestQueue

Key = tuple[int, int, int]
"""(priority, the policy's key, arrival); the arrival is unique. Smallest first."""

Entry = tuple[int, int, int, Request]
IsAlike = Callable[[Request], bool]


def _nothing(about: object) -> None:
    """Nobody is told, and nobody hidden."""


def _nobody(head: Request) -> Request | None:
    """No promise is made."""
    return None


class PolicyQueue(RequestQueue):  # type: ignore[misc]
    """A heap of entries. Removal is lazy: a removed entry is dropped when it surfaces.

    key            request -> `Key`, asked when the request enters
    is_admissible  request -> whether it may be admitted now, asked of the head by ``bool(queue)``
    due            the request with the smallest key -> who goes next in its place, or None
    leaves         request -> None, told of each that waits no longer
    returns        request -> None, told of each that left in this step and waits on unchanged
    hides          request -> of one that vLLM took and skipped, or None: who else would be skipped
                   for the same reason. These are not offered in the rest of this step
    hidden, shown  requests -> None, told of those, and of them again when the next step begins
    """

    def __init__(
        self,
        key: Callable[[Request], Key],
        is_admissible: Callable[[Request], bool],
        due: Callable[[Request], Request | None] = _nobody,
        leaves: Callable[[Request], None] = _nothing,
        returns: Callable[[Request], None] = _nothing,
        hides: Callable[[Request], IsAlike | None] = _nothing,
        hidden: Callable[[list[Request]], None] = _nothing,
        shown: Callable[[list[Request]], None] = _nothing,
    ) -> None:
        self._key = key
        self._is_admissible = is_admissible
        self._due = due
        self._leaves = leaves
        self._returns = returns
        self._hides = hides
        self._tell_hidden = hidden
        self._tell_shown = shown
        self._heap: list[Entry] = []
        self._head: Request | None = None
        # By request id: who can be offered, who is not in this step, and who left in this step.
        self._live: dict[str, Entry] = {}
        self._hidden: dict[str, Entry] = {}
        self._popped: dict[str, Entry] = {}
        self._latest: Request | None = None

    def begin_step(self) -> None:
        """Look anew who is next: vLLM asks for the head three times to admit it."""
        self._head = self._latest = None
        self._popped.clear()
        if self._hidden:
            self._tell_shown([entry[-1] for entry in self._hidden.values()])
            self._live |= self._hidden
            self._hidden = {}
            self._rebuild()

    def add_request(self, request: Request) -> None:
        """Enter at the place that the policy gives."""
        self._enter((*self._key(request), request))

    def pop_request(self) -> Request:
        """Remove and return the head; raises IndexError if nothing waits."""
        request = self.peek_request()
        self._popped[request.request_id] = self._live[request.request_id]
        self._latest = request
        self._drop(request)
        return request

    def peek_request(self) -> Request:
        """The head; raises IndexError if nothing waits."""
        head = self._find()
        if head is None:
            raise IndexError("peek from an empty queue")
        return head

    def reorder(self, request: Request) -> None:
        """Move one whose key has changed to its place; nothing happens if it does not wait."""
        if request.request_id in self._live:
            self.add_request(request)

    def prepend_request(self, request: Request) -> None:
        """Re-enter after a preemption: the policy's order holds for these too."""
        self._popped.pop(request.request_id, None)
        self.add_request(request)

    def prepend_requests(self, requests: Iterable[Request]) -> None:
        """Take back those that vLLM took in this step and skipped: to the places they had."""
        for request in requests:
            entry = self._popped.pop(request.request_id, None)
            if entry is None:
                self.add_request(request)
            else:
                self._enter(entry)
                self._returns(request)

    def remove_request(self, request: Request) -> None:
        """Remove one that waits; nothing happens if it does not."""
        if request.request_id in self._live:
            self._drop(request)
        elif self._hidden.pop(request.request_id, None) is not None:
            self._leaves(request)

    def remove_requests(self, requests: Iterable[Request]) -> None:
        """`remove_request` for each."""
        for request in requests:
            self.remove_request(request)

    def _enter(self, entry: Entry) -> None:
        self._head = None
        self._live[entry[-1].request_id] = entry
        heapq.heappush(self._heap, entry)

    def _find(self) -> Request | None:
        """Who is next of those that can be offered."""
        if self._head is None:
            if self._latest is not None:
                is_alike = self._hides(self._latest)
                self._latest = None
                if is_alike:
                    self._hide(is_alike)
            self._head = self._next()
        return self._head

    def _next(self) -> Request | None:
        if not self._live:
            return None
        heap = self._heap
        while self._live.get(heap[0][-1].request_id) is not heap[0]:
            heapq.heappop(heap)
        head = heap[0][-1]
        due = self._due(head)
        return due if due is not None and due.request_id in self._live else head

    def _hide(self, is_alike: IsAlike) -> None:
        alike = {
            request_id: entry for request_id, entry in self._live.items() if is_alike(entry[-1])
        }
        for request_id in alike:
            del self._live[request_id]
        self._hidden |= alike
        self._tell_hidden([entry[-1] for entry in alike.values()])
        self._rebuild()

    def _drop(self, request: Request) -> None:
        self._head = None
        del self._live[request.request_id]
        self._leaves(request)
        # Aborts and those who are overdue must not make the heap grow without bound; rebuilding at
        # half waste is O(1) each.
        if len(self._heap) > 2 * len(self._live) + 64:
            self._rebuild()

    def _rebuild(self) -> None:
        self._heap = list(self._live.values())
        heapq.heapify(self._heap)

    def __bool__(self) -> bool:
        """Whether the head may be admitted now (not whether anything waits: see ``len``)."""
        head = self._find()
        return head is not None and self._is_admissible(head)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._live) + len(self._hidden)

    def __iter__(self) -> Iterator[Request]:
        """All that wait, in the policy's order."""
        entries = [*self._live.values(), *self._hidden.values()]
        return (entry[-1] for entry in sorted(entries, key=lambda entry: entry[:-1]))
