"""Which feature of a request is used to foretell its length: the one that has told most.

Each reply, when it ends, is a test: how likely did the groups of each feature hold it to be, next
to what all replies together say? The logarithms add up, and old ones fade. A feature that tells
nothing gains nothing, since its groups are shrunk towards the whole; a wrong one loses. A request
that lacks the best feature's value, or has one of which nothing is learned, goes by the next best.

What a trusted client tells has some credit from the start. The length that it tells is believed as
long as nothing was learned of such requests; from then on it is whatever they turned out to have.

Compiled, over one array, for the simulator's loop and for the engine's alike.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Floats, Floats3, Ints
from amin.jit import cached_njit, called_njit
from amin.predictor.features import CLASS, TOLD_LENGTH
from amin.predictor.survival import (
    ALL,
    GAINED,
    IS_LEARNED,
    JUDGED,
    SURPRISE,
    TOLD,
    begin_anew,
    known,
    lower_bound,
    probability,
)

WINDOW = 2000.0
"""Replies after which a test counts 1/e."""

MARGIN = 5.0
"""Nats that a feature must have gained to be used."""

SURPRISED = 22.0
"""Nats by which a group foretells its latest replies worse than the whole does, and is forgotten.
By chance so many would come together once in exp(22) times, were the group known for sure; with 12,
groups half of whose replies are lies were forgotten again and again."""

MOST_SURPRISE = 3.0
"""Nats that one reply counts at most: a few that are unlike the others are no change."""

NO_SURPRISE = 0.02
"""Nats by which a group may foretell each of its replies worse: as one does that is like the whole
and known by some hundred replies alone."""


def new_gains(num_features: int) -> Floats:
    """Nats gained by each feature: a credit for what clients are trusted to tell."""
    gains = np.zeros(num_features)
    gains[TOLD_LENGTH], gains[CLASS] = 4 * MARGIN, 2 * MARGIN
    return gains


@cached_njit
def judge(
    gains: Floats, survival: Floats3, groups: Ints, slot: int, what: int, num_tokens: int
) -> None:
    """A reply ended (or was cut, see `amin.predictor.survival`): who foretold it?"""
    if num_tokens > 0 and groups[slot, 0] != TOLD:
        of_all = probability(survival, ALL, what, num_tokens)
        for feature in range(gains.size):
            group = known(survival, groups[slot, feature])
            gain = 0.0
            if group != ALL:
                gain = np.log(probability(survival, group, what, num_tokens) / of_all)
                survival[GAINED, group, 0] += gain - survival[GAINED, group, 0] / WINDOW
                survival[JUDGED, group, 0] += 1 - survival[JUDGED, group, 0] / WINDOW
                _forget_if_surprised(survival, group, gain)
            gains[feature] += gain - gains[feature] / WINDOW


@called_njit
def _forget_if_surprised(survival: Floats3, group: int, gain: float) -> None:
    """A class or a client has come to mean something else: what it meant is worse than nothing.

    Page's test (1954, "Continuous inspection schemes"), of the group against the whole. The group
    is then like all others until its next replies have ended.
    """
    surprise = survival[SURPRISE, group, 0] - max(gain, -MOST_SURPRISE) - NO_SURPRISE
    survival[SURPRISE, group, 0] = max(surprise, 0.0)
    if surprise > SURPRISED:
        begin_anew(survival, group)


@cached_njit
def group_of(survival: Floats3, groups: Ints, gains: Floats, slot: int) -> int:
    """Whose replies foretell this one's length; `TOLD` where the interval told is believed."""
    told = groups[slot, TOLD_LENGTH]
    if told == TOLD:
        return TOLD
    most = MARGIN
    for feature in range(gains.size):
        most = max(most, gains[feature])
    if told > ALL and survival[IS_LEARNED, told, 0] == 0 and gains[TOLD_LENGTH] >= most:
        return TOLD
    return int(learned_group(survival, groups, gains, slot))


@cached_njit
def learned_group(survival: Floats3, groups: Ints, gains: Floats, slot: int) -> int:
    """The same, where nothing that is told is believed."""
    best, most = ALL, MARGIN
    for feature in range(gains.size):
        group = groups[slot, feature]
        if group > ALL and gains[feature] >= most and survival[IS_LEARNED, group, 0] > 0:
            best, most = group, gains[feature]
    return int(best)


@cached_njit
def lower_bound_of(
    survival: Floats3, groups: Ints, gains: Floats, slot: int, coverage: float
) -> int:
    """The length that a share `coverage` of such replies has at least."""
    return int(lower_bound(survival, max(group_of(survival, groups, gains, slot), ALL), coverage))
