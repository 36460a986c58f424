"""Which pages of a trace count as the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.simulator.pages import number_pages
from amin.engine.step_time import StepTime
from amin.errors import ConfigError
from amin.request import Request
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.interface import Job
from amin.workload.trace import Trace, as_objects

prompts = st.lists(
    st.one_of(
        st.lists(st.integers(0, 1), max_size=12).map(tuple),
        st.lists(st.integers(0, 1), max_size=4).map(
            lambda hashes: HashedPrompt(tuple(hashes), 3, max(3 * len(hashes) - 1, 0))
        ),
    ),
    max_size=8,
)


@given(prompts, st.integers(1, 5), st.integers(1, 9))
def test_pages_are_the_same_where_all_tokens_up_to_their_end_are(
    found: list[tuple[int, ...]], page_size: int, reply: int
) -> None:
    """By a comparison of the tokens themselves, within each kind of prompt."""
    lengths = np.array([len(prompt) + reply for prompt in found], np.int64)
    none = np.empty(0, np.object_)
    starts, same_as = number_pages(as_objects(found), none, lengths, page_size)
    first: dict[object, int] = {}
    for start, prompt, length in zip(starts.tolist(), found, lengths.tolist(), strict=True):
        for place in range(-(-length // page_size)):
            end, page = (place + 1) * page_size, start + place
            expected = page
            if end <= len(prompt):
                expected = first.setdefault((type(prompt), tuple(prompt[:end])), page)
            assert same_as[page] == expected


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1), st.integers(1, 4))
def test_a_prompt_that_begins_with_a_reply_has_its_pages(
    turns: list[tuple[int, int]], page_size: int
) -> None:
    """A conversation's pages are the same in each turn, as far as both turns reach; whether the
    tokens of prompt and reply are written out, or hashed in blocks of three."""
    prompts, replies, said = [], [], 0
    for new, reply in turns:
        end = said + new
        tokens = [7 + i // 3 for i in range(end + reply)]
        prompts.append(HashedPrompt(tuple(tokens[:end:3]), 3, end))
        offset = end % 3
        replies.append(HashedPrompt(tuple(tokens[end - offset :: 3]), 3, reply, offset))
        assert list(prompts[-1]) + list(replies[-1]) == tokens
        said = end + reply
    lengths = np.array([len(p) + len(r) for p, r in zip(prompts, replies, strict=True)])
    for written in (False, True):
        given_prompts = [tuple(p) if written else p for p in prompts]
        given_replies = [tuple(r) if written else r for r in replies]
        starts, same_as = number_pages(
            as_objects(given_prompts), as_objects(given_replies), lengths, page_size
        )
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            for place in range(length // page_size):
                first = int(np.argmax(lengths // page_size > place))
                assert same_as[start + place] == starts[first] + place


def test_a_hashed_prompt_is_a_sequence_of_its_hashes() -> None:
    """Each token is the hash of its block; the last block may be cut."""
    assert list(HashedPrompt((7, 9), 3, 5)) == [7, 7, 7, 9, 9]
    assert HashedPrompt((7, 9), 3, 5)[2:4] == [7, 9]
    assert HashedPrompt((7, 9), 3, 5)[-1] == 9
    with pytest.raises(ConfigError, match="hashes: got 1, allowed: 2, one for every 3 of 5 tokens"):
        HashedPrompt((7,), 3, 5)


def test_prefix_caching_is_for_the_engine_that_keeps_tokens() -> None:
    """The paper's model and other evictions have none: one line says so."""
    with pytest.raises(ConfigError, match="enable_prefix_caching: got True with eviction 'swap'"):
        SimulatorConfig(8, eviction="swap", enable_prefix_caching=True)


def test_a_shared_prefix_counts_once_and_is_computed_once() -> None:
    """Ten requests with one prompt of 32 tokens, in blocks of 4, fit where one and its replies do.

    All but the first compute the last of its blocks alone, since the last token makes the next.
    """
    prompt = HashedPrompt((1,), 32, 32)
    jobs = [Job(Request(f"r{i}", 32, 4, 0.0, prompt_token_ids=prompt), 4) for i in range(10)]
    config = SimulatorConfig(30, 4, enable_prefix_caching=True, step_time=StepTime(1, 1))
    simulation = SimulatedEngine(config, "vllm-fcfs").simulate(Trace.of(jobs))
    columns = simulation.columns()
    assert columns.num_preemptions.sum() == 0
    # 7 shared blocks, and 2 for each.
    assert simulation.peak_kv_tokens == (7 + 10 * 2) * 4
    assert (columns.first_token_time == 1 + 32 + 9 * 4).all()
