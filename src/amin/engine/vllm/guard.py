"""The tail promise inside vLLM: the books of `amin.engine.promise`, kept by request."""

from __future__ import annotations

from amin.engine.expectation import running_volume, waiting_volume
from amin.engine.promise import (
    FATE,
    RUNNING,
    SIZES,
    arrives,
    forget,
    new_guard,
    overdue,
    waits,
)
from amin.engine.rows import MEAN_REMAINING
from amin.engine.vllm import seam
from amin.engine.vllm.ledger import Ledger


class TailGuard:
    """Who waits, what each request found on arrival, and who is overdue.

    `promise` as in `amin.engine.promise`; `capacity_tokens` is what the cache holds at once.
    """

    def __init__(self, ledger: Ledger, promise: float, capacity_tokens: int) -> None:
        self._ledger = ledger
        self._promise = promise
        self._capacity = capacity_tokens
        self._noted, self._queues = new_guard(len(ledger.table))
        self._waiting: dict[int, tuple[seam.Request, int]] = {}
        self._waiting_volume = 0
        self._work = 0.0
        # Compile now, not in the first step under load.
        overdue(self._noted, self._queues, 0.0, promise)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in the books."""
        return not self._waiting and not self._waiting_volume and not self._queues[SIZES, :2].any()

    def arrived(self, request: seam.Request, running: list[seam.Request]) -> None:
        """A new request, before it waits: note what it finds."""
        ledger, slot = self._ledger, request.amin_slot
        self._make_room()
        own = waiting_volume(ledger.table, slot)
        backlog = float(
            self._waiting_volume + own + int(ledger.table[slot, MEAN_REMAINING]) * self._capacity
        )
        for other in running:
            held = other.amin_slot
            backlog += running_volume(
                ledger.table, ledger.lengths.survival, ledger.group(held), held,
                other.num_output_tokens,
            )  # fmt: skip
        arrives(self._noted, self._queues, slot, self._work, backlog)

    def waits(self, request: seam.Request) -> None:
        """It waits, for the first time or again, or something about it has changed."""
        slot = request.amin_slot
        self._drop(slot)
        volume = int(waiting_volume(self._ledger.table, slot))
        self._waiting[slot] = request, volume
        self._waiting_volume += volume
        waits(self._queues, slot, self._ledger.arrival_index(slot))

    def leaves(self, request: seam.Request) -> None:
        """It waits no longer."""
        self._drop(request.amin_slot)
        self._queues[FATE, request.amin_slot] = RUNNING

    def ended(self, request: seam.Request) -> None:
        """It is gone, and its slot free."""
        self._drop(request.amin_slot)
        forget(self._queues, request.amin_slot)

    def worked(self, num_tokens: int) -> None:
        """A step ran with so many tokens of KV in use."""
        self._work += num_tokens

    def overdue(self) -> seam.Request | None:
        """Who goes next whatever the policy says; mostly None."""
        slot = overdue(self._noted, self._queues, self._work, self._promise)
        return self._waiting[slot][0] if slot >= 0 else None

    def _drop(self, slot: int) -> None:
        _, volume = self._waiting.pop(slot, (None, 0))
        self._waiting_volume -= volume

    def _make_room(self) -> None:
        size = len(self._ledger.table)
        if len(self._noted) < size:
            noted, queues = new_guard(size)
            noted[: len(self._noted)] = self._noted
            # The last two columns are room for the heaps and the sizes, not slots.
            queues[:, : self._queues.shape[1]] = self._queues
            self._noted, self._queues = noted, queues
