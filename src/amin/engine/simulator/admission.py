"""The waiting requests of a step: who is admitted, as vLLM and the memory forecast allow.

As vllm/v1/core/sched/scheduler.py, Scheduler.schedule, does it in its second half, and before it
the forecast of `amin.engine.vllm.memory`, made of the same compiled parts.
"""

from __future__ import annotations

import numpy as np

from amin.engine.heap import SLOT as HEAP_SLOT
from amin.engine.heap import pop, remove
from amin.engine.projection import peak_with, put_in_order
from amin.engine.promise import overdue
from amin.engine.promise_books import EXPECTED, FATE, RUNNING
from amin.engine.rows import (
    ADMISSION,
    NUM_COMPUTED,
    NUM_OUTPUT,
    NUM_PROMPT,
    PRIORITY,
    look_ahead,
    num_tokens,
    steps_to_compute,
)
from amin.engine.simulator.books import promise_now
from amin.engine.simulator.prefix_cache import cached_prefix, note_full, take
from amin.engine.simulator.ranks import has_turn, num_kept_free
from amin.engine.simulator.running import num_blocks_for, running_slots, slot_at
from amin.engine.simulator.state import (
    BLOCKS,
    BY_PROMISE,
    CANDIDATE,
    CANDIDATE_COLUMN,
    CANDIDATE_TOKENS,
    CHUNK,
    COMPUTED,
    FIRST_SCHEDULED,
    FREE,
    FRONTIER,
    LANE_FRONTIER,
    LAST,
    LENGTH,
    MADE_WAY_FOR,
    NUM_ADMISSIONS,
    NUM_FREE_BLOCKS,
    NUM_FREE_LANES,
    NUM_PROJECTED,
    NUM_RUNNING,
    NUM_SWAPPED_TOKENS,
    NUM_UNEXPLAINED,
    NUM_WAITING,
    PAGES,
    REFUSED,
    SCHEDULED,
    SECONDS,
    SLOT,
    SWAPPED,
    TOKEN_BUDGET,
    TOKENS,
    TOKENS_AHEAD,
    TURN,
    WAITING_WORK,
    WORK_DONE,
    Limits,
    State,
)
from amin.engine.slack import takes, tokens_to_slack
from amin.engine.stream_promise import is_back, pressing
from amin.jit import inlined_njit
from amin.policy.compiled import Rules
from amin.predictor.survival import HELD, note


@inlined_njit
def admit(state: State, limits: Limits, rules: Rules) -> None:
    """Admit from the head of the queue until one must wait."""
    counts = state.counts
    counts[NUM_PROJECTED] = -1
    while counts[TOKEN_BUDGET] > 0 and counts[NUM_WAITING] > 0:
        slot = state.heap[HEAP_SLOT, 0]
        due = _due(state, limits)
        slot = due if due >= 0 else slot
        if counts[NUM_RUNNING] >= limits.max_num_seqs:
            break
        if counts[MADE_WAY_FOR] >= 0 and counts[MADE_WAY_FOR] != slot:
            break
        tokens, start, shared = num_tokens(state.table, slot), state.facts[slot, SWAPPED], 0
        if limits.has_prefix_cache:
            # The last token is always computed, since that makes the next one.
            start, shared = cached_prefix(
                state.pages, state.pool, state.facts[slot, PAGES], (tokens - 1) // limits.block_size
            )
            start *= limits.block_size
        state.shared[slot] = shared
        new = min(tokens - start, counts[CHUNK], counts[TOKEN_BUDGET])
        blocks = num_blocks_for(limits, start + new + limits.lookahead)
        margin = kept = 0
        if counts[NUM_RUNNING]:
            if limits.has_fair_share:
                kept = num_kept_free(state, limits, slot)
            margin = limits.watermark + kept
        # vLLM wants the whole prompt to fit, though it computes but a chunk of it now.
        whole = max(num_blocks_for(limits, tokens), blocks) - shared
        if whole + margin > counts[NUM_FREE_BLOCKS]:
            break
        if limits.has_stream_promise and counts[NUM_RUNNING]:
            room = counts[NUM_FREE_BLOCKS] - kept - num_blocks_for(limits, tokens) + shared
            if not _leaves_room(state, limits, slot, room * limits.block_size):
                break
        left = tokens - start
        if limits.has_forecast and not _is_forecast_to_fit(state, limits, rules, slot, left):
            break
        if np.isnan(state.times[slot, FIRST_SCHEDULED]):
            state.facts[slot, BY_PROMISE] = due >= 0 and due != state.heap[HEAP_SLOT, 0]
        if due >= 0:
            remove(state.heap, counts[NUM_WAITING], slot)
        else:
            pop(state.heap, counts[NUM_WAITING])
        counts[NUM_WAITING] -= 1
        if limits.has_promise:
            state.queues[FATE, slot] = RUNNING
            state.clock[WAITING_WORK] -= state.noted[slot, EXPECTED]
        if limits.has_stream_promise:
            is_back(state.returning, slot)
        if limits.learns:
            made = state.table[slot, NUM_OUTPUT]
            note(state.survival, HELD, state.groups, slot, made, -1.0)
        _start(state, slot, blocks, start, new)
        if limits.has_fair_share:
            has_turn(state, limits, slot)
        if limits.has_prefix_cache:
            first, cached = state.facts[slot, PAGES], start // limits.block_size
            full = (start + new) // limits.block_size
            take(state.pages, state.pool, first, cached, 0, blocks)
            note_full(state.pages, state.pool, first, cached, full)


