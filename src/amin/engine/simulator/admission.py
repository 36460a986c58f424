"""The waiting requests of a step: who is admitted, as vLLM and the memory forecast allow.

As vllm/v1/core/sched/scheduler.py, Scheduler.schedule, does it in its second half, and before it
the forecast of `amin.engine.vllm.memory`, made of the same compiled parts.
"""

from __future__ import annotations

import numpy as np

from amin.engine.projection import insert, peak, remove
from amin.engine.rows import (
    NUM_COMPUTED,
    look_ahead,
    num_blocks_asked,
    num_tokens,
    steps_to_compute,
)
from amin.engine.simulator.heap import SLOT, pop
from amin.engine.simulator.running import ADMISSION, num_blocks_for
from amin.engine.simulator.state import (
    CANDIDATE,
    CANDIDATE_COLUMN,
    CANDIDATE_TOKENS,
    CHUNK,
    FIRST_SCHEDULED,
    NUM_ADMISSIONS,
    NUM_FREE_BLOCKS,
    NUM_PROJECTED,
    NUM_RUNNING,
    NUM_SWAPPED_TOKENS,
    NUM_WAITING,
    TOKEN_BUDGET,
    TOKENS_AHEAD,
    Limits,
    State,
)
from amin.jit import cached_njit
from amin.policy.compiled import Rules, ask


@cached_njit
def admit(state: State, limits: Limits, rules: Rules) -> None:
    """Admit from the head of the queue until one must wait."""
    count = state.counts
    count[NUM_PROJECTED] = -1
    while count[TOKEN_BUDGET] > 0 and count[NUM_WAITING] > 0:
        slot = state.heap[SLOT, 0]
        if count[NUM_RUNNING] >= limits.max_num_seqs:
            return
        if limits.has_forecast and not _is_forecast_to_fit(state, limits, rules, slot):
            return
        tokens, start = num_tokens(state.table[slot]), state.swapped[slot]
        new = min(tokens - start, count[CHUNK], count[TOKEN_BUDGET])
        blocks = num_blocks_for(limits, start + new + limits.lookahead)
        margin = limits.watermark if count[NUM_RUNNING] else 0
        # vLLM wants the whole prompt to fit, though it computes but a chunk of it now.
        if max(num_blocks_for(limits, tokens), blocks) + margin > count[NUM_FREE_BLOCKS]:
            return
        pop(state.heap, count[NUM_WAITING])
        count[NUM_WAITING] -= 1
        _start(state, slot, blocks, start, new)


@cached_njit
def _start(state: State, slot: int, blocks: int, start: int, new: int) -> None:
    count, row = state.counts, state.table[slot]
    count[NUM_SWAPPED_TOKENS] += start
    state.swapped[slot] = 0
    row[NUM_COMPUTED] = start
    row[ADMISSION] = count[NUM_ADMISSIONS]
    count[NUM_ADMISSIONS] += 1
    state.running[count[NUM_RUNNING]] = slot
    count[NUM_RUNNING] += 1
    state.blocks[slot] = blocks
    count[NUM_FREE_BLOCKS] -= blocks
    state.scheduled[slot] = new
    count[TOKEN_BUDGET] -= new
    if np.isnan(state.times[slot, FIRST_SCHEDULED]):
        state.times[slot, FIRST_SCHEDULED] = state.clock[0]


@cached_njit
def _is_forecast_to_fit(state: State, limits: Limits, rules: Rules, slot: int) -> bool:
    """As `amin.engine.vllm.memory.Memory.admits`; an idle engine admits anything."""
    count, num_running = state.counts, state.counts[NUM_RUNNING]
    if num_running == 0:
        return True
    room = limits.num_blocks - limits.watermark
    tokens = num_tokens(state.table[slot])
    if num_blocks_for(limits, tokens) > count[NUM_FREE_BLOCKS] - limits.watermark:
        return False
    if count[NUM_PROJECTED] >= 0 and count[CANDIDATE] == state.running[num_running - 1]:
        count[NUM_PROJECTED] += 1
        count[TOKENS_AHEAD] += count[CANDIDATE_TOKENS]
        count[CANDIDATE_COLUMN] = -1
    if count[NUM_PROJECTED] != num_running:
        _project(state, limits, rules)
    count[CANDIDATE], count[CANDIDATE_TOKENS] = slot, tokens
    steps = max(ask(rules.forecast, state.table[slot]), limits.forecast_floor)
    budget, chunk = limits.max_num_batched_tokens, count[CHUNK]
    left = tokens - state.swapped[slot]
    steps += steps_to_compute(left, count[TOKENS_AHEAD], num_running, budget, chunk)
    if count[CANDIDATE_COLUMN] >= 0:
        remove(state.rows, num_running, count[CANDIDATE_COLUMN])
    held = tokens + limits.lookahead
    count[CANDIDATE_COLUMN] = insert(state.rows, num_running, held, steps, 0)
    return bool(peak(state.rows, num_running + 1, limits.block_size, 1) <= room)


@cached_njit
def _project(state: State, limits: Limits, rules: Rules) -> None:
    """Start the forecast of this step's admissions over."""
    count = state.counts
    slots = state.running[: count[NUM_RUNNING]]
    steps = np.empty(slots.size, np.int64)
    for i in range(slots.size):
        steps[i] = max(ask(rules.forecast, state.table[slots[i]]), limits.forecast_floor)
    rows, _, count[TOKENS_AHEAD] = look_ahead(
        state.table, slots, steps, state.shared, limits.block_size, 1,
        np.empty((0, 3), np.int64), limits.lookahead, limits.max_num_batched_tokens, count[CHUNK],
    )  # fmt: skip
    order = np.argsort(-rows[1])
    for i in range(slots.size):
        state.rows[:, i] = rows[:, order[i]]
    count[NUM_PROJECTED] = slots.size
    count[CANDIDATE] = count[CANDIDATE_COLUMN] = -1


@cached_njit
def move_victims(state: State, limits: Limits, rules: Rules) -> None:
    """Put who must leave in this step at the end of ``running``, first to leave last.

    As `amin.engine.vllm.memory.Memory.victims`.
    """
    count = state.counts
    size, free = count[NUM_RUNNING], count[NUM_FREE_BLOCKS]
    running, sizes = state.running, np.full(1, limits.block_size)
    limit = limits.lookahead, limits.max_num_batched_tokens, count[CHUNK]
    if num_blocks_asked(state.table, running[:size], sizes, *limit) <= free:
        return
    keys = np.empty(size, np.int64)
    for i in range(size):
        keys[i] = ask(rules.preemption_order, state.table[running[i]])
    staying = size
    while staying > 0:
        first = 0
        for i in range(1, staying):
            tie, other = state.tie[running[i]], state.tie[running[first]]
            if keys[i] < keys[first] or (keys[i] == keys[first] and tie < other):
                first = i
        victim, key = running[first], keys[first]
        for i in range(first, staying - 1):
            running[i], keys[i] = running[i + 1], keys[i + 1]
        staying -= 1
        running[staying], keys[staying] = victim, key
        free += state.blocks[victim]
        if num_blocks_asked(state.table, running[:staying], sizes, *limit) <= free:
            return
