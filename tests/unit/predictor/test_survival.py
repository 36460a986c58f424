"""The survival estimate against replies whose distribution is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.predictor.survival import (
    ALL,
    FINISHED,
    HELD,
    NUM_BINS,
    bin_of,
    first_position,
    new_survival,
    note,
    refresh,
    remaining,
)

MANY = 10**6


@given(st.integers(1, 200_000))
def test_bins_are_in_order_and_narrow(position: int) -> None:
    """A position lies in its bin, which is at most 1/32 of it wide."""
    number = bin_of(position)
    assert first_position(number) <= position < first_position(number + 1)
    assert first_position(number + 1) - first_position(number) <= max(position / 32, 1)
    assert number < NUM_BINS


GROUPS = np.arange(3).reshape(-1, 1)
"""A request in slot g is of group g."""


def _learned(lengths: list[int], group: int = ALL, num_groups: int = 1) -> np.ndarray:
    survival = new_survival(num_groups)
    for length in lengths:
        note(survival, FINISHED, GROUPS, group, length, 1.0)
    refresh(survival)
    return survival


@pytest.mark.parametrize("made", [0, 5, 40, 90])
def test_what_remains_is_that_of_the_replies_that_got_there(made: int) -> None:
    """Mean and mean square over the replies that are longer, within the width of the bins."""
    lengths = np.random.default_rng(0).geometric(0.02, 4000) + 10
    survival = _learned(lengths.tolist())
    rest = lengths[lengths > made] - made
    mean, square = remaining(survival, ALL, made, MANY)
    assert mean == pytest.approx(rest.mean(), rel=0.05)
    assert square == pytest.approx((rest**2).mean(), rel=0.08)


def test_no_more_remains_than_the_client_allows() -> None:
    """The cap on the output caps the mean and the square."""
    survival = _learned([500] * 100)
    assert remaining(survival, ALL, 90, 100) == (10, 100)
    assert remaining(survival, ALL, 100, 100) == (1, 1)


def test_replies_that_go_on_count_where_they_have_been() -> None:
    """Half of them ended at 10, half go on at 50: what is left at 0 is longer than 10."""
    ended = _learned([10] * 100)
    going = new_survival(1)
    note(going, FINISHED, GROUPS, ALL, 10, 100.0)
    note(going, HELD, GROUPS, ALL, 50, 100.0)
    refresh(going)
    assert remaining(ended, ALL, 0, MANY)[0] == pytest.approx(10, rel=0.25)
    assert remaining(going, ALL, 0, MANY)[0] > 50


def test_an_unknown_group_is_like_the_whole_and_a_known_one_like_itself() -> None:
    """Ten replies are as much as the whole's word; a thousand are nearly all of it."""
    survival = new_survival(2)
    note(survival, FINISHED, GROUPS, 1, 100, 1000.0)
    refresh(survival)
    whole = remaining(survival, ALL, 0, MANY)[0]
    assert remaining(survival, 2, 0, MANY)[0] == pytest.approx(whole, rel=0.02)
    note(survival, FINISHED, GROUPS, 2, 10, 1000.0)
    refresh(survival)
    assert remaining(survival, 2, 0, MANY)[0] == pytest.approx(10, rel=0.1)
    assert remaining(survival, 1, 0, MANY)[0] == pytest.approx(100, rel=0.1)


def test_before_anything_is_seen_a_reply_has_two_hundred_tokens() -> None:
    """However many it has made."""
    survival = new_survival(1)
    for made in (0, 7, 300, 5000):
        assert remaining(survival, ALL, made, MANY)[0] == pytest.approx(200, rel=0.1)


def test_old_replies_are_forgotten() -> None:
    """After 100,000 ends of 20 tokens, as many of 200 in their place."""
    survival = _learned([20] * 500)
    for _ in range(3000):
        note(survival, FINISHED, GROUPS, ALL, 200, 32.0)
        refresh(survival)
    assert remaining(survival, ALL, 0, MANY)[0] == pytest.approx(200, rel=0.05)