@inlined_njit
def _leaves_room(state: State, limits: Limits, slot: int, room: int) -> bool:
    """As `amin.engine.slack.leaves_room`, by lanes."""
    now = state.clock[SECONDS]
    taken = tokens_to_slack(state.readers, state.table, slot, now)
    for lane in state.running[: state.counts[NUM_RUNNING]]:
        other = state.lanes[lane, SLOT]
        held = state.lanes[lane, TOKENS] - state.shared[other] * limits.block_size
        taken += takes(state.readers, state.table, other, held, now)
    return bool(taken <= room)


@inlined_njit
def _due(state: State, limits: Limits) -> int:
    """Who goes next whatever the policy says, by the stream promise or the tail promise; or -1."""
    slot = -1
    if limits.has_stream_promise:
        slot = pressing(state.returning, state.clock[SECONDS])
        if slot >= 0 and limits.has_priorities:
            head = state.heap[HEAP_SLOT, 0]
            if state.table[slot, PRIORITY] > state.table[head, PRIORITY]:
                slot = -1
    if slot < 0 and limits.has_promise:
        promise = promise_now(state, limits)
        slot = overdue(state.noted, state.queues, state.crowd, state.clock[WORK_DONE], promise)
        head = state.heap[HEAP_SLOT, 0]
        if slot >= 0 and state.facts[slot, TURN] > state.facts[head, TURN]:
            slot = -1
    return slot


@inlined_njit
def _start(state: State, slot: int, blocks: int, start: int, new: int) -> None:
    counts, table = state.counts, state.table
    counts[NUM_SWAPPED_TOKENS] += state.facts[slot, SWAPPED]
    state.facts[slot, SWAPPED] = 0
    table[slot, NUM_COMPUTED] = start
    table[slot, ADMISSION] = counts[NUM_ADMISSIONS]
    counts[NUM_ADMISSIONS] += 1
    counts[NUM_FREE_LANES] -= 1
    lane = state.lanes[counts[NUM_FREE_LANES], FREE]
    state.running[counts[NUM_RUNNING]] = lane
    counts[NUM_RUNNING] += 1
    counts[NUM_FREE_BLOCKS] -= blocks - state.shared[slot]
    counts[TOKEN_BUDGET] -= new
    lanes = state.lanes
    lanes[lane, SLOT] = slot
    lanes[lane, TOKENS] = num_tokens(table, slot)
    lanes[lane, COMPUTED] = start
    lanes[lane, LAST] = table[slot, NUM_PROMPT] + state.facts[slot, LENGTH]
    lanes[lane, BLOCKS] = blocks
    lanes[lane, SCHEDULED] = new
    lanes[lane, LANE_FRONTIER] = state.facts[slot, FRONTIER]
    if np.isnan(state.times[slot, FIRST_SCHEDULED]):
        state.times[slot, FIRST_SCHEDULED] = state.clock[SECONDS]


