"""The tail promise: a guard over any policy, so that nobody is passed for ever.

Time is work: the sum over steps of the KV tokens in use, or of the share of the running requests in
`max_num_seqs` where that is more, and for each token computed what it costs beside (`Rates`). On
arrival a request notes the work done so far and what FCFS would do until it ends: the work of all
present, and the time that it runs itself. That is an estimate, put right as lengths become known
(`amin.engine.hindsight`). Who has waited longest goes next, whatever the policy's order, once it
would otherwise end after more than `promise` times what it may take:

- As long as more and more requests come than end, what it found itself and what has come on top of
  that since: what FCFS would have the newest take. In words: nobody takes longer than X times what
  the worst-off request present would have taken under FCFS.
- Where as many come as end, the work that one finds says little of FCFS: since short replies go
  first, more and more of those present are long, and the more it is, the longer they may be passed.
  What counts is how *many* it found, each of which is a typical request.
- In a closed loop (`amin.engine.crowd`) that is what all are promised, whenever they came; so they
  come due together, and the oldest goes next as soon as it would be too late for anybody else.

The one that has waited longest is not asked to wait longer than 8X times what it would have taken
itself either.

With classes of priority (`LEVELS`) FCFS means vLLM's priority scheduling: whatever is more urgent
first, then by arrival. The promise holds within a class: of the most urgent class that waits, the
one that has waited longest goes next as above, measured by those present of its class. And it ages
across classes: the one that has waited longest of all goes ahead of every class once it would end
later than 8X times what such scheduling would have made it take, had nobody come after it.

Compiled, over three arrays, for the simulator's loop and for the engine's. A request is a slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amin.engine.crowd import (
    NEWEST_FOUND,
    NUM_PRESENT,
    TYPICAL_WORK,
    Floats,
    grows,
    is_closed,
    joins_crowd,
    new_crowd,
)
from amin.engine.heap import SLOT, pop, push, remove
from amin.engine.projection import Ints
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
# column behind all slots; and the number of its class of priority.
OLDEST, FATE, IS_QUEUED, SIZE, NEXT, PREVIOUS, LEVEL = 0, 3, 4, 5, 6, 7, 8
ABSENT, WAITING, RUNNING = range(3)

MOST_URGENT, LEVELS = -8, 17
"""Priorities from -8 to 8 have a promise each, and those beyond share the outermost ones: clients
name any number, and the books must not grow with them. The order is by the number itself."""

OWN_BACKLOGS = 8.0
"""Bounds starvation under lasting overload, when what the newest finds outruns the work done."""

WHERE_STEADY = 0.8
"""So much of what typical requests would be counts as found. Observed, not derived: with all of it
the p99 of closed loops is .05 higher (docs/design.md)."""

BESIDE = 0.5
"""Of the work of those who wait before a request, so much is done before it can begin: it runs
beside some of them. Observed, as `WHERE_STEADY`."""

LOOKED_AT = 256
"""Of those who are present, so many from the longest-waiting on are looked at."""

TYPICAL_OF_LATE = 0.02
"""What an arrival adds to what is typical."""

TOKENS_PER_STEP = 200.0
"""Computing so many tokens takes as long as a step takes without any: some 30 ms, and .15 ms each,
on the engines that others measured, 5.2 ms and .019 on an H200 (docs/vllm.md: 276 tokens). Traffic
of long prompts needs it; within a factor of two it is all the same (docs/design.md)."""


CACHED = 0.95
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


def new_guard(num_slots: int, has_priorities: bool = False) -> tuple[Floats, Ints, Floats]:
    """(noted, queues, crowd) of nobody yet."""
    num_levels = LEVELS if has_priorities else 1
    queues = np.zeros((LEVEL + 1, num_slots + 2), np.int64)
    queues[[NEXT, PREVIOUS]] = num_slots
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


@cached_njit
def overdue(noted: Floats, queues: Ints, crowd: Floats, work: float, promise: float) -> int:
    """Who has waited longest, if it is to go next now; else -1."""
    oldest = queues[OLDEST:FATE]
    while queues[SIZE, 0] and queues[FATE, oldest[SLOT, 0]] != WAITING:
        queues[IS_QUEUED, pop(oldest, queues[SIZE, 0])] = 0
        queues[SIZE, 0] -= 1
    if not queues[SIZE, 0]:
        return -1
    if noted.shape[1] > CHANGE + 1:
        eldest = _first_waiting(queues)
        if _until_end(noted, eldest, work) >= promise * OWN_BACKLOGS * _itself(noted, eldest):
            return int(eldest)
    slot: int = oldest[SLOT, 0]
    if is_closed(crowd, queues[LEVEL, slot]):
        is_late = _is_any_late(noted, queues, crowd, slot, work, promise)
    else:
        number, present = noted[slot, ARRIVAL_NUMBER], noted[slot, FOUND_PRESENT]
        by_heads = not grows(crowd, queues[LEVEL, slot], number, present)
        may = promise * may_take(noted, queues, crowd, slot, by_heads)
        is_late = _until_end(noted, slot, work) >= may
    return slot if is_late else -1


@called_njit
def _is_any_late(
    noted: Floats, queues: Ints, crowd: Floats, oldest: int, work: float, promise: float
) -> bool:
    """Whether somebody of the oldest one's class would end too late, by those who wait before it.

    All came at once, or are promised the same: then it is too late for some before it is for the
    oldest.
    """
    end, level, slot = len(noted) - 1, queues[LEVEL, oldest], oldest
    before, num_seen, is_late = 0.0, 0, False
    while slot < end and num_seen < LOOKED_AT and not is_late:
        if queues[FATE, slot] == WAITING and queues[LEVEL, slot] == level:
            may = promise * may_take(noted, queues, crowd, slot, True)
            is_late = _until_end(noted, slot, work) + BESIDE * before >= may
            before += noted[slot, EXPECTED]
        num_seen += 1
        slot = queues[NEXT, slot]
    return bool(is_late)


@called_njit
def _until_end(noted: Floats, slot: int, work: float) -> float:
    """From its arrival to its end, if it went now."""
    return float(work - noted[slot, WORK] + noted[slot, SERVICE])


@called_njit
def _itself(noted: Floats, slot: int) -> float:
    """What FCFS would have it take, by what it found."""
    return float(noted[slot, FOUND] + noted[slot, TOTAL] + noted[slot, RUN_TIME])


@called_njit
def may_take(noted: Floats, queues: Ints, crowd: Floats, slot: int, by_heads: bool) -> float:
    """From its arrival to its end, before it is too late: see above.

    `by_heads` where what counts is how many are present.
    """
    level, itself = queues[LEVEL, slot], _itself(noted, slot)
    on_top = max(crowd[level, NEWEST_FOUND] - noted[slot, FOUND], 0.0)
    most = itself + on_top
    if by_heads:
        typical = crowd[len(crowd) - 1, TYPICAL_WORK]
        more = max(crowd[level, NUM_PRESENT] - noted[slot, FOUND_PRESENT], 0.0)
        found = noted[slot, NUM_WAITING] * typical + noted[slot, FOUND_RUNNING]
        found += min(on_top, more * typical)
        most = min(most, WHERE_STEADY * found + noted[slot, RUN_TIME])
    return float(min(most, OWN_BACKLOGS * itself))


@called_njit
def _first_waiting(queues: Ints) -> int:
    """Of those who wait, the first to come; there is one."""
    end = queues.shape[1] - 2
    slot = queues[NEXT, end]
    while queues[FATE, slot] != WAITING:
        slot = queues[NEXT, slot]
    return int(slot)


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
    if queues[IS_QUEUED, slot]:
        queues[IS_QUEUED, slot] = 0
        remove(queues[OLDEST:FATE], queues[SIZE, 0], slot)
        queues[SIZE, 0] -= 1
