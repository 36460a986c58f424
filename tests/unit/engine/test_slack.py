"""Who may be admitted beside readers without slack, and who makes way: next to the definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.engine.reading import (
    NUM_SEEN,
    SECONDS_EACH,
    TOTAL_PAUSE,
    WANTED,
    new_readers,
    seconds_each,
)
from amin.engine.rows import MAX_TOKENS, MEAN_REMAINING, NUM_OUTPUT, NUM_PROMPT
from amin.engine.slack import (
    LONG,
    MOST_TO_SLACK,
    OUTRUN,
    TOKENS_AHEAD,
    TOKENS_PER_READ,
    all_take,
    leaves_room,
    tokens_to_slack,
    who_makes_way,
)
from amin.engine.stream_promise import SECONDS_AHEAD
from amin.policy.compiled import NUM_COLUMNS

NOW, BLOCK = 100.0, 16

REQUEST = st.tuples(
    st.sampled_from([0.0, 0.05, 0.1, 1.0]),  # seconds for a token
    st.integers(-100, 200).map(lambda tenths: tenths / 8),  # slack
    st.integers(0, 300),  # tokens made
    st.integers(1, 500),  # prompt
    st.integers(301, 600),  # max_tokens
    st.integers(1, 300),  # tokens that were expected
    st.sampled_from([0.0, 0.05, 0.2]),  # pauses of its reader, as a share of the time to read
    st.integers(0, 4),  # blocks of its prefix that another counts
)


@given(st.lists(REQUEST, min_size=1, max_size=12), st.integers(0, 3000))
def test_what_those_without_slack_take_must_fit(
    requests: list[tuple[float, float, int, int, int, int, float, int]], room: int
) -> None:
    """Into what is free and what those hold who could leave; the last of the list is the new one.

    Who reads at no pace could leave; who has not begun has no slack; and nothing is kept for one
    that runs and whose reader is too fast for the server.
    """
    readers, table = new_readers(len(requests)), np.zeros((len(requests), NUM_COLUMNS), np.int64)
    taken = could_leave = 0
    for slot, (each, slack, made, prompt, most, expected, pauses, same) in enumerate(requests):
        readers[slot, [SECONDS_EACH, WANTED, NUM_SEEN]] = each, NOW + slack, made
        table[slot, [NUM_PROMPT, NUM_OUTPUT, MAX_TOKENS]] = prompt, made, most
        table[slot, MEAN_REMAINING] = expected
        readers[slot, TOTAL_PAUSE] = pauses * made * each
        ahead = min(SECONDS_AHEAD, TOKENS_AHEAD * each)
        lacks = max(ahead - (slack if made else 0.0), 0.0) if each else 0.0
        is_new = slot == len(requests) - 1
        if lacks and (is_new or pauses <= OUTRUN or not made):
            to_make = math.ceil(lacks * TOKENS_PER_READ / each)
            taken += min(to_make, most - made, expected, MOST_TO_SLACK)
        elif not lacks and not is_new:
            could_leave += prompt + made - same * BLOCK
    new, shared = len(requests) - 1, np.array([request[-1] for request in requests[:-1]], np.int64)
    others = all_take(readers, table, shared, np.arange(new), float(BLOCK), NOW)
    is_room = leaves_room(readers, table, new, others, room, NOW)
    assert is_room == (taken <= room + could_leave)


RUNNING = st.tuples(
    st.sampled_from([0.0, 0.1]),  # seconds for a token
    st.integers(0, 60),  # slack
    st.integers(0, 2),  # tokens made
    st.integers(0, 9),  # blocks that it holds alone
)


@given(st.lists(RUNNING, max_size=10), st.integers(1, 30))
def test_those_with_most_slack_make_way(
    running: list[tuple[float, int, int, int]], missing: int
) -> None:
    """As few of them as free the missing blocks, or nobody where all with long slack would not.

    Who has no reader goes before all others; who has not begun stays, and so do equals that came
    later in the list.
    """
    readers = new_readers(len(running) + 1)
    slack = []
    for slot, (each, seconds, made, _) in enumerate(running):
        readers[slot, [SECONDS_EACH, WANTED, NUM_SEEN]] = each, NOW + seconds, made
        slack.append(math.inf if not each else seconds if made else 0)
    able = [place for place in range(len(running)) if slack[place] > LONG]
    expected: list[int] = []
    for place in sorted(able, key=lambda place: -slack[place]):
        if sum(running[other][-1] for other in expected) < missing:
            expected.append(place)
    if sum(running[place][-1] for place in able) < missing:
        expected = []
    private = np.array([blocks for *_, blocks in running], np.int64)
    slots = np.arange(len(running))
    assert who_makes_way(readers, slots, private, missing, NOW).tolist() == expected


@pytest.mark.parametrize(("pace", "kept"), [(5.0, 80), (10.0, 160), (20.0, 160), (40.0, 160)])
def test_a_fast_reader_is_kept_ahead_by_tokens_not_seconds(pace: float, kept: int) -> None:
    """Of a reply that begins, memory for so many tokens is kept: eight seconds of what is read at
    up to ten tokens a second, and no more for those who read faster. Nor more than it is expected
    to make."""
    readers, table = new_readers(1), np.zeros((1, NUM_COLUMNS), np.int64)
    readers[0, SECONDS_EACH] = seconds_each(pace)
    table[0, [MAX_TOKENS, MEAN_REMAINING]] = 1000, 500
    assert tokens_to_slack.py_func(readers, table, 0, 0.0) == kept
    table[0, MEAN_REMAINING] = 30
    assert tokens_to_slack.py_func(readers, table, 0, 0.0) == 30
