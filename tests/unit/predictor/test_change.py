"""A class that comes to mean something else is forgotten soon; one that does not is kept."""

from __future__ import annotations

import numpy as np
import pytest

from amin.predictor.choice import SURPRISED
from amin.predictor.features import FEATURES
from amin.predictor.lengths import LearnedLengths
from amin.predictor.survival import FINISHED, SURPRISE, remaining
from amin.request import Request

ROW = np.zeros((1, len(FEATURES)), np.int64)
CLASS = FEATURES.index("class")


class Learner:
    """Replies end whose lengths are memoryless, with the mean of their class."""

    def __init__(self, seed: int) -> None:
        self.lengths = LearnedLengths()
        self.random = np.random.default_rng(seed)

    def ends(self, name: str, mean: float, length: int | None = None) -> int:
        """A reply of this class ends; returns its group."""
        groups = self.lengths.arrived(Request("r", 5, 4000, predicted_class=name))
        self.lengths.learn(groups, length or int(self.random.geometric(1 / mean)), False)
        if self.lengths.is_due:
            self.lengths.refresh(ROW)
        return groups[CLASS]

    def expected(self, group: int) -> float:
        """Tokens that a new reply of the group is expected to have."""
        return float(remaining(self.lengths.survival, group, 0, 4000)[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_class_that_changes_meaning_is_learned_anew(seed: int) -> None:
    """Short for 500 replies, then 20 times as long: after 30 more, half of that is expected.

    Were the 500 remembered, some 40 tokens would be.
    """
    learner = Learner(seed)
    for _ in range(500):
        learner.ends("a", 20)
        learner.ends("b", 400)
    group = learner.ends("a", 20)
    assert learner.expected(group) < 30
    for _ in range(30):
        learner.ends("a", 400)
        learner.ends("b", 400)
    assert 200 < learner.expected(group) < 800


@pytest.mark.parametrize("mean", [20, 100, 150, 400])
def test_a_class_that_stays_as_it_is_is_kept(mean: float) -> None:
    """Of 5,000 replies of a class, next to others of 150 tokens, each counts to the end.

    A quarter of a count at most has faded, since old ones do.
    """
    learner = Learner(7)
    for _ in range(5_000):
        learner.ends("b", 150)
        group = learner.ends("a", mean)
    counted = learner.lengths.survival[FINISHED, group, 1:].sum()
    assert counted > 3_750


def test_a_few_that_are_unlike_the_others_are_no_change() -> None:
    """Three long replies in a row in a class of short ones: it is believed to be short as before.

    Nor does one in fifty, for ever, make it forget.
    """
    learner = Learner(3)
    for _ in range(500):
        learner.ends("a", 20)
        learner.ends("b", 400)
    for _ in range(3):
        group = learner.ends("a", 20, length=3000)
    assert 0 < learner.lengths.survival[SURPRISE, group, 0] <= SURPRISED
    assert learner.lengths.survival[FINISHED, group, 1:].sum() > 480
    for number in range(2_000):
        learner.ends("a", 20, length=3000 if number % 50 == 25 else None)
    assert learner.lengths.survival[FINISHED, group, 1:].sum() > 2_000
