"""What is expected of a reply whose length was told, before anything was learned of such."""

from __future__ import annotations

import numpy as np
import pytest

from amin.engine.expectation import expected
from amin.engine.rows import LOWER, MAX_TOKENS, UPPER
from amin.predictor.survival import ALL, FINISHED, TOLD, new_survival, note, refresh, remaining
from amin.request import RequestView

MAX = 4000


def _told(lower: int, upper: int, made: int) -> tuple[float, float]:
    table = np.zeros((1, len(RequestView._fields)), np.int64)
    table[0, [LOWER, UPPER, MAX_TOKENS]] = lower, upper, MAX
    mean, square = expected(table, SURVIVAL, TOLD, 0, made)
    return float(mean), float(square)


def _learned() -> np.ndarray:
    survival = new_survival(0)
    lengths = np.random.default_rng(0).geometric(0.01, 2000).tolist()
    for length in lengths:
        note(survival, FINISHED, np.zeros((1, 0), np.int64), 0, length, 1.0)
    refresh(survival)
    return survival


SURVIVAL = _learned()


@pytest.mark.parametrize("made", [0, 50, 199])
def test_an_interval_is_believed_in_its_middle(made: int) -> None:
    """From 100 to 300 tokens: 200, less what was made."""
    assert _told(100, 300, made) == (200 - made, (200 - made) ** 2)


@pytest.mark.parametrize("made", [0, 100, 299, 500])
def test_a_lower_bound_alone_is_what_is_sure_and_what_follows(made: int) -> None:
    """At least 300: these, and then what remains of those that get there; beyond, as all others."""
    mean, square = remaining(SURVIVAL, ALL, max(made, 299), MAX)
    sure = max(299 - made, 0)
    assert _told(300, MAX, made) == (mean + sure, square + 2 * sure * mean + sure**2)
    assert mean > 50


def test_who_says_the_cap_is_believed() -> None:
    """A reply that is told to be as long as it may be is exactly so long."""
    assert _told(MAX, MAX, 10) == (MAX - 10, (MAX - 10) ** 2)
