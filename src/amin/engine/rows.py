"""What the coming step asks of memory, and what it will hold: one pass over the running requests.

Compiled over their rows (`amin.policy.compiled`), in the order in which a step serves them, since a
dozen array operations would cost more than the pass itself.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Ints
from amin.jit import cached_njit, called_njit
from amin.policy.compiled import COLUMN

NUM_OUTPUT = COLUMN["num_output_tokens"]
NUM_COMPUTED = COLUMN["num_computed_tokens"]
NUM_PROMPT = COLUMN["num_prompt_tokens"]
MAX_TOKENS = COLUMN["max_tokens"]
LOWER = COLUMN["lower"]
UPPER = COLUMN["upper"]
BOUND = COLUMN["bound"]
PRIORITY = COLUMN["priority"]
ARRIVAL_INDEX = COLUMN["arrival_index"]
ADMISSION = COLUMN["admission_index"]
NUM_PREEMPTIONS = COLUMN["num_preemptions"]
MEAN_REMAINING = COLUMN["mean_remaining"]
SQUARE_REMAINING = COLUMN["mean_square_remaining"]
NUM_CACHED = COLUMN["num_cached_tokens"]

PRIORITY_LIMIT = 2**20
"""Priorities beyond +-2**20 are clamped, so that a rule may pack one with another key."""


@cached_njit
def bounded(bound: int, before: int, max_tokens: int, num_prompt: int, capacity_tokens: int) -> int:
    """A bound never falls below the one `before`, nor asks for more than request or cache allow.

    `capacity_tokens` is the longest sequence that the cache can hold at all.
    """
    limit = max(min(max_tokens, capacity_tokens - num_prompt + 1), 1)
    return max(min(bound, limit), before)


@cached_njit
def hold_nothing(table: Ints, slot: int, num_prompt: int, num_output: int) -> None:
    """A request has so many tokens and waits (again), holding no memory."""
    table[slot, NUM_PROMPT], table[slot, NUM_OUTPUT] = num_prompt, num_output
    table[slot, NUM_COMPUTED] = 0
    table[slot, ADMISSION] = -1


@called_njit
def own_prompt(table: Ints, slot: int) -> int:
    """Tokens of the prompt that the cache did not hold: what it costs."""
    return int(table[slot, NUM_PROMPT] - table[slot, NUM_CACHED])


@called_njit
def num_tokens(table: Ints, slot: int) -> int:
    """Tokens in memory at the end of this step, were the whole prompt computed in it.

    The last token of a reply is never fed back, so it is never in memory. By slot and not by row,
    since a row of a table is a new object, and making one costs more than the rest.
    """
    tokens: int = table[slot, NUM_PROMPT] + min(
        table[slot, NUM_OUTPUT], table[slot, MAX_TOKENS] - 1
    )
    return tokens


@cached_njit
def num_blocks_asked(
    table: Ints, slots: Ints, sizes: Ints, lookahead: int, token_budget: int, chunk: int
) -> int:
    """Blocks that requests ask for in one step of a batch of at most `token_budget` tokens.

    The budget is spent in the order given; a request computes what of its tokens is not yet
    computed, at most `chunk` of them (chunked prefill), and gets `lookahead` slots beyond, which it
    had beyond the computed ones already. `sizes` has the block size of each KV cache group.
    """
    asked = 0
    for slot in slots:
        computed = table[slot, NUM_COMPUTED]
        new = max(min(num_tokens(table, slot) - computed, chunk, token_budget), 0)
        token_budget -= new
        if new:
            for size in sizes:
                before = (computed + lookahead + size - 1) // size
                asked += (computed + new + lookahead + size - 1) // size - before
    return asked


@cached_njit
def steps_to_compute(left: int, ahead: int, num_running: int, token_budget: int, chunk: int) -> int:
    """Steps beyond this one until a prompt is computed, at most.

    `left` of its tokens are yet to be computed; 1 is the next token of a request that decodes,
    which takes no step more. `ahead` tokens of other prompts come before, and each of `num_running`
    requests takes a token of each batch at most beside.
    """
    if left <= 1:
        return 0
    steps = (ahead + left - 1) // max(token_budget - num_running, 1)
    if chunk < token_budget:
        steps += (left - 1) // chunk
    return steps


@cached_njit
def look_ahead(
    table: Ints,
    slots: Ints,
    steps: Ints,
    shared: Ints,
    block_size: int,
    num_growing: int,
    bounded: Ints,
    in_flight: Ints,
    lookahead: int,
    token_budget: int,
    chunk: int,
) -> tuple[Ints, int, int]:
    """(rows of a `Projection`, blocks that the requests hold now, tokens of prompts to compute).

    `steps` are those that each request is forecast to run once its prompt is computed, `shared` the
    blocks, by slot, that another request counts. `bounded` has a row for each group of bounded
    size: its block size, the most blocks while decoding, and while the prompt is computed, which
    lasts as long as its last tokens are `in_flight` (by slot; read for bounded groups alone).
    """
    rows = np.empty((3, slots.size), np.int64)
    num_held = ahead = 0
    for i, slot in enumerate(slots):
        tokens = num_tokens(table, slot)
        left = tokens - table[slot, NUM_COMPUTED]
        held = tokens + lookahead
        remaining = steps[i] + steps_to_compute(left, ahead, slots.size, token_budget, chunk)
        fixed = -shared[slot]
        num_held += (held + block_size - 1) // block_size * num_growing - shared[slot]
        for group in bounded:
            size, decoding = group[0], group[1]
            is_computing = left > 1 or in_flight[slot] > 1 + lookahead
            most = group[2] if is_computing else decoding
            fixed += min((held + remaining + size - 1) // size, most)
            num_held += min((held + size - 1) // size, decoding)
        if left > 1:
            ahead += left
        rows[0, i], rows[1, i], rows[2, i] = held, remaining, fixed
    return rows, num_held, ahead
