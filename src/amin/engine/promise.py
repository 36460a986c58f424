"""The tail promise: a guard over any policy, so that nobody is passed for ever.

Time is work: the sum over steps of the KV tokens in use, or of the share of the running requests in
`max_num_seqs` where that is more, and for each token computed what it costs beside (`Rates`). On
arrival a request notes the work done so far and what FCFS would do until it ends: the work of all
present, and the time that it runs itself. That is an estimate, put right as lengths become known
(`amin.engine.hindsight`). Who has waited longest goes next, whatever the policy's order, once it
would otherwise end after more than `promise` times the largest such number of anybody present. In
words: nobody takes longer than X times what the worst-off request present would have taken under
FCFS. The one that has waited longest is not asked to wait longer than 8X times what it would have
taken itself either.

With classes of priority (`LEVELS`) FCFS means vLLM's priority scheduling: whatever is more urgent
first, then by arrival. The promise holds within a class: of the most urgent class that waits, the
one that has waited longest goes next as above, measured by those present of its class. And it ages
across classes: the one that has waited longest of all goes ahead of every class once it would end
later than 8X times what such scheduling would have made it take, had nobody come after it.

Compiled, over two arrays, for the simulator's loop and for the engine's alike. A request is a slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from amin.engine.heap import SLOT, pop, push, remove
from amin.engine.projection import Ints
from amin.jit import cached_njit, called_njit

Floats = npt.NDArray[np.float64]

# What `noted` has of each request: the work done when it arrived, and what FCFS would do from then
# to its end; while it waits, what is expected of it, and of the time that it will run; what it is
# of all that others wait for; its length; and what has changed, for it and for all behind it, since
# the second number was counted. The last row, of nobody, has the sum of these changes. With classes
# of priority there is a column of changes for each.
WORK, BACKLOG, EXPECTED, SERVICE, TOTAL, LENGTH, CHANGE = range(7)

# Rows of `queues`: those who wait, by arrival, and those present, by backlog, as heaps; what
# becomes of each slot; whether it is in the first heap; the sizes of both; and the neighbours of
# each in the order of arrival, a ring whose end is the column behind all slots; and the number of
# its class of priority.
OLDEST, LARGEST, FATE, IS_QUEUED, SIZES, NEXT, PREVIOUS, LEVEL = 0, 3, 6, 7, 8, 9, 10, 11
ABSENT, WAITING, RUNNING = range(3)

MOST_URGENT, LEVELS = -8, 17
"""Priorities from -8 to 8 have a promise each, and those beyond share the outermost ones: clients
name any number, and the books must not grow with them. The order is by the number itself."""

OWN_BACKLOGS = 8.0
"""Bounds starvation under lasting overload, when the largest backlog outruns the work done."""


TOKENS_PER_STEP = 200.0
"""Computing so many tokens takes as long as a step takes without any: some 30 ms, and .15 ms each,
on the engines that others measured, 5.2 ms and .019 on an H200 (docs/vllm.md: 276 tokens). Traffic
of long prompts needs it; within a factor of two it is all the same (docs/design.md)."""


CACHED = 0.9
"""FCFS preempts and computes again, which makes it slower than the estimate by about as much as the
estimate is too high. Where the blocks of a preempted request stay cached (vLLM's default), it pays
less for that, and so much of the estimate is promised (docs/default.md has the figures)."""


def of_estimate(promise: float, has_prefix_cache: bool) -> float:
    """What a `promise` in terms of FCFS is of the estimate of what FCFS would do."""
    return promise * CACHED if has_prefix_cache else promise


SHARED = 0.5
"""Where prefixes that many share take a part of the memory, FCFS finds even more of what it threw
away, and the estimate is too high by so much of that part (docs/design.md, "Prefix caching")."""


@called_njit
def where_shared(promise: float, num_shared: float, capacity: float) -> float:
    """What is promised while so many tokens of the memory are shared prefixes."""
    return promise * (1.0 - SHARED * num_shared / capacity)


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


def new_guard(num_slots: int, has_priorities: bool = False) -> tuple[Floats, Ints]:
    """(noted, queues) of nobody yet."""
    num_columns = CHANGE + (LEVELS if has_priorities else 1)
    queues = np.zeros((LEVEL + 1, num_slots + 2), np.int64)
    queues[[NEXT, PREVIOUS]] = num_slots
    return np.zeros((num_slots + 1, num_columns)), queues


def with_room(noted: Floats, queues: Ints) -> tuple[Floats, Ints]:
    """The same for twice as many slots."""
    size = len(noted) - 1
    end = 2 * size
    more_noted, more_queues = new_guard(end, noted.shape[1] > CHANGE + 1)
    more_noted[:size], more_noted[end] = noted[:size], noted[size]
    more_queues[:, : size + 2] = queues
    # The ring has its end elsewhere now.
    for neighbour in (NEXT, PREVIOUS):
        row = more_queues[neighbour]
        row[end] = row[size]
        row[row == size] = end
    return more_noted, more_queues


@called_njit
def level_of(noted: Floats, priority: int) -> int:
    """The number of a priority's class, from 0 on; 0 for all where there are no classes."""
    if noted.shape[1] == CHANGE + 1:
        return 0
    return int(min(max(priority - MOST_URGENT, 0), LEVELS - 1))


@called_njit
def push_present(noted: Floats, queues: Ints, slot: int) -> None:
    """Among those present, by backlog."""
    key = -np.int64(noted[slot, BACKLOG])
    push(queues[LARGEST:FATE], queues[SIZES, 1], key, slot, slot)
    queues[SIZES, 1] += 1


@called_njit
def arrives(
    noted: Floats, queues: Ints, slot: int, work: float, backlog: float, level: int
) -> None:
    """A new request, which waits."""
    queues[LEVEL, slot] = level
    noted[slot, WORK], noted[slot, BACKLOG] = work, backlog
    push_present(noted, queues, slot)
    end = len(noted) - 1
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
        push(queues[OLDEST:LARGEST], queues[SIZES, 0], level, arrival, slot)
        queues[SIZES, 0] += 1


@cached_njit
def overdue(noted: Floats, queues: Ints, work: float, promise: float) -> int:
    """Who has waited longest, if it is to go next now; else -1."""
    oldest, largest = queues[OLDEST:LARGEST], queues[LARGEST:FATE]
    while queues[SIZES, 0] and queues[FATE, oldest[SLOT, 0]] != WAITING:
        queues[IS_QUEUED, pop(oldest, queues[SIZES, 0])] = 0
        queues[SIZES, 0] -= 1
    while queues[SIZES, 1] and queues[FATE, largest[SLOT, 0]] == ABSENT:
        pop(largest, queues[SIZES, 1])
        queues[SIZES, 1] -= 1
    if not queues[SIZES, 0]:
        return -1
    slot: int = oldest[SLOT, 0]
    most = noted[largest[SLOT, 0], BACKLOG]
    if noted.shape[1] > CHANGE + 1:
        eldest = _first_waiting(queues)
        if _is_too_late(noted, eldest, work, promise, np.inf):
            return int(eldest)
        # Those present of its class alone; who is late by its own measure need not be looked for.
        if _is_too_late(noted, slot, work, promise, 0.0):
            most = _largest_of(noted, queues, slot)
    return slot if _is_too_late(noted, slot, work, promise, most) else -1


@called_njit
def _is_too_late(noted: Floats, slot: int, work: float, promise: float, most: float) -> bool:
    """Whether it would end too late, where the largest backlog to measure by is `most`."""
    own = noted[slot, BACKLOG]
    until_end = work - noted[slot, WORK] + noted[slot, SERVICE]
    return bool(until_end >= promise * min(max(most, own), OWN_BACKLOGS * own))


@called_njit
def _first_waiting(queues: Ints) -> int:
    """Of those who wait, the first to come; there is one."""
    end = queues.shape[1] - 2
    slot = queues[NEXT, end]
    while queues[FATE, slot] != WAITING:
        slot = queues[NEXT, slot]
    return int(slot)


@called_njit
def _largest_of(noted: Floats, queues: Ints, slot: int) -> float:
    """The largest backlog of those present in its class of priority."""
    end, most = len(noted) - 1, 0.0
    other = queues[NEXT, end]
    while other < end:
        if queues[LEVEL, other] == queues[LEVEL, slot]:
            most = max(most, noted[other, BACKLOG])
        other = queues[NEXT, other]
    return float(most)


@called_njit
def ends(noted: Floats, queues: Ints, slot: int, total: float) -> None:
    """The request is gone; `total` is what it was, of what others wait for."""
    queues[FATE, slot] = ABSENT
    before, after = queues[PREVIOUS, slot], queues[NEXT, slot]
    queues[NEXT, before], queues[PREVIOUS, after] = after, before
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
    remove(queues[LARGEST:FATE], queues[SIZES, 1], slot)
    queues[SIZES, 1] -= 1
    if queues[IS_QUEUED, slot]:
        queues[IS_QUEUED, slot] = 0
        remove(queues[OLDEST:LARGEST], queues[SIZES, 0], slot)
        queues[SIZES, 0] -= 1
