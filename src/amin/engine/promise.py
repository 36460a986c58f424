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

And nobody is asked to wait longer than 8X times what it would have taken itself, by what it found:
those who are present are looked at in turn, some in each step, and whoever is late by that goes
next.

With classes of priority (`LEVELS`) FCFS means vLLM's priority scheduling: whatever is more urgent
first, then by arrival. The promise holds within a class: of the most urgent class that waits, the
one that has waited longest goes next as above, measured by those present of its class. And it ages
across classes: the one that has waited longest of all goes ahead of every class once it would end
later than 8X times what such scheduling would have made it take, had nobody come after it.

Compiled, over the arrays of `amin.engine.promise_books`. A request is a slot.
"""

from __future__ import annotations

from amin.arrays import Floats, Ints
from amin.engine.crowd import (
    NEWEST_FOUND,
    NUM_PRESENT,
    TYPICAL_WORK,
    grows,
    is_closed,
)
from amin.engine.heap import SLOT, pop
from amin.engine.promise_books import (
    ARRIVAL_NUMBER,
    CHANGE,
    EXPECTED,
    FATE,
    FOUND,
    FOUND_PRESENT,
    FOUND_RUNNING,
    IS_QUEUED,
    LATE,
    LEVEL,
    LOOK,
    NEXT,
    NUM_WAITING,
    OLDEST,
    POINTER,
    RUN_TIME,
    SERVICE,
    SIZE,
    TOTAL,
    WAITING,
    WORK,
)
from amin.jit import cached_njit, called_njit

OWN_BACKLOGS = 8.0
"""Bounds starvation under lasting overload, when what the newest finds outruns the work done."""

WHERE_STEADY = 0.8
"""So much of what typical requests would be counts as found. Observed, not derived: with all of it
the p99 of closed loops is .05 higher (docs/design.md)."""

BESIDE = 0.5
"""Of the work of those who wait before a request, so much is done before it can begin: it runs
beside some of them. Observed, as `WHERE_STEADY`."""

LOOKED_AT = 256
"""In a closed loop, so many of those who are present are looked at, from the longest-waiting on."""

LOOKS_PER_STEP = 16
"""And everywhere so many in each step, in turn, whether they have waited too long by their own."""

CACHED = 0.95
"""FCFS preempts and computes again, which makes it slower than the estimate by about as much as the
estimate is too high. Where the blocks of a preempted request stay cached (vLLM's default), it pays
less for that, and so much of the estimate is promised (docs/default.md has the figures)."""


SWAPPED = 0.8
"""The same where what it held is copied out and in again: FCFS pays next to nothing."""


def of_estimate(promise: float, has_prefix_cache: bool, swaps: bool) -> float:
    """What a `promise` in terms of FCFS is of the estimate of what FCFS would do."""
    return promise * (SWAPPED if swaps else CACHED if has_prefix_cache else 1.0)


SHARED = 0.5
"""Where prefixes that many share take a part of the memory, FCFS finds even more of what it threw
away, and the estimate is too high by so much of that part (docs/design.md, "Prefix caching")."""


@called_njit
def where_shared(promise: float, num_shared: float, capacity: float) -> float:
    """What is promised while so many tokens of the memory are shared prefixes."""
    return promise * (1.0 - SHARED * num_shared / capacity)


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
        if _is_late_by_its_own(noted, queues, eldest, work, promise):
            return int(eldest)
    slot: int = oldest[SLOT, 0]
    if is_closed(crowd, queues[LEVEL, slot]):
        is_late = _is_any_late(noted, queues, crowd, slot, work, promise)
    else:
        number, present = noted[slot, ARRIVAL_NUMBER], noted[slot, FOUND_PRESENT]
        by_heads = not grows(crowd, queues[LEVEL, slot], number, present)
        may = promise * may_take(noted, queues, crowd, slot, by_heads)
        is_late = _until_end(noted, slot, work) >= may
    return slot if is_late else _late_by_its_own(noted, queues, work, promise)


@cached_njit
def look_further(noted: Floats, queues: Ints, work: float, promise: float) -> None:
    """A step is over: look at the next few of those who are present, in turn.

    The first who would end after 8X times its own is kept in mind, and goes next.
    """
    end, slot = len(noted) - 1, queues[LOOK, POINTER]
    if queues[LOOK, LATE] < 0:
        for _ in range(LOOKS_PER_STEP):
            if slot == end:
                slot = queues[NEXT, end]
            if slot < end and _is_late_by_its_own(noted, queues, slot, work, promise):
                queues[LOOK, LATE] = slot
                break
            slot = queues[NEXT, slot]
        queues[LOOK, POINTER] = slot


@called_njit
def _late_by_its_own(noted: Floats, queues: Ints, work: float, promise: float) -> int:
    """Whom `look_further` has in mind, if it still waits and is still late; else -1."""
    slot = queues[LOOK, LATE]
    if slot >= 0 and not _is_late_by_its_own(noted, queues, slot, work, promise):
        queues[LOOK, LATE] = slot = -1
    return int(slot)


@called_njit
def _is_late_by_its_own(
    noted: Floats, queues: Ints, slot: int, work: float, promise: float
) -> bool:
    """Whether it waits, and would end after 8X times what it would have taken itself."""
    most = promise * OWN_BACKLOGS * _itself(noted, slot)
    return bool(queues[FATE, slot] == WAITING and _until_end(noted, slot, work) >= most)


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
