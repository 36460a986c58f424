"""The tail promise inside vLLM: the books of `amin.engine.promise`, kept by request."""

from __future__ import annotations

from typing import Any

import numpy as np

from amin.arrays import Ints
from amin.engine.hindsight import (
    Books,
    enters,
    expect_waiting,
    found_by,
    is_known,
    is_recount_due,
    recount,
    remaining_work,
    wait_again,
    waits_with,
)
from amin.engine.promise import look_further, overdue, where_shared
from amin.engine.promise_books import (
    EXPECTED,
    FATE,
    FOUND,
    NEXT,
    PREVIOUS,
    RUN_TIME,
    RUNNING,
    SIZE,
    WORK,
    Found,
    Rates,
    forget,
    level_of,
    new_guard,
    with_room,
)
from amin.engine.rows import NUM_OUTPUT
from amin.engine.vllm import seam
from amin.engine.vllm.ledger import Ledger


class TailGuard:
    """Who waits, what each request found on arrival, and who is overdue.

    `promise` as in `amin.engine.promise`; `capacity_tokens` is what the cache
    holds at once, and `max_num_seqs` how many requests may run. With `has_priorities`, requests
    have classes of priority.
    """

    def __init__(
        self,
        ledger: Ledger,
        promise: float,
        capacity_tokens: int,
        max_num_seqs: int,
        has_priorities: bool = False,
    ) -> None:
        self._ledger = ledger
        # As given, and as it holds now that so much of the memory is shared.
        self._promise = self._promise_now = promise
        self._rates = self._full = Rates.of(capacity_tokens, max_num_seqs)
        self._has_priorities = has_priorities
        self._noted, self._queues, self._crowd = new_guard(len(ledger.table), has_priorities)
        self._latest_books: Books | None = None
        self._latest_flat: tuple[Any, ...] = ()
        self._waiting: dict[int, seam.Request] = {}
        self._waiting_work = 0.0
        # What is expected of those who run; None where that is to be reckoned anew.
        self._running_work: float | None = None
        self._work = 0.0
        self._num_ended = 0
        self._compile()

    @property
    def work_done(self) -> float:
        """By all steps so far, on the promise's clock."""
        return self._work

    @property
    def waiting_work(self) -> float:
        """What is expected of those who wait, on the same clock."""
        return self._waiting_work

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in the books."""
        end = len(self._noted) - 1
        nobody = self._queues[NEXT, end] == end
        return nobody and not (self._waiting or self._waiting_work or self._queues[SIZE, 0])

    def arrived(
        self, request: seam.Request, running: list[seam.Request], waits_at_once: bool
    ) -> None:
        """A new request: note what it finds, and where it waits at once, that it waits."""
        if len(self._noted) <= len(self._ledger.table):
            self._noted, self._queues = with_room(self._noted, self._queues)
        slot, books, work = request.amin_slot, self._books(), self._work
        if self._has_priorities:
            level = level_of.py_func(self._noted, request.priority)
            found = found_by(books, *_those_who_run(running), level)
            expected = enters(*self._latest_flat, slot, work, *found, waits_at_once)
        else:
            if self._running_work is None:
                self._running_work = remaining_work(books, *_those_who_run(running))
            of_all, of_running = self._waiting_work + self._running_work, self._running_work
            expected = enters(
                *self._latest_flat, slot, work,
                of_all, of_running, len(self._waiting), len(running), waits_at_once,
            )  # fmt: skip
        if waits_at_once:
            self._waiting[slot] = request
            self._waiting_work += expected

    def arrived_in_vain(self, request: seam.Request) -> None:
        """Noting its arrival has failed, maybe after it was noted here: then it is taken out.

        In the ring twice, it would come before itself, and whoever walks along it would not return.
        """
        slot = request.amin_slot
        if self._queues[PREVIOUS, self._queues[NEXT, slot]] == slot:
            self.ended(request)

    def waits(self, request: seam.Request) -> None:
        """It waits, for the first time or again, or something about it has changed.

        Its row is written, too, as `Ledger.waits` does.
        """
        slot = request.amin_slot
        self._drop(slot)
        self._waiting[slot] = request
        tokens = request.num_prompt_tokens, request.num_output_tokens
        self._books()
        self._waiting_work += waits_with(*self._latest_flat, slot, *tokens)

    def leaves(self, request: seam.Request) -> None:
        """It waits no longer."""
        self._drop(request.amin_slot)
        self._queues[FATE, request.amin_slot] = RUNNING

    def returns(self, request: seam.Request) -> None:
        """It waits on, as it did before it left in this step: nothing about it has changed."""
        slot = request.amin_slot
        self._waiting[slot] = request
        self._waiting_work += float(self._noted[slot, EXPECTED])
        wait_again(self._books(), np.array([slot], np.int64))

    def hidden(self, requests: list[seam.Request]) -> None:
        """They wait on, but none of them can be next in this step."""
        self._queues[FATE, [request.amin_slot for request in requests]] = RUNNING

    def shown(self, requests: list[seam.Request]) -> None:
        """They can be next again."""
        slots = np.array([request.amin_slot for request in requests], np.int64)
        wait_again(self._books(), slots)

    def running_changed(self) -> None:
        """Who runs, how far they are or what is known of them may have changed."""
        self._running_work = None

    def ended(self, request: seam.Request) -> None:
        """It is gone, and its slot free."""
        slot = request.amin_slot
        self._drop(slot)
        is_known(self._books(), slot, request.num_output_tokens)
        forget(self._queues, slot)
        self._num_ended += 1

    def learned(self, running: list[seam.Request]) -> None:
        """More is known of lengths: what FCFS would do for those present is counted again."""
        if is_recount_due(len(self._waiting) + len(running), self._num_ended):
            self._num_ended = 0
            slots, made, _ = _those_who_run(running)
            self._ledger.table[slots, NUM_OUTPUT] = made
            self._waiting_work += recount(self._books())

    def costs_otherwise(self, request: seam.Request) -> None:
        """It waits, and the prefix cache holds more or less of its prompt than before."""
        slot = request.amin_slot
        if slot in self._waiting:
            before = float(self._noted[slot, EXPECTED])
            self._waiting_work += expect_waiting(self._books(), slot) - before

    def worked(
        self, num_own_tokens: int, num_shared: int, num_running: int, num_computed_tokens: int
    ) -> None:
        """A step runs: tokens of KV in use, without those that were found in the cache, and these,
        requests, and tokens that it computes."""
        if self._full.per_step - num_shared != self._rates.per_step:
            capacity = self._full.per_step
            self._rates = self._full._replace(per_step=capacity - num_shared)
            self._promise_now = float(where_shared.py_func(self._promise, num_shared, capacity))
            self._latest_books = None
        in_seqs = self._rates.per_seq * num_running
        self._work += max(num_own_tokens, in_seqs) + self._rates.per_token * num_computed_tokens
        look_further(self._noted, self._queues, self._work, self._promise_now)

    def overdue(self) -> seam.Request | None:
        """Who goes next whatever the policy says; mostly None."""
        slot = overdue(self._noted, self._queues, self._crowd, self._work, self._promise_now)
        return self._waiting[slot] if slot >= 0 else None

    def seconds_by_fcfs(self, request: seam.Request, waited: float) -> float | None:
        """After how long FCFS would have ended it, if work goes on as since it came, so long ago.

        In seconds; None where nothing has been done since.
        """
        noted = self._noted[request.amin_slot]
        done = self._work - float(noted[WORK])
        if done <= 0.0 or waited <= 0.0:
            return None
        return float(noted[FOUND] + noted[RUN_TIME]) * waited / done

    def _books(self) -> Books:
        ledger, lengths, books = self._ledger, self._ledger.lengths, self._latest_books
        if books is None or books.table is not ledger.table or books.noted is not self._noted:
            books = Books(
                *(ledger.table, ledger.groups, lengths.survival, lengths.gains),
                *(self._noted, self._queues, self._crowd, self._rates),
            )
            self._latest_books, self._latest_flat = books, books.flat
        return books

    def _drop(self, slot: int) -> None:
        if self._waiting.pop(slot, None) is not None:
            self._waiting_work -= float(self._noted[slot, EXPECTED])

    def _compile(self) -> None:
        """Now, not in the first step under load: a request comes and goes in books of its own."""
        noted, queues, crowd = new_guard(1, self._has_priorities)
        books = self._books()._replace(noted=noted, queues=queues, crowd=crowd)
        nobody = np.zeros(0, np.int64)
        found = Found(0.0, remaining_work(books, nobody, nobody, nobody), 0, 0)
        enters(*books.flat, 0, 0.0, *found, False)
        found_by(books, nobody, nobody, nobody, 0)
        wait_again(books, nobody)
        waits_with(*books.flat, 0, 1, 0)
        look_further(noted, queues, 0.0, self._promise)
        overdue(noted, queues, crowd, 0.0, self._promise)
        if is_recount_due(1, 1):
            recount(books)
        is_known(books, 0, 1)
        forget(queues, 0)
        expect_waiting(books, 0)


def _those_who_run(running: list[seam.Request]) -> tuple[Ints, Ints, Ints]:
    """Their slots, tokens made, and tokens known but not computed."""
    slots = np.array([request.amin_slot for request in running], np.int64)
    made = np.array([request.num_output_tokens for request in running], np.int64)
    uncomputed = [request.num_tokens - request.num_computed_tokens for request in running]
    return slots, made, np.array(uncomputed, np.int64)
