"""The tail promise inside vLLM: the books of `amin.engine.promise`, kept by request."""

from __future__ import annotations

import math

from amin.engine.expectation import expected_work
from amin.engine.promise import (
    EXPECTED,
    FATE,
    RUNNING,
    SIZES,
    Rates,
    arrives,
    forget,
    new_guard,
    overdue,
    waits,
)
from amin.engine.rows import MAX_TOKENS, NUM_OUTPUT, NUM_PROMPT
from amin.engine.vllm import seam
from amin.engine.vllm.ledger import Ledger
from amin.predictor.choice import learned_group
from amin.predictor.survival import remaining


class TailGuard:
    """Who waits, what each request found on arrival, and who is overdue.

    `promise` as in `amin.engine.promise`; `capacity_tokens` is what the cache holds at once, and
    `max_num_seqs` how many requests may run.
    """

    def __init__(
        self, ledger: Ledger, promise: float, capacity_tokens: int, max_num_seqs: int
    ) -> None:
        self._ledger = ledger
        self._promise = promise
        self._capacity = capacity_tokens
        self._rates = Rates.of(capacity_tokens, max_num_seqs)
        self._noted, self._queues = new_guard(len(ledger.table))
        self._waiting: dict[int, seam.Request] = {}
        self._waiting_work = 0.0
        self._work = 0.0
        # Compile now, not in the first step under load.
        overdue(self._noted, self._queues, 0.0, promise)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in the books."""
        return not self._waiting and not self._waiting_work and not self._queues[SIZES, :2].any()

    def arrived(self, request: seam.Request, running: list[seam.Request]) -> None:
        """A new request, before it waits: note what it finds."""
        ledger, slot = self._ledger, request.amin_slot
        self._make_room()
        group, limit = self._group(slot), int(ledger.table[slot, MAX_TOKENS])
        mean, _ = remaining(ledger.lengths.survival, group, 0, limit)
        backlog = self._waiting_work + self._expected(slot, 0) + mean * self._capacity
        for other in running:
            uncomputed = other.num_tokens - other.num_computed_tokens
            backlog += self._of(other.amin_slot, other.num_output_tokens, uncomputed)
        arrives(self._noted, self._queues, slot, self._work, backlog)

    def waits(self, request: seam.Request) -> None:
        """It waits, for the first time or again, or something about it has changed."""
        slot = request.amin_slot
        self._drop(slot)
        work = self._expected(slot, int(self._ledger.table[slot, NUM_OUTPUT]))
        self._waiting[slot] = request
        self._noted[slot, EXPECTED] = work
        self._waiting_work += work
        waits(self._queues, slot, self._ledger.arrival_index(slot))

    def leaves(self, request: seam.Request) -> None:
        """It waits no longer."""
        self._drop(request.amin_slot)
        self._queues[FATE, request.amin_slot] = RUNNING

    def ended(self, request: seam.Request) -> None:
        """It is gone, and its slot free."""
        self._drop(request.amin_slot)
        forget(self._queues, request.amin_slot)

    def worked(self, num_kv_tokens: int, num_running: int, num_computed_tokens: int) -> None:
        """A step runs: tokens of KV in use, requests, and tokens that it computes."""
        in_seqs = self._rates.per_seq * num_running
        self._work += max(num_kv_tokens, in_seqs) + self._rates.per_token * num_computed_tokens

    def overdue(self) -> seam.Request | None:
        """Who goes next whatever the policy says; mostly None."""
        slot = overdue(self._noted, self._queues, self._work, self._promise)
        return self._waiting[slot] if slot >= 0 else None

    def _group(self, slot: int) -> int:
        ledger = self._ledger
        lengths = ledger.lengths
        return int(learned_group(lengths.survival, ledger.groups, lengths.gains, slot))

    def _expected(self, slot: int, made: int) -> float:
        """The work of one that waits, all of whose tokens are to be computed.

        A whole number, so that what is added and taken away in any order is exact.
        """
        num_prompt_tokens = int(self._ledger.table[slot, NUM_PROMPT])
        return math.floor(self._of(slot, made, num_prompt_tokens + made))

    def _of(self, slot: int, made: int, uncomputed: int) -> float:
        row = self._ledger.table[slot]
        prompt, limit = int(row[NUM_PROMPT]), int(row[MAX_TOKENS])
        survival = self._ledger.lengths.survival
        group = self._group(slot)
        return float(expected_work(survival, group, prompt, made, limit, uncomputed, *self._rates))

    def _drop(self, slot: int) -> None:
        if self._waiting.pop(slot, None) is not None:
            self._waiting_work -= float(self._noted[slot, EXPECTED])

    def _make_room(self) -> None:
        size = len(self._ledger.table)
        if len(self._noted) < size:
            noted, queues = new_guard(size)
            noted[: len(self._noted)] = self._noted
            # The last two columns are room for the heaps and the sizes, not slots.
            queues[:, : self._queues.shape[1]] = self._queues
            self._noted, self._queues = noted, queues
