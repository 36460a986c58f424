"""One pass over the rows of the running requests, against a count by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.rows import look_ahead, num_blocks_asked, num_tokens, steps_to_compute
from amin.policy.compiled import COLUMN, Slots, Table

NO_GROUPS = np.zeros((0, 3), np.int64)


def table_of(
    requests: Sequence[tuple[int, int, int]], max_tokens: int = 1000
) -> tuple[Table, Slots]:
    """(prompt, output, computed) of each, in rows that are not in the order of service."""
    table = np.zeros((len(requests) + 1, len(COLUMN)), np.int64)
    slots = np.arange(len(requests), 0, -1)
    names = ("num_prompt_tokens", "num_output_tokens", "num_computed_tokens")
    for slot, request in zip(slots, requests, strict=True):
        for name, value in zip(names, request, strict=True):
            table[slot, COLUMN[name]] = value
        table[slot, COLUMN["max_tokens"]] = max_tokens
    return table, slots


@pytest.mark.parametrize(("output", "tokens"), [(0, 10), (1, 11), (4, 14), (5, 14)])
def test_the_last_token_is_never_in_memory(output: int, tokens: int) -> None:
    """A prompt of 10 and at most 5 tokens: the fifth is not fed back."""
    table, slots = table_of([(10, output, 0)], max_tokens=5)
    assert num_tokens(table, slots[0]) == tokens


@pytest.mark.parametrize(
    ("request_", "shared", "in_flight", "held", "remaining", "fixed", "num_held"),
    [
        # Decodes: 20 tokens and 3 slots beyond are 6 blocks of 4. 29 at the end fill 8 blocks of
        # 4, but the window keeps 3 while decoding, and 1 of state.
        ((10, 10, 19), 0, 0, 23, 6, 3 + 1, 6 + 3 + 1),
        # The same with its latest token, and 3 drafts, in flight.
        ((10, 10, 19), 0, 4, 23, 6, 3 + 1, 6 + 3 + 1),
        # The same with the last 5 tokens of the prompt in flight: the window has not moved on yet.
        ((10, 10, 19), 0, 5, 23, 6, 7 + 2, 6 + 3 + 1),
        # The same, 2 blocks of it counted by another one.
        ((10, 10, 19), 2, 0, 23, 6, 3 + 1 - 2, 6 + 3 + 1 - 2),
        # Computes: 12 of 20 are left, two steps more of 5; the window keeps 7, and 2 of state.
        ((20, 0, 8), 0, 0, 23, 6 + 2, 7 + 2, 6 + 3 + 1),
    ],
)
def test_what_a_request_holds_now_and_in_the_end(
    request_: tuple[int, int, int],
    shared: int,
    in_flight: int,
    held: int,
    remaining: int,
    fixed: int,
    num_held: int,
) -> None:
    """Blocks of 4 in a group that grows, one with a window (3, then 7) and one of state (1, 2)."""
    table, slots = table_of([request_])
    of_another, under_way = np.zeros((2, len(table)), np.int64)
    of_another[slots], under_way[slots] = shared, in_flight
    groups = np.array([[4, 3, 7], [16, 1, 2]], np.int64)
    rows, explained, _ = look_ahead(
        table, slots, np.array([6]), of_another, 4, 1, groups, under_way, 3, 6, 6
    )
    assert rows[:, 0].tolist() == [held, remaining, fixed]
    assert explained == num_held


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=10),
    st.integers(1, 9),
    st.integers(0, 80),
    st.integers(1, 80),
    st.integers(0, 12),
)
def test_blocks_asked_follow_the_batch(
    requests: list[tuple[int, int]], block_size: int, budget: int, chunk: int, lookahead: int
) -> None:
    """Token by token: each takes what it lacks, its chunk or what is left of the batch."""
    expected, left = 0, budget
    for held, computed in requests:
        taken = 0
        while computed + taken < held and taken < chunk and left > 0:
            # The next token opens a block if those before it fill theirs.
            expected += (computed + lookahead + taken) % block_size == 0
            taken += 1
            left -= 1
    table, slots = table_of([(held - 1, 1, computed) for held, computed in requests])
    sizes = np.array([block_size, block_size], np.int64)
    got = num_blocks_asked(table, slots, sizes, lookahead, budget, chunk)
    assert got == 2 * expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
    st.integers(9, 40),
    st.integers(1, 50),
)
def test_prompts_are_computed_by_the_step_that_is_said(
    left: list[int], budget: int, chunk: int
) -> None:
    """Served in order, a token for everybody who decodes first: nobody takes longer, in any batch.

    And where one prompt runs alone in whole batches, it takes just as long.
    """
    table, slots = table_of([(tokens + 9, 0, 9) for tokens in left])
    rows, _, ahead = look_ahead(
        table,
        slots,
        np.ones_like(slots),
        np.zeros(len(table), np.int64),
        4,
        1,
        NO_GROUPS,
        np.zeros(len(table), np.int64),
        0,
        budget,
        chunk,
    )
    said = (rows[1] - 1).tolist()
    assert ahead == sum(tokens for tokens in left if tokens > 1)
    rest, step = list(left), 0
    while any(tokens > 0 for tokens in rest):
        room = budget - sum(
            tokens <= 0 or first == 1 for tokens, first in zip(rest, left, strict=True)
        )
        for i, first in enumerate(left):
            if first == 1:
                rest[i] = 0
            elif rest[i] > 0:
                taken = min(rest[i], room, chunk)
                room -= taken
                rest[i] -= taken
                if rest[i] == 0:
                    assert step <= said[i]
        step += 1
    assert [steps for steps, first in zip(said, left, strict=True) if first == 1] == [
        0
    ] * left.count(1)
    assert steps_to_compute(left[0], 0, 0, budget, budget) == (left[0] - 1) // budget


@pytest.mark.parametrize(
    ("left", "ahead", "num_running", "budget", "chunk", "steps"),
    [
        (1, 50, 3, 4, 4, 0),  # the next token of one that decodes
        (10, 0, 0, 4, 4, 2),  # 10 tokens in batches of 4: two more after this one
        (10, 6, 0, 4, 4, 3),  # behind 6 others
        (10, 6, 2, 4, 4, 7),  # and two of each batch are taken by those who decode
        (10, 0, 9, 4, 4, 9),  # a batch full of decoding: one token each, at the worst
        (6, 0, 0, 100, 3, 1),  # chunks of 3, whatever the batch
        (7, 0, 0, 100, 3, 2),
    ],
)
def test_steps_to_compute_by_hand(
    left: int, ahead: int, num_running: int, budget: int, chunk: int, steps: int
) -> None:
    """The step that computes the last token, counted from the coming one."""
    assert steps_to_compute(left, ahead, num_running, budget, chunk) == steps
