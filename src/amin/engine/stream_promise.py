"""The stream promise: a guard over any policy, so that a reply that has begun does not fall silent.

Who is preempted holds no memory and makes no tokens, while somebody reads what has come so far.
That is slack (`amin.engine.reading`). Of those who wait and have begun, the one whose slack ends
first goes ahead of everybody once it ends within `SECONDS_AHEAD`, whatever the policy's order and
whoever is overdue; while it does not fit, nobody passes it, and when its reader is about to wait
others make way for it. Whose slack allows what, and how many may begin, is in `amin.engine.slack`.

So a reply makes tokens at the pace of its reader at least, and no faster need be: a client gains
nothing over others by having begun but to be read on. Where nobody reads along there is no promise.

With classes of priority it is kept in the most urgent class that waits, as the tail promise is: the
order of precedence is, of that class, whose slack ends; then who is overdue, of any class and of
that class; then the policy's order.

Compiled, over the rows of `amin.engine.reading` and a heap of those who return, for the simulator's
loop and for the engine's alike. A request is a slot, times are seconds on the engine's clock.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Floats, Ints
from amin.engine.heap import KEY, SLOT, push, remove
from amin.engine.reading import NUM_SEEN, SECONDS_EACH, WANTED
from amin.jit import cached_njit

SECONDS_AHEAD = 8.0
"""Seconds before the end of a reply's slack at which it goes next: room must be found, and what was
thrown away computed again."""

ABOUT_TO_WAIT = 1.0
"""Seconds before the end of a reply's slack at which others make way for it."""

# Rows of `returning`: who waits and has begun, as a heap of (level, end of its slack in
# microseconds, arrival); who is in it, by slot; how many are; and how long before the end of its
# slack one goes next, in microseconds.
HEAP, IS_IN, SIZE, LEAD = 4, 4, 5, 6


def new_returning(num_slots: int) -> Ints:
    """Nobody returns yet."""
    returning = np.zeros((LEAD + 1, num_slots + 1), np.int64)
    returning[LEAD, 0] = SECONDS_AHEAD * 1e6
    return returning


@cached_njit
def comes_back(readers: Floats, returning: Ints, slot: int, arrival: int, level: int) -> None:
    """It waits again: if it has begun and is read along, it is to be back before its slack ends."""
    if readers[slot, SECONDS_EACH] > 0.0 and readers[slot, NUM_SEEN] > 0.0:
        ends = np.int64(readers[slot, WANTED] * 1e6)
        push(returning[:HEAP], returning[SIZE, 0], ends, arrival, slot, level)
        returning[SIZE, 0] += 1
        returning[IS_IN, slot] = 1


@cached_njit
def is_back(returning: Ints, slot: int) -> None:
    """It waits no longer."""
    if returning[IS_IN, slot]:
        remove(returning[:HEAP], returning[SIZE, 0], slot)
        returning[SIZE, 0] -= 1
        returning[IS_IN, slot] = 0


@cached_njit
def pressing(returning: Ints, now: float) -> int:
    """Whose slack ends first, if that is soon; else -1."""
    slot = -1
    if returning[SIZE, 0] and returning[KEY, 0] <= now * 1e6 + returning[LEAD, 0]:
        slot = int(returning[SLOT, 0])
    return slot


@cached_njit
def is_about_to_wait(readers: Floats, slot: int, now: float) -> bool:
    """Whether others are to make way for this pressing one."""
    return bool(readers[slot, WANTED] - now <= ABOUT_TO_WAIT)
