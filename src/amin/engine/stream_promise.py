"""The stream promise: a guard over any policy, so that a reply that has begun does not fall silent.

Who is preempted holds no memory and makes no tokens, while somebody reads what has come so far.
That is slack (`amin.engine.reading`). Of those who wait and have begun, the one whose slack ends
first goes ahead of everybody once it ends within `SECONDS_AHEAD`, whatever the policy's order and
whoever is overdue; while it does not fit, nobody passes it. Where it still does not fit when its
reader is about to wait, those make way for it who have most slack. And who must leave is looked for
first among those who have more than `SPARE` seconds of slack, or no reader: of these the policy
chooses.

And nobody is admitted where that would make silences: a reply that has just begun has no slack, and
takes memory with each token. What those without slack will take before they have `SECONDS_AHEAD` of
it must fit into what is free and what those hold who have it. Else a crowd that begins at once,
where a long reply has ended, is thrown out again before anybody has read a word.

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

from amin.engine.heap import KEY, SLOT, push, remove
from amin.engine.projection import Ints
from amin.engine.reading import NUM_SEEN, SECONDS_EACH, WANTED, Floats
from amin.engine.rows import MAX_TOKENS, num_tokens
from amin.jit import cached_njit, called_njit

SECONDS_AHEAD = 8.0
"""Seconds before the end of a reply's slack at which it goes next: room must be found, and what was
thrown away computed again."""

SPARE = 5.0
"""Seconds of slack with which a reply may be made to leave, if anybody has so much."""

ABOUT_TO_WAIT = 1.0
"""Seconds before the end of a reply's slack at which others make way for it."""

LONG = 24.0
"""Seconds of slack with which a reply makes way, if anybody has so much: long enough to be away for
a while before it must be back itself."""

TOKENS_PER_READ = 2.0
"""Tokens that a reply makes while its reader takes one. A server at its limit makes some 20 to 30 a
second; with twice the reader's pace slack grows by a second in each second."""

MOST_TO_SLACK = 200
"""Tokens for which memory is kept for one reply at most: whoever reads as fast as the server makes
them never has slack, and nothing can be kept for that."""

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


@called_njit
def _slack(readers: Floats, slot: int, now: float) -> float:
    """Seconds until its reader waits; without end where nobody reads, none before it has begun."""
    if readers[slot, SECONDS_EACH] == 0.0:
        return np.inf
    return readers[slot, WANTED] - now if readers[slot, NUM_SEEN] > 0.0 else 0.0


@cached_njit
def who_makes_way(readers: Floats, slots: Ints, private: Ints, missing: int, now: float) -> Ints:
    """Of those who run, places in `slots`: most slack first, until `missing` blocks are free.

    Each would free so many `private` blocks. Nobody, where all with `LONG` slack would not do.
    """
    leaving, num_leaving = np.empty(slots.size, np.int64), 0
    is_left = np.zeros(slots.size, np.bool_)
    while missing > 0:
        most, longest = -1, LONG
        for i in range(slots.size):
            slack = _slack(readers, slots[i], now)
            if not is_left[i] and slack > longest:
                most, longest = i, slack
        if most < 0:
            return leaving[:0]
        is_left[most] = True
        leaving[num_leaving] = most
        num_leaving += 1
        missing -= private[most]
    return leaving[:num_leaving]


@called_njit
def has_to_spare(readers: Floats, slot: int, now: float) -> bool:
    """Whether its reader would not notice at once if it left now."""
    is_read = readers[slot, SECONDS_EACH] > 0.0 and readers[slot, NUM_SEEN] > 0.0
    return bool(not is_read or readers[slot, WANTED] - now > SPARE)


@called_njit
def tokens_to_slack(readers: Floats, table: Ints, slot: int, now: float) -> int:
    """Tokens to be made until its reader has `SECONDS_AHEAD` of slack, `MOST_TO_SLACK` at most.

    0 where it has, or nobody reads.
    """
    if readers[slot, SECONDS_EACH] == 0.0:
        return 0
    to_make = (
        max(SECONDS_AHEAD - _slack(readers, slot, now), 0.0)
        * TOKENS_PER_READ
        / readers[slot, SECONDS_EACH]
    )
    left = table[slot, MAX_TOKENS] - readers[slot, NUM_SEEN]
    return int(min(np.ceil(to_make), left, MOST_TO_SLACK))


@called_njit
def takes(readers: Floats, table: Ints, slot: int, num_held: int, now: float) -> int:
    """Of the memory for those without slack, in tokens: what one takes that runs, holding so many.

    A negative number is what it leaves to them, since it could leave itself.
    """
    more = tokens_to_slack(readers, table, slot, now)
    return more if more else -num_held


@cached_njit
def leaves_room(
    readers: Floats, table: Ints, shared: Ints, slots: Ints, slot: int, room: int, now: float
) -> bool:
    """Whether one more can be admitted, beside whom `room` tokens are free.

    `slots` run; `shared` are, of each of them, tokens of its prefix that another request counts.
    """
    taken = tokens_to_slack(readers, table, slot, now)
    for i in range(slots.size):
        taken += takes(readers, table, slots[i], num_tokens(table, slots[i]) - shared[i], now)
    return bool(taken <= room)


@cached_njit
def who_has_to_spare(readers: Floats, slots: Ints, now: float) -> Ints:
    """`has_to_spare` of many: 1 or 0 for each."""
    found = np.empty(slots.size, np.int64)
    for i in range(slots.size):
        found[i] = has_to_spare(readers, slots[i], now)
    return found
