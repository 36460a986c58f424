"""What the prefix cache holds of prompts that wait, looked up as `amin.engine.vllm.lookups` does.

`State.lookups` has the turn in which they are looked up again, as a ring of slots; a slot whose
request waits no longer is dropped when it comes up.
"""

from __future__ import annotations

from amin.engine.heap import push, remove
from amin.engine.hindsight import expect_waiting
from amin.engine.promise_books import EXPECTED
from amin.engine.rows import (
    ADMISSION,
    NUM_CACHED,
    NUM_PREEMPTIONS,
    NUM_PROMPT,
    num_tokens,
)
from amin.engine.settings import LOOKUPS_PER_STEP
from amin.engine.simulator.books import books_of
from amin.engine.simulator.prefix_cache import cached_prefix
from amin.engine.simulator.ranks import rank
from amin.engine.simulator.state import NUM_WAITING, PAGES, RANK, WAITING_WORK, Limits, State
from amin.jit import called_njit
from amin.policy.compiled import Rules

# Rows of `State.lookups`: the ring; who is in it, by slot; and where it begins and its size.
RING, IS_IN, PLACE = range(3)
BEGIN, SIZE = 0, 1


@called_njit
def joins(state: State, limits: Limits, slot: int) -> None:
    """It begins to wait: look it up, and put it at the end of the turn."""
    state.table[slot, NUM_CACHED] = _num_cached_tokens(state, limits, slot)
    if not state.lookups[IS_IN, slot]:
        _append(state, slot)


@called_njit
def _append(state: State, slot: int) -> None:
    lookups = state.lookups
    size = lookups.shape[1]
    lookups[RING, (lookups[PLACE, BEGIN] + lookups[PLACE, SIZE]) % size] = slot
    lookups[PLACE, SIZE] += 1
    lookups[IS_IN, slot] = 1


@called_njit
def _num_cached_tokens(state: State, limits: Limits, slot: int) -> int:
    """Tokens of the prompt that the prefix cache holds now."""
    num_pages = (num_tokens(state.table, slot) - 1) // limits.block_size
    cached, _ = cached_prefix(state.pages, state.pool, state.facts[slot, PAGES], num_pages)
    return int(min(cached * limits.block_size, state.table[slot, NUM_PROMPT]))


@called_njit
def look_again(state: State, limits: Limits, rules: Rules) -> None:
    """The next of those who wait."""
    lookups = state.lookups
    for _ in range(min(LOOKUPS_PER_STEP, lookups[PLACE, SIZE])):
        slot = lookups[RING, lookups[PLACE, BEGIN]]
        lookups[PLACE, BEGIN] = (lookups[PLACE, BEGIN] + 1) % lookups.shape[1]
        lookups[PLACE, SIZE] -= 1
        lookups[IS_IN, slot] = 0
        if state.table[slot, ADMISSION] < 0:
            _look_up(state, limits, rules, slot)
            _append(state, slot)


@called_njit
def _look_up(state: State, limits: Limits, rules: Rules, slot: int) -> None:
    """Look up what the cache holds of its prompt; if that has changed, so has its place."""
    cached = _num_cached_tokens(state, limits, slot)
    if cached != state.table[slot, NUM_CACHED]:
        state.table[slot, NUM_CACHED] = cached
        if limits.has_promise:
            before = state.noted[slot, EXPECTED]
            state.clock[WAITING_WORK] += expect_waiting(books_of(state, limits), slot) - before
        if not (limits.preempted_first and state.table[slot, NUM_PREEMPTIONS]):
            num_waiting = state.counts[NUM_WAITING]
            remove(state.heap, num_waiting, slot)
            key = rules.order(state.table, slot)
            level = rank(state, limits, slot) if limits.has_ranks else 0
            push(state.heap, num_waiting - 1, key, state.facts[slot, RANK], slot, level)
