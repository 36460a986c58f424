"""The reader of a streamed reply: how long nothing comes, and how long there is nothing to read.

A reader takes a token, and wants the next one 1/pace seconds later. If it is there, it is taken
then; if not, the reader pauses until it comes, and goes on from there. What has come and is not yet
read is slack: it lasts until the time at which a token is wanted that has not been made.

Compiled, over one row of floats for each request, for the simulator's loop, for engines and for
whoever observes them. Times are seconds on one clock.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Floats, Ints
from amin.jit import cached_njit, called_njit

# What a row has: seconds that a reader takes for a token, 0 where nobody reads along; when the next
# token that has not been made is wanted; when the last one came, and how many have; the longest gap
# between two tokens; the longest pause, and all pauses together; and when the longest gap began.
(
    SECONDS_EACH, WANTED, LAST, NUM_SEEN,
    LONGEST_GAP, LONGEST_PAUSE, TOTAL_PAUSE, GAP_BEGAN,
) = range(8)  # fmt: skip


def new_readers(num_requests: int) -> Floats:
    """Rows of nobody; a row is a whole line of the processor's cache."""
    return np.zeros((num_requests, GAP_BEGAN + 1))


def seconds_each(pace: float) -> float:
    """Seconds that a reader takes for a token; 0 for a pace of 0: nobody reads along."""
    return 1.0 / pace if pace else 0.0


@called_njit
def gets(readers: Floats, slot: int, num_made: int, now: float) -> None:
    """So many tokens of a reply have come by now, the newest of them now."""
    num_new = num_made - readers[slot, NUM_SEEN]
    if num_new > 0 and readers[slot, SECONDS_EACH] > 0.0:
        if readers[slot, NUM_SEEN] > 0.0:
            gap, pause = now - readers[slot, LAST], now - readers[slot, WANTED]
            if gap > readers[slot, LONGEST_GAP]:
                readers[slot, LONGEST_GAP] = gap
                readers[slot, GAP_BEGAN] = readers[slot, LAST]
            if pause > 0.0:
                readers[slot, LONGEST_PAUSE] = max(readers[slot, LONGEST_PAUSE], pause)
                readers[slot, TOTAL_PAUSE] += pause
                readers[slot, WANTED] = now
        else:
            readers[slot, WANTED] = now
        readers[slot, WANTED] += num_new * readers[slot, SECONDS_EACH]
        readers[slot, LAST] = now
        readers[slot, NUM_SEEN] = num_made


@cached_njit
def all_get(readers: Floats, slots: Ints, num_made: Ints, now: float) -> None:
    """`gets` for many."""
    for i in range(slots.size):
        gets(readers, slots[i], num_made[i], now)
