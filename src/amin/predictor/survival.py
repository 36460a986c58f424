"""How long replies last, learned from those that ended and from those that go on.

A survival estimate (Kaplan and Meier, 1958): of the replies that reached a position, which share
ended there? Replies that go on, or were cut, count at the positions that they passed. Groups are
shrunk towards the whole, so that a group of which little is known is like all others. From the
shares follow mean, mean square and quantiles of what remains after any number of tokens.

Compiled, over one array, for the simulator's loop and for the engine's alike. Positions are kept in
bins, exact up to 64 tokens and some 3 % wide beyond, so that memory and time are bounded.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Floats3, Ints
from amin.jit import cached_njit, called_njit, inlined_njit

# What a `new_survival` has of each group and bin: replies that ended there; that were cut there; of
# which so much is made, now; what remains, on average, for one that reached the bin's first
# position; its square; the share of all that reach that position.
FINISHED, CUT, HELD, MEAN, SQUARE, ALIVE = range(6)

# Of bin 0, which no reply ends in: ends since a group was last learned from; whether it ever was;
# nats by which it foretold its replies better than the whole, of late, and how many replies; nats
# by which it has foretold them worse since it last did not.
NEWS, IS_LEARNED, GAINED, JUDGED, SURPRISE = FINISHED, HELD, CUT, MEAN, SQUARE

ALL = 0
"""The group of all replies; the others count from 1."""

TOLD = -1
"""In place of a group: the interval that is told is believed."""

EXACT_BITS = 6
NUM_BINS = 640
"""Enough for replies of a quarter of a million tokens."""

SHRINKAGE = 10.0
"""A group weighs as much as the whole when so many of its replies have reached a position; less are
needed where the group has shown to be unlike the whole."""

DOUBT = 20
"""Replies that are believed to have been like all others, beside those that were judged."""

PRIOR_MEAN = 200.0
"""Tokens that a reply is believed to have before any was seen, with the weight of one reply."""

ENDS_PER_REFRESH = 16
MEMORY = 20_000.0
"""Ends in a group after which one counts 1/e: traffic drifts."""


def new_survival(num_groups: int) -> Floats3:
    """Nothing seen yet; `num_groups` beside the whole."""
    survival = np.zeros((ALIVE + 1, num_groups + 1, NUM_BINS))
    refresh(survival)
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
def note(
    survival: Floats3, what: int, groups: Ints, slot: int, num_tokens: int, weight: float
) -> None:
    """`weight` replies ended (`FINISHED`), were cut, or are `HELD` after so many tokens.

    `groups` has a row for each slot: the groups that the reply is learned with beside the whole.
    """
    if num_tokens > 0:
        number = bin_of(num_tokens)
        news = weight if what != HELD else 0.0
        survival[what, ALL, number] += weight
        survival[NEWS, ALL, 0] += news
        for feature in range(groups.shape[1]):
            group = groups[slot, feature]
            if group > ALL:
                survival[what, group, number] += weight
                survival[NEWS, group, 0] += news


@cached_njit
def begin_anew(survival: Floats3, group: int) -> None:
    """What was learned in a group is forgotten. Replies in progress stay with it to their end."""
    for cell in (IS_LEARNED, GAINED, JUDGED, SURPRISE):
        survival[cell, group, 0] = 0.0
    for number in range(NUM_BINS):
        survival[FINISHED, group, number] = survival[CUT, group, number] = 0.0


PRIOR = 1 - np.exp(-np.diff([first_position(n) for n in range(NUM_BINS + 1)]) / PRIOR_MEAN)
"""The share of replies that ends in each bin, of those that get there, before any was seen."""


@cached_njit
def is_due(num_new: int, num_ended: int) -> bool:
    """Whether to learn from what is new: often at the beginning, then every so many ends."""
    return 0 < num_new >= min(ENDS_PER_REFRESH, (num_ended + 3) // 4)


@cached_njit
def refresh(survival: Floats3) -> None:
    """Learn from what was noted, in each group with news, and forget a little of it."""
    top = NUM_BINS - 2
    while top > 0 and _num_reached(survival, top) == 0:
        top -= 1
    for group in range(survival.shape[1]):
        if group == ALL or survival[NEWS, group, 0] > 0:
            _learn(survival, group, top)
    # Not before all are done: of a group what is little is filled up from the whole.
    for group in range(survival.shape[1]):
        if survival[NEWS, group, 0] > 0:
            kept = 1 - survival[NEWS, group, 0] / MEMORY
            for number in range(1, NUM_BINS):
                survival[FINISHED, group, number] *= kept
                survival[CUT, group, number] *= kept
            survival[NEWS, group, 0] = 0.0


@inlined_njit
def _num_reached(survival: Floats3, number: int) -> float:
    """Replies that ended, were cut or are in this bin."""
    ended_or_cut = survival[FINISHED, ALL, number] + survival[CUT, ALL, number]
    return ended_or_cut + survival[HELD, ALL, number]  # type: ignore[no-any-return]


@called_njit
def _learn(survival: Floats3, group: int, top: int) -> None:
    """`top` is the last bin that any reply has reached: beyond, all is as it was at first."""
    if survival[IS_LEARNED, group, 0] == 0:
        top = NUM_BINS - 2
        survival[MEAN, group, top + 1], survival[SQUARE, group, top + 1] = (
            PRIOR_MEAN,
            2 * PRIOR_MEAN**2,
        )
    weight = _shrinkage(survival, group)
    reached, of_all = 0.0, 0.0
    after, after_square = survival[MEAN, group, top + 1], survival[SQUARE, group, top + 1]
    for number in range(top, 0, -1):
        width = float(first_position(number + 1) - first_position(number))
        for what in (FINISHED, CUT, HELD):
            reached += survival[what, group, number]
            of_all += survival[what, ALL, number]
        share = (survival[FINISHED, ALL, number] + PRIOR[number]) / (of_all + 1.0)
        if group != ALL:
            ended = survival[FINISHED, group, number] + weight * share
            share = ended / (reached + weight)
        share = min(share, 1.0)
        square = (width + 1) * (2 * width + 1) / 6
        goes_on = width**2 + 2 * width * after + after_square
        after = share * (width + 1) / 2 + (1 - share) * (width + after)
        after_square = share * square + (1 - share) * goes_on
        survival[MEAN, group, number], survival[SQUARE, group, number] = after, after_square
        # For now the share that goes on; the product follows.
        survival[ALIVE, group, number] = 1 - share
    alive = 1.0
    for number in range(1, NUM_BINS):
        goes_on = survival[ALIVE, group, number] if number <= top else 1 - PRIOR[number]
        survival[ALIVE, group, number] = alive
        alive *= goes_on
    survival[IS_LEARNED, group, 0] = 1.0


@called_njit
def _shrinkage(survival: Floats3, group: int) -> float:
    """The weight of the whole, in replies: next to none where each reply gains more than a nat.

    A client with replies of some hundred tokens, among others with thousands, would else be taken
    for one of these as long as it is little known.
    """
    gain = max(survival[GAINED, group, 0], 0.0) / (survival[JUDGED, group, 0] + DOUBT)
    return float(SHRINKAGE / (1 + gain**4))


@cached_njit
def refresh_with(survival: Floats3, groups: Ints, slots: Ints, made: Ints) -> None:
    """`refresh`, counting the replies of `slots`, of which so many tokens are `made`, as held."""
    for weight in (1.0, -1.0):
        for i in range(slots.size):
            note(survival, HELD, groups, slots[i], made[i], weight)
        if weight > 0:
            refresh(survival)


@called_njit
def known(survival: Floats3, group: int) -> int:
    """The group itself, or that of all where nothing of it was learned yet."""
    return group if survival[IS_LEARNED, group, 0] > 0 else ALL


@cached_njit
def remaining(survival: Floats3, group: int, made: int, max_tokens: int) -> tuple[float, float]:
    """(mean, mean square) of the tokens still to come after `made`, of `max_tokens` at most."""
    group = known(survival, group)
    position = made + 1
    number = min(bin_of(position), NUM_BINS - 2)
    start = first_position(number)
    share = min((position - start) / (first_position(number + 1) - start), 1.0)
    values = survival[MEAN, group], survival[SQUARE, group]
    mean = (1 - share) * values[0][number] + share * values[0][number + 1]
    square = (1 - share) * values[1][number] + share * values[1][number + 1]
    most = float(max(max_tokens - made, 1))
    return min(max(mean, 1.0), most), min(max(square, 1.0), most**2)


@cached_njit
def lower_bound(survival: Floats3, group: int, coverage: float) -> int:
    """The largest length that a share of at least `coverage` of the group's replies has."""
    group = known(survival, group)
    low, high = 1, NUM_BINS - 1
    while high - low > 1:
        middle = (low + high) // 2
        if survival[ALIVE, group, middle] >= coverage:
            low = middle
        else:
            high = middle
    return int(first_position(low))


@called_njit
def probability(survival: Floats3, group: int, what: int, num_tokens: int) -> float:
    """How likely the group held a reply to be about as long, or to outlast where it was cut.

    About: of the two halves of an octave the same one. The bins themselves are too narrow for that:
    a group of fifty replies knows a dozen of such halves, and next to nothing of 3 %.
    """
    if what == CUT:
        likely = survival[ALIVE, group, min(bin_of(num_tokens) + 1, NUM_BINS - 1)]
    else:
        shift = 0
        while num_tokens >> shift >= 4:
            shift += 1
        start = (num_tokens >> shift) << shift
        likely = survival[ALIVE, group, bin_of(start)]
        likely -= survival[ALIVE, group, bin_of(start + (1 << shift))]
    return float(max(likely, 1e-6))
