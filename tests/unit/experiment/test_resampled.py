"""Other days that might have been, made of pieces of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amin.experiment.resampled import NUM_BLOCKS, resampled
from amin.workload.generate import generate
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.trace import Trace, as_objects
from amin.workload.turns import as_conversations


def _trace(num_requests: int = 200) -> Trace:
    """Of each length there is one, so that a row is known by its length; odd gaps are long."""
    rows = np.arange(1, num_requests + 1)
    return Trace.of_lengths(rows, rows, np.cumsum(1.0 + rows % 2))


def test_pieces_stay_whole_and_in_their_pace() -> None:
    """Neighbours within a piece stay neighbours, as far apart as they were."""
    trace = _trace()
    again = resampled(trace, 3)
    assert len(again) == len(trace)
    step = np.diff(again.num_prompt_tokens)
    inside = step == 1
    assert inside.sum() >= len(trace) - NUM_BLOCKS
    gaps = np.diff(again.arrival_time)
    assert np.array_equal(gaps[inside], 1.0 + again.num_prompt_tokens[1:][inside] % 2)
    assert again.arrival_time[0] == 0
    assert np.array_equal(again.num_prompt_tokens, again.num_output_tokens)


def test_each_seed_is_another_day_and_the_same_one_each_time() -> None:
    """Some pieces are missing, others are there twice."""
    first, again, other = (resampled(_trace(), seed) for seed in (2, 2, 3))
    assert np.array_equal(first.num_prompt_tokens, again.num_prompt_tokens)
    assert not np.array_equal(first.num_prompt_tokens, other.num_prompt_tokens)
    assert len(np.unique(first.num_prompt_tokens)) < len(first)


def test_a_piece_that_comes_again_does_not_find_itself_in_the_cache() -> None:
    """Prefixes of its own are new in a copy; those that other pieces have, too, stay shared."""
    trace = _trace()
    prompts = as_objects([HashedPrompt((7, 1000 + i), 16, 32) for i in range(len(trace))])
    again = resampled(replace(trace, prompt_token_ids=prompts), 2)
    hashes = [prompt.hashes for prompt in again.prompt_token_ids]
    assert {first for first, _ in hashes} == {7}
    assert len({own for _, own in hashes}) == len(trace)


def test_what_cannot_be_cut_is_left_as_it_is() -> None:
    """Conversations, whose turns wait for each other; a handful of requests."""
    turns = as_conversations(generate("lmsys-like", 100, seed=1), 1)
    assert resampled(turns, 2) is turns
    few = _trace(2 * NUM_BLOCKS - 1)
    assert resampled(few, 2) is few
