"""Which feature of a request is used to foretell its length: the one that has told most.

Each reply, when it ends, is a test: how likely did the groups of each feature hold it to be, next
to what all replies together say? The logarithms add up, and old ones fade. A feature that tells
nothing gains nothing, since its groups are shrunk towards the whole; a wrong one loses.

Compiled, over one array, for the simulator's loop and for the engine's alike.
"""

from __future__ import annotations

import numpy as np

from amin.jit import cached_njit
from amin.predictor.survival import ALL, TOLD, Floats, Floats3, Ints, known, probability

NONE = -1
"""No feature: all replies are learned together."""

WINDOW = 2000.0
"""Replies after which a test counts 1/e."""

MARGIN = 5.0
"""Nats by which another feature must be ahead to take over."""


def new_gains(num_features: int) -> Floats:
    """Nats gained by each feature, and in the last place the number of the one that is used.

    The first one is the class that a trusted client names: used until it fails.
    """
    gains = np.zeros(num_features + 1)
    gains[0] = MARGIN
    return gains


@cached_njit
def judge(
    gains: Floats, survival: Floats3, groups: Ints, slot: int, what: int, num_tokens: int
) -> None:
    """A reply ended (or was cut, see `amin.predictor.survival`): who foretold it?"""
    if num_tokens > 0 and groups[slot, 0] != TOLD:
        of_all = probability(survival, ALL, what, num_tokens)
        for feature in range(groups.shape[1]):
            group = known(survival, groups[slot, feature])
            gain = 0.0
            if group != ALL:
                gain = np.log(probability(survival, group, what, num_tokens) / of_all)
            gains[feature] += gain - gains[feature] / WINDOW


@cached_njit
def choose(gains: Floats) -> None:
    """Note which feature to use from now on."""
    num_features = gains.size - 1
    chosen = int(gains[num_features])
    best = 0
    for feature in range(num_features):
        if gains[feature] > gains[best]:
            best = feature
    standing = gains[chosen] if chosen != NONE else 0.0
    if gains[best] > max(standing, 0.0) + MARGIN:
        chosen = best
    elif standing < -MARGIN:
        chosen = NONE
    gains[num_features] = chosen


@cached_njit
def group_of(groups: Ints, gains: Floats, slot: int) -> int:
    """Whose replies foretell this one's length."""
    chosen = int(gains[gains.size - 1])
    if groups[slot, 0] == TOLD:
        return TOLD
    return ALL if chosen == NONE else int(groups[slot, chosen])
