"""The books of the tail promise: what each request found on arrival, and who waits, by arrival.

What is promised by them is in `amin.engine.promise`; what they say is put right as lengths become
known (`amin.engine.hindsight`). Work is KV tokens x steps (`Rates`).

Compiled, over three arrays (`new_guard`), for the simulator's loop and for the engine's. A request
is a slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amin.arrays import Floats, Ints
from amin.engine.crowd import joins_crowd, new_crowd
from amin.engine.heap import push, remove
from amin.jit import cached_njit, called_njit

# What `noted` has of each request. As of its arrival: the work done so far; the work that it found,
# which FCFS does before it; of that, the work of those who ran; how many waited, and how many were
# present; how many of its class have arrived, itself included. As is known now: the work that it is
# itself, and the time that it runs. While it waits: what is left of these two. And what has changed
# since the work found was counted, for it and for all behind it; the last row, of nobody, has the
# sum of these changes. With classes of priority there is a column of changes for each.
(
    WORK, FOUND, FOUND_RUNNING, NUM_WAITING, FOUND_PRESENT, ARRIVAL_NUMBER,
    TOTAL, RUN_TIME, EXPECTED, SERVICE, CHANGE,
) = range(11)  # fmt: skip

# Rows of `queues`: those who wait, by arrival, as a heap; what becomes of each slot; whether it is
# in the heap; its size; and the neighbours of each in the order of arrival, a ring whose end is the
# column behind all slots; the number of its class of priority; and, of all, who is looked at next,
# and who was found to be late (-1: nobody).
OLDEST, FATE, IS_QUEUED, SIZE, NEXT, PREVIOUS, LEVEL, LOOK = 0, 3, 4, 5, 6, 7, 8, 9
POINTER, LATE = range(2)
ABSENT, WAITING, RUNNING = range(3)

MOST_URGENT, LEVELS = -8, 17
"""Priorities from -8 to 8 have a promise each, and those beyond share the outermost ones: clients
name any number, and the books must not grow with them. The order is by the number itself."""

TYPICAL_OF_LATE = 0.02
"""What an arrival adds to what is typical."""

TOKENS_PER_STEP = 200.0
"""Computing so many tokens takes as long as a step takes without any: some 30 ms, and .15 ms each,
on the engines that others measured, 5.2 ms and .019 on an H200 (docs/vllm.md: 276 tokens). Traffic
of long prompts needs it; within a factor of two it is all the same (docs/design.md)."""


class Rates(NamedTuple):
    """What is work, in KV tokens x steps: a step, a computed token, a request in a step."""

    per_step: float
    per_token: float
    per_seq: float

    @classmethod
    def of(cls, capacity_tokens: int, max_num_seqs: int) -> Rates:
        """The rates of an engine that is full when its memory is or when so many requests run."""
        capacity = float(capacity_tokens)
        return cls(capacity, capacity / TOKENS_PER_STEP, capacity / max_num_seqs)


def new_guard(num_slots: int, has_priorities: bool = False) -> tuple[Floats, Ints, Floats]:
    """(noted, queues, crowd) of nobody yet."""
    num_levels = LEVELS if has_priorities else 1
    queues = np.zeros((LOOK + 1, num_slots + 2), np.int64)
    queues[[NEXT, PREVIOUS]] = num_slots
    queues[LOOK, [POINTER, LATE]] = num_slots, -1
    noted = np.zeros((num_slots + 1, CHANGE + num_levels))
    return noted, queues, new_crowd(num_levels)


def with_room(noted: Floats, queues: Ints) -> tuple[Floats, Ints]:
    """The same for twice as many slots."""
    size = len(noted) - 1
    end = 2 * size
    more_noted, more_queues, _ = new_guard(end, noted.shape[1] > CHANGE + 1)
    more_noted[:size], more_noted[end] = noted[:size], noted[size]
    more_queues[:, : size + 2] = queues
    # The ring has its end elsewhere now.
    for neighbour in (NEXT, PREVIOUS):
        row = more_queues[neighbour]
        row[end] = row[size]
        row[row == size] = end
    if more_queues[LOOK, POINTER] == size:
        more_queues[LOOK, POINTER] = end
    return more_noted, more_queues


@called_njit
def level_of(noted: Floats, priority: int) -> int:
    """The number of a priority's class, from 0 on; 0 for all where there are no classes."""
    if noted.shape[1] == CHANGE + 1:
        return 0
    return int(min(max(priority - MOST_URGENT, 0), LEVELS - 1))


class Found(NamedTuple):
    """What a request finds: all that is as urgent and before it, and of that, what runs.

    `num_waiting` and `num_running` are numbers of requests, the others work.
    """

    work: float
    running_work: float
    num_waiting: int
    num_running: int


@called_njit
def arrives(
    noted: Floats, queues: Ints, crowd: Floats, slot: int, work: float, found: Found, level: int
) -> None:
    """A new request, after so much `work`."""
    end, num_present = len(noted) - 1, found.num_waiting + found.num_running
    queues[LEVEL, slot] = level
    noted[slot, WORK], noted[slot, FOUND] = work, found.work
    noted[slot, FOUND_RUNNING], noted[slot, NUM_WAITING] = found.running_work, found.num_waiting
    noted[slot, FOUND_PRESENT] = num_present
    noted[slot, ARRIVAL_NUMBER] = joins_crowd(crowd, level, found.work, num_present)
    # What has changed before it came is in what it finds.
    for column in range(CHANGE, noted.shape[1]):
        noted[slot, column], noted[end, column] = -noted[end, column], 0.0
    last = queues[PREVIOUS, end]
    queues[NEXT, slot], queues[PREVIOUS, slot] = end, last
    queues[NEXT, last] = queues[PREVIOUS, end] = slot


@cached_njit
def waits(queues: Ints, slot: int, arrival: int, level: int) -> None:
    """It waits, for the first time or again; smaller `arrival` came earlier."""
    queues[FATE, slot] = WAITING
    if not queues[IS_QUEUED, slot]:
        queues[IS_QUEUED, slot] = 1
        push(queues[OLDEST:FATE], queues[SIZE, 0], level, arrival, slot)
        queues[SIZE, 0] += 1


@called_njit
def ends(noted: Floats, queues: Ints, slot: int, total: float) -> None:
    """The request is gone; `total` is what it was, of what others wait for."""
    queues[FATE, slot] = ABSENT
    before, after = queues[PREVIOUS, slot], queues[NEXT, slot]
    queues[NEXT, before], queues[PREVIOUS, after] = after, before
    if queues[LOOK, POINTER] == slot:
        queues[LOOK, POINTER] = after
    if queues[LOOK, LATE] == slot:
        queues[LOOK, LATE] = -1
    end, more = len(noted) - 1, total - noted[slot, TOTAL]
    own = CHANGE + queues[LEVEL, slot]
    for column in range(CHANGE, noted.shape[1]):
        more_here = more if column == own else 0.0
        if after < end:
            noted[after, column] += noted[slot, column] + more_here
            noted[end, column] += more_here
        else:
            noted[end, column] -= noted[slot, column]


@cached_njit
def forget(queues: Ints, slot: int) -> None:
    """The slot of a request that ended may be used again."""
    if queues[IS_QUEUED, slot]:
        queues[IS_QUEUED, slot] = 0
        remove(queues[OLDEST:FATE], queues[SIZE, 0], slot)
        queues[SIZE, 0] -= 1
