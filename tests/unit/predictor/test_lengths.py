"""Whose replies a length is learned with, and when."""

from __future__ import annotations

import numpy as np
import pytest

from amin.predictor.lengths import MAX_GROUPS, LearnedLengths
from amin.predictor.survival import ALL, ENDS_PER_REFRESH, TOLD, remaining
from amin.request import LengthEstimate, Request

NOBODY = np.zeros(0, np.int64)


def _request(name: str | None = None, hint: LengthEstimate | None = None) -> Request:
    return Request("r", 5, 1000, predicted_class=name, hint=hint)


def test_a_class_has_a_group_of_its_own() -> None:
    """The same one each time; without a class, all; with an interval alone nothing is learned."""
    lengths, hint = LearnedLengths(), LengthEstimate(1, 5)
    first, other = lengths.group(_request("a")), lengths.group(_request("b"))
    assert len({first, other, ALL, TOLD}) == 4
    assert lengths.group(_request("a", hint)) == first
    assert lengths.group(_request()) == ALL
    assert lengths.group(_request(hint=hint)) == TOLD


def test_classes_without_end_take_no_memory_without_end() -> None:
    """Those beyond the last group are learned with all."""
    lengths = LearnedLengths()
    groups = [lengths.group(_request(str(i))) for i in range(10 * MAX_GROUPS)]
    assert max(groups) == MAX_GROUPS
    assert set(groups[MAX_GROUPS:]) == {ALL}


def test_learns_when_enough_has_ended() -> None:
    """Not at every end, and by class."""
    lengths = LearnedLengths()
    for _ in range(ENDS_PER_REFRESH - 1):
        lengths.learn(_request("a"), 10, is_censored=False)
    assert not lengths.is_due
    lengths.learn(_request("a"), 10, is_censored=False)
    assert lengths.is_due
    lengths.refresh(NOBODY, NOBODY)
    assert not lengths.is_due
    mean, _ = remaining(lengths.survival, lengths.group(_request("a")), 0, 1000)
    assert mean < 80


def test_a_reply_that_was_cut_is_longer_than_that() -> None:
    """Cut at 10 as often as ended at 10: what is expected is well above 10."""
    means = []
    for share in (0.0, 0.5):
        lengths = LearnedLengths()
        for i in range(2000):
            lengths.learn(_request(), 10, is_censored=i < share * 2000)
        lengths.refresh(NOBODY, NOBODY)
        means.append(remaining(lengths.survival, ALL, 0, 10_000)[0])
    assert means[0] == pytest.approx(10, rel=0.05)
    assert means[1] > 50


def test_wrong_classes_do_little_harm() -> None:
    """Classes that say nothing lead to what all together say."""
    lengths, rng = LearnedLengths(), np.random.default_rng(0)
    for length in rng.integers(1, 400, 3000).tolist():
        name = str(rng.integers(0, 4))
        lengths.learn(_request(name), length, is_censored=False)
    lengths.refresh(NOBODY, NOBODY)
    all_of_them, _ = remaining(lengths.survival, ALL, 0, 1000)
    for name in "0123":
        mean, _ = remaining(lengths.survival, lengths.group(_request(name)), 0, 1000)
        assert mean == pytest.approx(all_of_them, rel=0.1)
