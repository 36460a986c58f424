"""What the slack of those who run allows: who may leave, who makes way, and how many may begin.

Who must leave when memory runs out is looked for first among those who have more than `SPARE`
seconds of slack, or no reader: of these the policy chooses. For a reply whose reader is about to
wait, and which does not fit, those make way who have most slack.

And nobody is admitted where that would make silences: a reply that has just begun has no slack, and
takes memory with each token. What those without slack are expected to take, before they have
`SECONDS_AHEAD` of it or end, must fit into what is free and what those hold who have it. Else a
crowd that begins at once, where a long reply has ended, is thrown out again before anybody has read
a word.

Compiled, over the rows of `amin.engine.reading`, as `amin.engine.stream_promise`.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Floats, Ints
from amin.engine.reading import NUM_SEEN, SECONDS_EACH, TOTAL_PAUSE, WANTED
from amin.engine.rows import MAX_TOKENS, MEAN_REMAINING, num_tokens
from amin.engine.stream_promise import SECONDS_AHEAD
from amin.jit import cached_njit, called_njit

SPARE = 5.0
"""Seconds of slack with which a reply may be made to leave, if anybody has so much."""

LONG = 24.0
"""Seconds of slack with which a reply makes way, if anybody has so much: long enough to be away for
a while before it must be back itself."""

TOKENS_PER_READ = 2.0
"""Tokens that a reply makes while its reader takes one. A server at its limit makes some 20 to 30 a
second; with twice the reader's pace slack grows by a second in each second."""

TOKENS_AHEAD = 80.0
"""The slack that a reply is to have is so many tokens at most: of a fast reader fewer seconds. Else
ever more memory is kept, and at 20 tokens a second everybody takes twice as long as under FCFS."""

OUTRUN = 0.1
"""A reader who has paused for such a share of the time that it takes to read what has come reads
faster than the server makes tokens."""

MOST_TO_SLACK = 200
"""Tokens for which memory is kept for one reply at most: whoever reads as fast as the server makes
them never has slack, and nothing can be kept for that."""


@called_njit
def _slack(readers: Floats, slot: int, now: float) -> float:
    """Seconds until its reader waits; without end where nobody reads, none before it has begun."""
    if readers[slot, SECONDS_EACH] == 0.0:
        return np.inf
    return readers[slot, WANTED] - now if readers[slot, NUM_SEEN] > 0.0 else 0.0


@called_njit
def _is_outrun(readers: Floats, slot: int) -> bool:
    """Whether its reader reads faster than the server makes tokens: slack will never come."""
    reading = readers[slot, NUM_SEEN] * readers[slot, SECONDS_EACH]
    return bool(readers[slot, TOTAL_PAUSE] > OUTRUN * reading)


@called_njit
def has_to_spare(readers: Floats, slot: int, now: float) -> bool:
    """Whether its reader would not notice at once if it left now."""
    return bool(readers[slot, NUM_SEEN] == 0.0 or _slack(readers, slot, now) > SPARE)


@cached_njit
def who_has_to_spare(readers: Floats, slots: Ints, now: float) -> Ints:
    """`has_to_spare` of many: 1 or 0 for each."""
    found = np.empty(slots.size, np.int64)
    for i in range(slots.size):
        found[i] = has_to_spare(readers, slots[i], now)
    return found


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
def tokens_to_slack(readers: Floats, table: Ints, slot: int, now: float) -> int:
    """Tokens to be made until its reader has `SECONDS_AHEAD` of slack, `MOST_TO_SLACK` at most.

    No more than it was expected to make when it began to wait, and 0 where its reader has that
    slack, or nobody reads.
    """
    if readers[slot, SECONDS_EACH] == 0.0:
        return 0
    ahead = min(SECONDS_AHEAD, TOKENS_AHEAD * readers[slot, SECONDS_EACH])
    lacking = max(ahead - _slack(readers, slot, now), 0.0)
    to_make = lacking * TOKENS_PER_READ / readers[slot, SECONDS_EACH]
    left = min(table[slot, MAX_TOKENS] - readers[slot, NUM_SEEN], table[slot, MEAN_REMAINING])
    return int(min(np.ceil(to_make), left, MOST_TO_SLACK))


@called_njit
def takes(readers: Floats, table: Ints, slot: int, num_held: int, now: float) -> int:
    """Of the memory for those without slack, in tokens: what one takes that runs, holding so many.

    A negative number is what it leaves to them, since it could leave itself. Nothing, where its
    reader will never have slack.
    """
    more = tokens_to_slack(readers, table, slot, now)
    if not more:
        return -num_held
    return 0 if _is_outrun(readers, slot) else more


@cached_njit
def all_take(
    readers: Floats, table: Ints, shared: Ints, slots: Ints, block_size: float, now: float
) -> int:
    """`takes` of many that run; `shared` are, by slot, blocks of a prefix that another counts."""
    taken = 0
    for i in range(slots.size):
        held = num_tokens(table, slots[i]) - int(shared[slots[i]] * block_size)
        taken += takes(readers, table, slots[i], held, now)
    return taken


@cached_njit
def leaves_room(readers: Floats, table: Ints, slot: int, taken: int, room: int, now: float) -> bool:
    """Whether one more can be admitted, beside whom `room` tokens are free; the others take so much
    for those without slack (`all_take`)."""
    return bool(taken + tokens_to_slack(readers, table, slot, now) <= room)
