"""Who may be admitted beside readers that have no slack yet, next to the definition."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from amin.engine.reading import NUM_SEEN, SECONDS_EACH, WANTED, new_readers
from amin.engine.rows import MAX_TOKENS, NUM_OUTPUT, NUM_PROMPT
from amin.engine.stream_promise import MOST_TO_SLACK, SECONDS_AHEAD, TOKENS_PER_READ, leaves_room
from amin.policy.compiled import NUM_COLUMNS

NOW = 100.0

REQUEST = st.tuples(
    st.sampled_from([0.0, 0.05, 0.1, 1.0]),  # seconds for a token
    st.integers(-100, 200).map(lambda tenths: tenths / 8),  # slack
    st.integers(0, 300),  # tokens made
    st.integers(1, 500),  # prompt
    st.integers(301, 600),  # max_tokens
    st.integers(0, 16),  # shared
)


@given(st.lists(REQUEST, min_size=1, max_size=12), st.integers(0, 3000))
def test_what_those_without_slack_take_must_fit(
    requests: list[tuple[float, float, int, int, int, int]], room: int
) -> None:
    """Into what is free and what those hold who could leave; the last of the list is the new one.

    Who reads at no pace could leave; who has not begun has no slack.
    """
    readers, table = new_readers(len(requests)), np.zeros((len(requests), NUM_COLUMNS), np.int64)
    taken = could_leave = 0
    for slot, (each, slack, made, prompt, most, same) in enumerate(requests):
        readers[slot, [SECONDS_EACH, WANTED, NUM_SEEN]] = each, NOW + slack, made
        table[slot, [NUM_PROMPT, NUM_OUTPUT, MAX_TOKENS]] = prompt, made, most
        lacks = max(SECONDS_AHEAD - (slack if made else 0.0), 0.0) if each else 0.0
        if lacks:
            to_make = math.ceil(lacks * TOKENS_PER_READ / each)
            taken += min(to_make, most - made, MOST_TO_SLACK)
        elif slot < len(requests) - 1:
            could_leave += prompt + made - same
    new, shared = len(requests) - 1, np.array([request[-1] for request in requests[:-1]], np.int64)
    is_room = leaves_room(readers, table, shared, np.arange(new), new, room, NOW)
    assert is_room == (taken <= room + could_leave)