@inlined_njit
def _is_forecast_to_fit(state: State, limits: Limits, rules: Rules, slot: int, left: int) -> bool:
    """As `amin.engine.vllm.memory.Memory.admits`; an idle engine admits anything.

    `left` of its tokens are yet to be computed.
    """
    counts, num_running = state.counts, state.counts[NUM_RUNNING]
    fits = bool(num_running == 0)
    if num_running and counts[REFUSED] != slot:
        room, tokens = limits.num_blocks - limits.watermark, num_tokens(state.table, slot)
        if counts[NUM_PROJECTED] >= 0 and counts[CANDIDATE] == slot_at(state, num_running - 1):
            counts[NUM_PROJECTED] += 1
            counts[TOKENS_AHEAD] += counts[CANDIDATE_TOKENS]
            counts[CANDIDATE_COLUMN] = -1
        if counts[NUM_PROJECTED] != num_running:
            # With prefix caching, ever more of a prefix may be shared.
            if not limits.has_prefix_cache and _least_peak(state, limits, tokens) > room:
                counts[REFUSED] = slot
            else:
                _project(state, limits, rules)
        if counts[REFUSED] != slot:
            fits = bool(_peak_with(state, limits, rules, slot, left) <= room)
    return fits


@inlined_njit
def _peak_with(state: State, limits: Limits, rules: Rules, slot: int, left: int) -> int:
    """The most blocks in use at any future step if this request is admitted, too."""
    counts, num_running = state.counts, state.counts[NUM_RUNNING]
    counts[CANDIDATE], counts[CANDIDATE_TOKENS] = slot, left if left > 1 else 0
    held = num_tokens(state.table, slot) + limits.lookahead
    steps = max(rules.forecast(state.table, slot), limits.forecast_floor)
    budget, chunk = limits.max_num_batched_tokens, counts[CHUNK]
    steps += steps_to_compute(left, counts[TOKENS_AHEAD], num_running, budget, chunk)
    counts[CANDIDATE_COLUMN], blocks = peak_with(
        state.rows, num_running, counts[CANDIDATE_COLUMN], held, steps,
        -state.shared[slot], limits.block_size, 1,
    )  # fmt: skip
    return int(blocks + counts[NUM_UNEXPLAINED])


@inlined_njit
def _least_peak(state: State, limits: Limits, tokens: int) -> int:
    """A peak that is reached whatever is forecast: all are there for `forecast_floor` steps."""
    ahead = limits.lookahead + limits.forecast_floor - 1
    blocks: int = num_blocks_for(limits, tokens + ahead)
    for lane in state.running[: state.counts[NUM_RUNNING]]:
        blocks += num_blocks_for(limits, state.lanes[lane, TOKENS] + ahead)
    return blocks


@inlined_njit
def _project(state: State, limits: Limits, rules: Rules) -> None:
    """Start the forecast of this step's admissions over."""
    counts = state.counts
    slots = running_slots(state)
    steps = np.empty(slots.size, np.int64)
    for i in range(slots.size):
        steps[i] = max(rules.forecast(state.table, slots[i]), limits.forecast_floor)
    rows, _, counts[TOKENS_AHEAD] = look_ahead(
        state.table, slots, steps, state.shared, limits.block_size, 1,
        np.empty((0, 3), np.int64), np.empty(0, np.int64),
        limits.lookahead, limits.max_num_batched_tokens, counts[CHUNK],
    )  # fmt: skip
    put_in_order(rows, state.rows)
    counts[NUM_PROJECTED] = slots.size
    counts[NUM_UNEXPLAINED] = _num_unexplained(state, limits)
    counts[CANDIDATE] = counts[CANDIDATE_COLUMN] = -1


@inlined_njit
def _num_unexplained(state: State, limits: Limits) -> int:
    """Blocks in use that no request counts as its own: of prefixes whose first user left."""
    unexplained: int = limits.num_blocks - state.counts[NUM_FREE_BLOCKS]
    for lane in state.running[: state.counts[NUM_RUNNING]]:
        unexplained -= state.lanes[lane, BLOCKS] - state.shared[state.lanes[lane, SLOT]]
    return max(unexplained, 0)
