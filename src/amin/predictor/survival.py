"""How long replies last, learned from those that ended and from those that go on.

A survival estimate (Kaplan and Meier, 1958): of the replies that reached a position, which share
ended there? Replies that go on, or were cut, count at the positions that they passed. Groups are
shrunk towards the whole, so that a group of which little is known is like all others. From the
shares follow mean and mean square of what remains after any number of tokens.

Compiled, over one array, for the simulator's loop and for the engine's alike. Positions are kept in
bins, exact up to 64 tokens and some 3 % wide beyond, so that memory and time are bounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amin.jit import cached_njit, called_njit

Floats3 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# What a `new_survival` has of each group and bin: replies that ended there; that were cut there; of
# which so much is made, now; what remains, on average, for one that reached the bin's first
# position; its square.
FINISHED, CUT, HELD, MEAN, SQUARE = range(5)

ALL = 0
"""The group of all replies; the others count from 1."""

TOLD = -1
"""In place of a group: nothing need be learned of this request, its interval is told."""

EXACT_BITS = 6
NUM_BINS = 640
"""Enough for replies of a quarter of a million tokens."""

SHRINKAGE = 10.0
"""A group weighs as much as the whole when so many of its replies have reached a position."""

PRIOR_MEAN = 200.0
"""Tokens that a reply is believed to have before any was seen, with the weight of one reply."""

ENDS_PER_REFRESH = 32
MEMORY = 20_000.0
"""Ends after which one counts 1/e: traffic drifts."""


def new_survival(num_groups: int) -> Floats3:
    """Nothing seen yet; `num_groups` beside the whole."""
    survival = np.zeros((5, num_groups + 1, NUM_BINS))
    refresh(survival, num_groups)
    return survival


@called_njit
def bin_of(position: int) -> int:
    """The bin of a position, a number of tokens >= 1."""
    half = 1 << (EXACT_BITS - 1)
    shift = 0
    while position >> shift >= 2 * half:
        shift += 1
    return min(shift * half + (position >> shift), NUM_BINS - 1)


@called_njit
def first_position(number: int) -> int:
    """The smallest position in a bin."""
    half = 1 << (EXACT_BITS - 1)
    shift = max(number // half - 1, 0)
    return (number - shift * half) << shift


@cached_njit
def note(survival: Floats3, what: int, group: int, num_tokens: int, weight: float) -> None:
    """`weight` replies ended (`FINISHED`), were cut, or are `HELD` after so many tokens."""
    if num_tokens > 0:
        number = bin_of(num_tokens)
        survival[what, ALL, number] += weight
        if group > ALL:
            survival[what, group, number] += weight


@cached_njit
def refresh(survival: Floats3, num_groups: int) -> None:
    """Learn from what was noted of the first so many groups, and forget a little of it."""
    for group in range(num_groups + 1):
        reached, of_all, after, after_square = 0.0, 0.0, PRIOR_MEAN, 2 * PRIOR_MEAN**2
        for number in range(NUM_BINS - 1, 0, -1):
            width = float(first_position(number + 1) - first_position(number))
            for what in (FINISHED, CUT, HELD):
                reached += survival[what, group, number]
                of_all += survival[what, ALL, number]
            prior = 1 - np.exp(-width / PRIOR_MEAN)
            share = (survival[FINISHED, ALL, number] + prior) / (of_all + 1.0)
            if group != ALL:
                ended = survival[FINISHED, group, number] + SHRINKAGE * share
                share = ended / (reached + SHRINKAGE)
            share = min(share, 1.0)
            square = (width + 1) * (2 * width + 1) / 6
            goes_on = width**2 + 2 * width * after + after_square
            after = share * (width + 1) / 2 + (1 - share) * (width + after)
            after_square = share * square + (1 - share) * goes_on
            survival[MEAN, group, number], survival[SQUARE, group, number] = after, after_square
    for group in range(num_groups + 1):
        for number in range(NUM_BINS):
            survival[FINISHED, group, number] *= 1 - ENDS_PER_REFRESH / MEMORY
            survival[CUT, group, number] *= 1 - ENDS_PER_REFRESH / MEMORY


@cached_njit
def refresh_with(survival: Floats3, num_groups: int, groups: Ints, made: Ints) -> None:
    """`refresh`, counting replies in progress, of which so many tokens are `made`, for as long."""
    for weight in (1.0, -1.0):
        for i in range(groups.size):
            note(survival, HELD, groups[i], made[i], weight)
        if weight > 0:
            refresh(survival, num_groups)


@cached_njit
def remaining(survival: Floats3, group: int, made: int, max_tokens: int) -> tuple[float, float]:
    """(mean, mean square) of the tokens still to come after `made`, of `max_tokens` at most."""
    position = made + 1
    number = min(bin_of(position), NUM_BINS - 2)
    start = first_position(number)
    share = min((position - start) / (first_position(number + 1) - start), 1.0)
    values = survival[MEAN, group], survival[SQUARE, group]
    mean = (1 - share) * values[0][number] + share * values[0][number + 1]
    square = (1 - share) * values[1][number] + share * values[1][number + 1]
    most = float(max(max_tokens - made, 1))
    return min(max(mean, 1.0), most), min(max(square, 1.0), most**2)
