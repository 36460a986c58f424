"""What the policy is told of each request: one row of integers from arrival to the end.

Rows live in one table that compiled rules run over, so that a step costs a few microseconds
whatever the policy, and nothing is ever recomputed for the requests that merely wait.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from amin.arrays import row_writer
from amin.engine.expectation import expect_slot
from amin.engine.rows import (
    ADMISSION,
    ARRIVAL_INDEX,
    BOUND,
    LOWER,
    MAX_TOKENS,
    NUM_CACHED,
    NUM_COMPUTED,
    NUM_OUTPUT,
    NUM_PREEMPTIONS,
    NUM_PROMPT,
    PRIORITY_LIMIT,
    UPPER,
    bounded,
    hold_nothing,
)
from amin.jit import cached_njit
from amin.policy.compiled import NUM_COLUMNS, Slots, Table
from amin.policy.interface import Policy, lower_bound
from amin.predictor.features import FEATURES
from amin.predictor.lengths import LearnedLengths
from amin.request import LengthEstimate, Request, RequestView

# Uncompiled: it is asked about one request, with Python's integers.
_bounded = bounded.py_func

_write_facts, _write_groups = row_writer(NUM_COLUMNS), row_writer(len(FEATURES))


class Ledger:
    """The rows of all requests that an engine knows, waiting or running.

    `capacity_tokens` is the longest sequence that the cache can hold at all; `lengths` says what is
    expected to remain. Beside the table, by slot: `ties` breaks equal preemption keys, `shared`
    counts the blocks of the request's prefix that another request counts, `in_flight` its tokens
    that a step under way computes, `groups` says by each feature whom its length is learned with.
    """

    def __init__(
        self,
        policy: Policy,
        capacity_tokens: int,
        seed: int,
        lengths: LearnedLengths,
    ) -> None:
        self._policy = policy
        self._capacity_tokens = capacity_tokens
        self._random = random.Random(seed)
        self.lengths = lengths
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._num_arrivals = 0
        self._num_admissions = 0
        self.table: Table = np.zeros((256, len(RequestView._fields)), np.int64)
        # Compile now, not in the first step under load.
        self.running([], [])
        self.ties: npt.NDArray[np.float64] = np.zeros(256)
        self.shared: npt.NDArray[np.int64] = np.zeros(256, np.int64)
        self.in_flight: npt.NDArray[np.int64] = np.zeros(256, np.int64)
        self.groups: npt.NDArray[np.int64] = np.zeros((256, len(FEATURES)), np.int64)
        hold_nothing(self.table, 0, 0, 0)
        self._expect(0)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._slots

    def __len__(self) -> int:
        return len(self._slots)

    def open(self, request: Request, estimate: LengthEstimate, groups: Sequence[int]) -> int:
        """Start the row of a request that arrives; returns its slot."""
        slot = self._new_slot()
        self._slots[request.request_id] = slot
        _write_groups(self.groups, slot, groups)
        if estimate.upper > request.max_tokens:
            estimate = estimate.clamp(request.max_tokens)
        priority = request.priority
        if not -PRIORITY_LIMIT <= priority <= PRIORITY_LIMIT:
            priority = PRIORITY_LIMIT if priority > 0 else -PRIORITY_LIMIT
        arrival, self._num_arrivals = self._num_arrivals, self._num_arrivals + 1
        # By the columns of `RequestView`; what is expected of it is written when it begins to wait.
        facts = request.num_prompt_tokens, 0, 0, request.max_tokens, estimate.lower, estimate.upper
        row = [*facts, 1, priority, arrival, -1, 0, 1, 1, 0]
        row[BOUND] = self._initial_bound(row)
        _write_facts(self.table, slot, row)
        self.ties[slot] = self._random.random()
        self.shared[slot] = 0
        return slot

    def predict(self, request_id: str, estimate: LengthEstimate) -> None:
        """A prediction has come after the arrival: believe it, and what was learned since."""
        row = self.table[self._slots[request_id]]
        estimate = estimate.clamp(int(row[MAX_TOKENS]))
        row[LOWER], row[UPPER], row[BOUND] = estimate.lower, estimate.upper, 1
        row[BOUND] = self._initial_bound(row.tolist())
        if row[NUM_PREEMPTIONS]:
            self._learn(request_id)

    def close(self, request_id: str) -> None:
        """Drop the row of a request that ended."""
        slot = self._slots.pop(request_id, None)
        if slot is not None:
            self._free.append(slot)

    def slot(self, request_id: str) -> int:
        """The row's index in `table`, `ties`, `shared` and `in_flight`."""
        return self._slots[request_id]

    def view(self, request_id: str) -> RequestView:
        """What the policy sees of the request now."""
        return self.view_of(self._slots[request_id])

    def view_of(self, slot: int) -> RequestView:
        """`view`, by slot."""
        return RequestView._make(self.table[slot].tolist())

    def arrival_of(self, slot: int) -> int:
        """Its number in the order of arrival."""
        return int(self.table[slot, ARRIVAL_INDEX])

    def cached(self, slot: int, num_tokens: int) -> bool:
        """The prefix cache holds so many tokens of its prompt; returns whether that is news."""
        row = self.table[slot]
        is_news = bool(row[NUM_CACHED] != num_tokens)
        row[NUM_CACHED] = num_tokens
        return is_news

    def num_cached(self, slot: int) -> int:
        """Tokens of its prompt that the prefix cache held when that was last looked up."""
        return int(self.table[slot, NUM_CACHED])

    def waits(self, slot: int, num_prompt_tokens: int, num_output_tokens: int) -> None:
        """The request waits (again), holding no memory. Output may still arrive while it does."""
        hold_nothing(self.table, slot, num_prompt_tokens, num_output_tokens)
        self._expect(slot)

    def preempted(self, request_id: str, num_output_tokens: int) -> None:
        """The request is about to lose its memory: let the policy learn from what it made."""
        row = self.table[self._slots[request_id]]
        row[NUM_OUTPUT] = num_output_tokens
        self._learn(request_id)
        row[NUM_PREEMPTIONS] += 1

    def running(self, slots: Sequence[int], num_computed_tokens: Sequence[int]) -> Slots:
        """Bring the rows of the running requests up to date; returns their slots as an array.

        Given by slot, since 256 look-ups by id cost more than all the rest of a step's forecast. A
        running request that was not seen running before gets the next admission index.
        """
        array = np.array(slots, np.int64)
        computed = np.array(num_computed_tokens, np.int64)
        self._num_admissions = _update_running(self.table, array, computed, self._num_admissions)
        return array

    def _expect(self, slot: int) -> None:
        lengths = self.lengths
        expect_slot(self.table, lengths.survival, self.groups, lengths.gains, slot)

    def _learn(self, request_id: str) -> None:
        view = self.view(request_id)
        limits = view.max_tokens, view.num_prompt_tokens, self._capacity_tokens
        bound = _bounded(int(self._policy.learn(view)), view.bound, *limits)
        self.table[self._slots[request_id], BOUND] = bound

    def _initial_bound(self, row: list[int]) -> int:
        if self._policy.initial_bound is lower_bound:
            # Most policies': one is asked for at each arrival, and a view costs as much as a row.
            bound = row[LOWER]
        else:
            bound = int(self._policy.initial_bound(RequestView._make(row)))
        limits = row[MAX_TOKENS], row[NUM_PROMPT], self._capacity_tokens
        return int(_bounded(bound, row[BOUND], *limits))

    def _new_slot(self) -> int:
        if not self._free:
            size = len(self.table)
            used = len(self._slots)
            if used == size:
                self.table = np.vstack([self.table, np.zeros_like(self.table)])
                self.ties = np.concatenate([self.ties, np.zeros_like(self.ties)])
                self.shared = np.concatenate([self.shared, np.zeros_like(self.shared)])
                self.in_flight = np.concatenate([self.in_flight, np.zeros_like(self.in_flight)])
                self.groups = np.vstack([self.groups, np.zeros_like(self.groups)])
            return used
        return self._free.pop()


@cached_njit
def _update_running(table: Table, slots: Slots, computed: Slots, next_admission: int) -> int:
    for i in range(slots.size):
        row = table[slots[i]]
        row[NUM_COMPUTED] = computed[i]
        # The token after the computed ones is sampled but not yet in memory. While the prompt (or
        # a preempted request's own output) is still being computed, nothing new was sampled.
        row[NUM_OUTPUT] = max(row[NUM_OUTPUT], computed[i] + 1 - row[NUM_PROMPT])
        if row[ADMISSION] < 0:
            row[ADMISSION] = next_admission
            next_admission += 1
    return next_admission
