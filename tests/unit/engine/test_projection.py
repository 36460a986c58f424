import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.projection import Projection

Row = tuple[int, int, int]
"""(held, remaining, fixed), as Projection takes them."""

rows = st.tuples(st.integers(1, 120), st.integers(1, 60), st.integers(-3, 5))


def brute_force(requests: list[Row], block_size: int, scale: int) -> int:
    """The peak, by walking every step and rounding every request up to whole blocks."""
    peak = 0
    for k in range(1, max(remaining for _, remaining, _ in requests) + 1):
        used = 0
        for held, remaining, fixed in requests:
            if remaining >= k:
                tokens = held + k - 1
                used += -(-tokens // block_size) * scale + fixed
        peak = max(peak, used)
    return peak


def project(requests: list[Row], block_size: int, scale: int = 1) -> Projection:
    """A projection that counts these requests as running."""
    projection = Projection(block_size, scale)
    columns = np.array(requests, np.int64).reshape(-1, 3).T
    projection.reset(columns)
    return projection


@settings(max_examples=300, deadline=None)
@given(st.lists(rows, max_size=12), rows, st.integers(1, 20), st.integers(1, 3))
def test_peak_is_the_largest_use_at_any_step(
    running: list[Row], candidate: Row, block_size: int, scale: int
) -> None:
    """The fast answer equals a walk over all steps, whatever the block size and groups."""
    expected = brute_force([*running, candidate], block_size, scale)
    assert project(running, block_size, scale).peak_with(*candidate) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(rows, min_size=1, max_size=8), st.integers(1, 20), st.data())
def test_keeping_is_as_good_as_starting_over(
    candidates: list[Row], block_size: int, data: st.DataObject
) -> None:
    """Candidates that are kept count from then on, those that are not kept leave no trace."""
    projection = project([], block_size)
    kept: list[Row] = []
    for candidate in candidates:
        peak = projection.peak_with(*candidate)
        assert peak == brute_force([*kept, candidate], block_size, 1)
        if data.draw(st.booleans()):
            projection.keep()
            kept.append(candidate)
        assert len(projection) == len(kept)


def test_asking_twice_changes_nothing() -> None:
    """`peak_with` does not admit."""
    projection = project([(5, 3, 0)], block_size=4)
    assert projection.peak_with(9, 2, 0) == projection.peak_with(9, 2, 0)
    assert len(projection) == 1


def test_reset_forgets_what_was_kept() -> None:
    """A new step starts from the running requests alone."""
    projection = project([(5, 3, 0)], block_size=4)
    projection.peak_with(100, 100, 0)
    projection.keep()
    none = np.zeros((3, 0), np.int64)
    projection.reset(none)
    assert len(projection) == 0
    assert projection.peak_with(4, 1, 0) == 1


@pytest.mark.parametrize("num_requests", [255, 256, 257, 1000])
def test_any_number_of_requests_fits(num_requests: int) -> None:
    """The table grows, by a reset and by keeping, without losing a row."""
    by_reset = project([(4, 1, 0)] * num_requests, block_size=4)
    by_keeping = project([], block_size=4)
    for _ in range(num_requests):
        by_keeping.peak_with(4, 1, 0)
        by_keeping.keep()
    assert by_reset.peak_with(4, 1, 0) == num_requests + 1
    assert by_keeping.peak_with(4, 1, 0) == num_requests + 1


def test_a_hand_made_case() -> None:
    """Blocks of 4: A holds 4 for 5 steps, B 7 for 2; they meet in step 2 with 2 + 2 blocks.

    Step 1: 1 + 2 = 3. Step 2: 5 and 8 tokens, 2 + 2 = 4. B ends. Step 5: A alone, 8 tokens, 2.
    """
    assert project([(4, 5, 0)], block_size=4).peak_with(7, 2, 0) == 4


def test_a_short_request_fits_before_a_long_one_grows() -> None:
    """Memory that is needed only later is there for a request that ends before.

    The long one ends with 100 tokens, alone; a short one that lasts meets it at 51 + 100 = 151.
    """
    long = (1, 100, 0)
    assert project([long], block_size=1).peak_with(50, 1, 0) == 100
    assert project([long], block_size=1).peak_with(50, 51, 0) == 151


def test_a_shared_prefix_is_counted_once() -> None:
    """A negative `fixed` takes off the blocks that another request counts."""
    assert project([(16, 1, 0)], block_size=4).peak_with(16, 1, -3) == 5
