"""Prefix caching: what each block holds, who uses it, and in which order blocks are used again.

As vllm/v1/core/block_pool.py and FullAttentionManager do it, block by block: freed blocks keep
what they hold until they are handed out again, those with a full page the later the better. Only
entered where prefix caching is on; without it a count of free blocks decides the same.

A page is what a block can hold: the tokens at one place of one request. `State.pages` has a row for
each page of each request, `State.pool` one for each block, and a last one that is both ends of the
list of free blocks.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Ints
from amin.jit import called_njit, inlined_njit

# What `State.pages` has of each page: the first page of the trace that holds the same tokens after
# the same tokens; its block while the request runs; and, of such a first page, a block that has it.
SAME_AS, BLOCK, CACHED_IN = range(3)

# What `State.pool` has of each block: requests that use it; the page that it holds in full, as
# `SAME_AS` names it; its neighbours in the list of free blocks; another block with the same page.
NUM_USERS, PAGE, BEFORE, AFTER, TWIN = range(5)


def new_cache(num_pages: int, num_blocks: int) -> tuple[Ints, Ints]:
    """(pages, pool) of an empty cache, whose blocks are handed out in order at first."""
    pages = np.full((num_pages, CACHED_IN + 1), -1)
    pool = np.full((num_blocks + 1, TWIN + 1), -1)
    ring = np.arange(num_blocks + 1)
    pool[:, NUM_USERS] = 0
    pool[:, BEFORE], pool[:, AFTER] = np.roll(ring, 1), np.roll(ring, -1)
    return pages, pool


# `first` is the first page of the request that is meant.


@called_njit
def cached_prefix(pages: Ints, pool: Ints, first: int, num_full: int) -> tuple[int, int]:
    """(of the first `num_full` pages so many are in memory, so many of these others use now)."""
    num_shared = 0
    for place in range(num_full):
        block = pages[pages[first + place, SAME_AS], CACHED_IN]
        if block < 0:
            return place, num_shared
        num_shared += pool[block, NUM_USERS] > 0
    return num_full, num_shared


@called_njit
def take(pages: Ints, pool: Ints, first: int, cached: int, held: int, more: int) -> None:
    """Give the request blocks for the pages from `held` on, `more` of them.

    Those before the page `cached` are in memory, and others may use them. For the others free
    blocks are handed out, and what was in them is forgotten.
    """
    for page in range(first + held, first + held + more):
        if page < first + cached:
            block = pages[pages[page, SAME_AS], CACHED_IN]
            if pool[block, NUM_USERS] == 0:
                _unlink(pool, block)
        else:
            block = pool[len(pool) - 1, AFTER]
            _unlink(pool, block)
            _forget(pages, pool, block)
        pool[block, NUM_USERS] += 1
        pages[page, BLOCK] = block


@called_njit
def note_full(pages: Ints, pool: Ints, first: int, before: int, after: int) -> None:
    """The request has `after` full pages in place of `before`: the new ones can be found.

    vLLM notes them when they are scheduled, not when they are computed.
    """
    for place in range(before, after):
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


@called_njit
def release(pages: Ints, pool: Ints, first: int, num_blocks: int) -> int:
    """A request leaves; returns how many blocks that frees. The end of a prefix goes first."""
    freed = 0
    ends = front = len(pool) - 1
    for page in range(first + num_blocks - 1, first - 1, -1):
        block = pages[page, BLOCK]
        pool[block, NUM_USERS] -= 1
        if pool[block, NUM_USERS]:
            continue
        freed += 1
        if pool[block, PAGE] < 0:
            _link(pool, block, front)
            front = block
        else:
            _link(pool, block, pool[ends, BEFORE])
    return freed


@called_njit
def num_private(pages: Ints, pool: Ints, first: int, num_blocks: int) -> int:
    """Blocks that `release` would free."""
    private = 0
    for page in range(first, first + num_blocks):
        private += pool[pages[page, BLOCK], NUM_USERS] == 1
    return private


@inlined_njit
def _link(pool: Ints, block: int, before: int) -> None:
    """Put a block into the list of free ones, after another."""
    after = pool[before, AFTER]
    pool[block, BEFORE], pool[block, AFTER] = before, after
    pool[before, AFTER] = pool[after, BEFORE] = block


@inlined_njit
def _unlink(pool: Ints, block: int) -> None:
    before, after = pool[block, BEFORE], pool[block, AFTER]
    pool[before, AFTER], pool[after, BEFORE] = after, before


@called_njit
def _forget(pages: Ints, pool: Ints, block: int) -> None:
    """The page in this block can no longer be found there."""
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
