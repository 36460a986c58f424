"""Prefix caching: what each block holds, who uses it, and in which order blocks are used again.

As vllm/v1/core/block_pool.py and FullAttentionManager do it, block by block: freed blocks keep
what they hold until they are handed out again, those with a full page the later the better. Only
entered where prefix caching is on; without it a count of free blocks decides the same.

A page is what a block can hold: the tokens at one place of one request. `State.pages` has a row for
each page of each request, `State.pool` one for each block, and a last one that is both ends of the
list of free blocks.
"""

from __future__ import annotations

from amin.engine.simulator.state import BLOCKS, PAGES, SLOT, Limits, State
from amin.jit import cached_njit

# What `State.pages` has of each page: the first page of the trace that holds the same tokens after
# the same tokens; its block while the request runs; and, of such a first page, a block that has it.
SAME_AS, BLOCK, CACHED_IN = range(3)

# What `State.pool` has of each block: requests that use it; the page that it holds in full, as
# `SAME_AS` names it; its neighbours in the list of free blocks; another block with the same page.
NUM_USERS, PAGE, BEFORE, AFTER, TWIN = range(5)


@cached_njit
def cached_prefix(state: State, limits: Limits, slot: int, tokens: int) -> tuple[int, int]:
    """(tokens of the request that are in memory, blocks of these that others use now).

    The last of its `tokens` is always computed, since that makes the next one.
    """
    pages, first, num_shared = state.pages, state.facts[slot, PAGES], 0
    num_full = (tokens - 1) // limits.block_size
    for place in range(num_full):
        block = pages[pages[first + place, SAME_AS], CACHED_IN]
        if block < 0:
            return place * limits.block_size, num_shared
        num_shared += state.pool[block, NUM_USERS] > 0
    return num_full * limits.block_size, num_shared


@cached_njit
def adopt(state: State, slot: int, num_blocks: int) -> None:
    """The request uses the cached blocks of its prefix, so many, from now on."""
    pages, pool, first = state.pages, state.pool, state.facts[slot, PAGES]
    for page in range(first, first + num_blocks):
        block = pages[pages[page, SAME_AS], CACHED_IN]
        if pool[block, NUM_USERS] == 0:
            _unlink(state, block)
        pool[block, NUM_USERS] += 1
        pages[page, BLOCK] = block


@cached_njit
def take(state: State, slot: int, held: int, more: int) -> None:
    """Hand out `more` free blocks to a request that holds `held`; what was in them is forgotten."""
    pages, pool, first = state.pages, state.pool, state.facts[slot, PAGES] + held
    for page in range(first, first + more):
        block = pool[len(pool) - 1, AFTER]
        _unlink(state, block)
        _forget(state, block)
        pool[block, NUM_USERS] = 1
        pages[page, BLOCK] = block


@cached_njit
def note_full(state: State, limits: Limits, slot: int, before: int, after: int) -> None:
    """Pages that become full as the request goes from `before` to `after` tokens can be found.

    vLLM notes them when they are scheduled, not when they are computed.
    """
    pages, pool, first = state.pages, state.pool, state.facts[slot, PAGES]
    for place in range(before // limits.block_size, after // limits.block_size):
        block, page = pages[first + place, BLOCK], pages[first + place, SAME_AS]
        pool[block, PAGE], pool[block, TWIN] = page, -1
        if pages[page, CACHED_IN] < 0:
            pages[page, CACHED_IN] = block
            continue
        # The first of twins is found as long as it is there.
        twin = pages[page, CACHED_IN]
        while pool[twin, TWIN] >= 0:
            twin = pool[twin, TWIN]
        pool[twin, TWIN] = block


@cached_njit
def release(state: State, lane: int) -> int:
    """A request leaves; returns how many blocks that frees. The end of a prefix goes first."""
    pages, pool = state.pages, state.pool
    first, freed = state.facts[state.lanes[lane, SLOT], PAGES], 0
    ends = front = len(pool) - 1
    for page in range(first + state.lanes[lane, BLOCKS] - 1, first - 1, -1):
        block = pages[page, BLOCK]
        pool[block, NUM_USERS] -= 1
        if pool[block, NUM_USERS]:
            continue
        freed += 1
        if pool[block, PAGE] < 0:
            _link(state, block, front)
            front = block
        else:
            _link(state, block, pool[ends, BEFORE])
    return freed


@cached_njit
def num_private(state: State, lane: int) -> int:
    """Blocks that `release` would free."""
    first, private = state.facts[state.lanes[lane, SLOT], PAGES], 0
    for page in range(first, first + state.lanes[lane, BLOCKS]):
        private += state.pool[state.pages[page, BLOCK], NUM_USERS] == 1
    return private


@cached_njit
def _link(state: State, block: int, before: int) -> None:
    """Put a block into the list of free ones, after another."""
    pool, after = state.pool, state.pool[before, AFTER]
    pool[block, BEFORE], pool[block, AFTER] = before, after
    pool[before, AFTER] = pool[after, BEFORE] = block


@cached_njit
def _unlink(state: State, block: int) -> None:
    before, after = state.pool[block, BEFORE], state.pool[block, AFTER]
    state.pool[before, AFTER], state.pool[after, BEFORE] = after, before


@cached_njit
def _forget(state: State, block: int) -> None:
    """The page in this block can no longer be found there."""
    pages, pool = state.pages, state.pool
    page, twin = pool[block, PAGE], pool[block, TWIN]
    if page < 0:
        return
    pool[block, PAGE] = -1
    other = pages[page, CACHED_IN]
    if other == block:
        pages[page, CACHED_IN] = twin
        return
    while pool[other, TWIN] != block:
        other = pool[other, TWIN]
    pool[other, TWIN] = twin
