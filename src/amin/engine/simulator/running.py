"""The running requests of a step: who gets memory for its next tokens, and who leaves for it.

As vllm/v1/core/sched/scheduler.py, Scheduler.schedule, does it in its first half: in the order of
the list, each request asks for blocks, and while there are none the victim is preempted.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Ints
from amin.engine.expectation import expect
from amin.engine.heap import push
from amin.engine.hindsight import (
    begins_to_wait,
    finds,
    found_by,
    remaining_work,
)
from amin.engine.promise_books import Found, level_of
from amin.engine.rows import (
    ADMISSION,
    ARRIVAL_INDEX,
    BOUND,
    MAX_TOKENS,
    NUM_COMPUTED,
    NUM_OUTPUT,
    NUM_PREEMPTIONS,
    NUM_PROMPT,
    PRIORITY,
    bounded,
)
from amin.engine.simulator.books import books_of
from amin.engine.simulator.lookups import joins
from amin.engine.simulator.prefix_cache import note_full, release, take
from amin.engine.simulator.ranks import rank, takes_turn
from amin.engine.simulator.state import (
    ARRIVAL,
    BLOCKS,
    CHUNK,
    COMPUTED,
    FREE,
    FRONT,
    FRONTIER,
    LANE_FRONTIER,
    LOST,
    NUM_FREE_BLOCKS,
    NUM_FREE_LANES,
    NUM_PREEMPTED,
    NUM_RUNNING,
    NUM_SWAPPED_TOKENS,
    NUM_WAITING,
    PAGES,
    POLICY,
    RANK,
    REFUSED,
    RESTART,
    SCHEDULED,
    SLOT,
    SWAP,
    SWAPPED,
    TOKEN_BUDGET,
    TOKENS,
    VLLM_PRIORITY,
    WAITING_WORK,
    WORK_DONE,
    Limits,
    State,
)
from amin.engine.stream_promise import comes_back
from amin.jit import called_njit, inlined_njit
from amin.policy.compiled import Rules
from amin.predictor.choice import group_of
from amin.predictor.survival import HELD, note


@inlined_njit
def num_blocks_for(limits: Limits, tokens: int) -> int:
    """Blocks that so many tokens of one request take."""
    return (tokens + limits.block_size - 1) // limits.block_size


@inlined_njit
def serve_running(state: State, limits: Limits, rules: Rules) -> None:
    """Schedule the next tokens of those who run; preempts where memory runs out."""
    counts, lanes, running = state.counts, state.lanes, state.running
    index = 0
    while index < counts[NUM_RUNNING] and counts[TOKEN_BUDGET] > 0:
        lane = running[index]
        new = min(lanes[lane, TOKENS] - lanes[lane, COMPUTED], counts[CHUNK], counts[TOKEN_BUDGET])
        tokens = lanes[lane, COMPUTED] + new + limits.lookahead
        if tokens > lanes[lane, BLOCKS] * limits.block_size:
            more = num_blocks_for(limits, tokens) - lanes[lane, BLOCKS]
            is_victim = False
            while more > counts[NUM_FREE_BLOCKS] and not is_victim:
                victim_index = _victim(state, limits)
                is_victim = running[victim_index] == lane
                if victim_index < index:
                    index -= 1
                preempt(state, limits, rules, victim_index)
            if is_victim:
                break
            if limits.has_prefix_cache:
                first, held = state.facts[lanes[lane, SLOT], PAGES], lanes[lane, BLOCKS]
                take(state.pages, state.pool, first, 0, held, more)
            lanes[lane, BLOCKS] += more
            counts[NUM_FREE_BLOCKS] -= more
        if limits.has_prefix_cache:
            first, before = state.facts[lanes[lane, SLOT], PAGES], lanes[lane, COMPUTED]
            full = before // limits.block_size, tokens // limits.block_size
            note_full(state.pages, state.pool, first, *full)
        lanes[lane, SCHEDULED] = new
        counts[TOKEN_BUDGET] -= new
        index += 1


@inlined_njit
def end_slices(state: State, limits: Limits, rules: Rules) -> None:
    """Who has made as many tokens as its bound leaves, for policies that want it so."""
    index = 0
    while index < state.counts[NUM_RUNNING]:
        lane = state.running[index]
        slot = state.lanes[lane, SLOT]
        made = state.lanes[lane, TOKENS] - state.table[slot, NUM_PROMPT]
        if made >= state.table[slot, BOUND]:
            state.lanes[lane, SCHEDULED] = 0
            preempt(state, limits, rules, index)
        else:
            index += 1


@called_njit
def enqueue(state: State, limits: Limits, rules: Rules, slot: int) -> None:
    """The request waits, at the place that the policy gives."""
    if limits.has_prefix_cache and limits.rules_of == POLICY:
        joins(state, limits, slot)
    if limits.has_fair_share and state.table[slot, NUM_PREEMPTIONS] == 0:
        takes_turn(state, limits, slot)
    group = group_of(state.survival, state.groups, state.gains, slot)
    expect(state.table, state.survival, group, slot)
    if limits.learns:
        note(state.survival, HELD, state.groups, slot, state.table[slot, NUM_OUTPUT], 1.0)
    if limits.has_promise:
        note_waiting(state, limits, slot)
    if limits.has_stream_promise:
        level = state.table[slot, PRIORITY] if limits.has_priorities else 0
        arrival = state.table[slot, ARRIVAL_INDEX]
        comes_back(state.readers, state.returning, slot, arrival, level)
    if limits.preempted_first and state.table[slot, NUM_PREEMPTIONS]:
        # vLLM's FCFS queue is a deque: a preempted request goes to its front.
        key = state.counts[FRONT]
        state.counts[FRONT] -= 1
    elif limits.rules_of == POLICY:
        key = rules.order(state.table, slot)
    elif limits.rules_of == VLLM_PRIORITY:
        key = state.table[slot, PRIORITY]
    else:
        key = state.facts[slot, RANK]
    level = rank(state, limits, slot) if limits.has_ranks else 0
    push(state.heap, state.counts[NUM_WAITING], key, state.facts[slot, RANK], slot, level)
    state.counts[NUM_WAITING] += 1


@called_njit
def those_who_run(state: State) -> tuple[Ints, Ints, Ints]:
    """Their slots, in the order of the list, tokens made, and tokens known but not computed."""
    found = np.empty((3, state.counts[NUM_RUNNING]), np.int64)
    for i in range(state.counts[NUM_RUNNING]):
        lane = state.running[i]
        slot, tokens = state.lanes[lane, SLOT], state.lanes[lane, TOKENS]
        found[0, i], found[1, i] = slot, tokens - state.table[slot, NUM_PROMPT]
        found[2, i] = tokens - state.lanes[lane, COMPUTED]
    return found[0], found[1], found[2]


@called_njit
def note_waiting(state: State, limits: Limits, slot: int) -> None:
    """Keep the books of the tail promise: who waits, and what a new request finds."""
    books = books_of(state, limits)
    if state.table[slot, NUM_PREEMPTIONS] == 0:
        if limits.has_priorities:
            level = level_of(state.noted, state.table[slot, PRIORITY])
            found = found_by(books, *those_who_run(state), level)
        else:
            running = remaining_work(books, *those_who_run(state))
            num_waiting, num_running = state.counts[NUM_WAITING], state.counts[NUM_RUNNING]
            found = Found(state.clock[WAITING_WORK] + running, running, num_waiting, num_running)
        finds(books, slot, state.clock[WORK_DONE], found)
    state.clock[WAITING_WORK] += begins_to_wait(books, slot)


@called_njit
def believe(state: State, limits: Limits, slot: int, bound: int) -> None:
    """Note what the policy believes of the output length now, within what is possible."""
    table = state.table
    table[slot, BOUND] = bounded(
        bound, table[slot, BOUND], table[slot, MAX_TOKENS], table[slot, NUM_PROMPT],
        limits.capacity_tokens,
    )  # fmt: skip


@called_njit
def sync(state: State) -> None:
    """Bring the rows of those who run up to date, for rules to be asked about them."""
    for lane in state.running[: state.counts[NUM_RUNNING]]:
        _sync_row(state, lane)


@inlined_njit
def _sync_row(state: State, lane: int) -> None:
    slot = state.lanes[lane, SLOT]
    state.table[slot, NUM_COMPUTED] = state.lanes[lane, COMPUTED]
    state.table[slot, NUM_OUTPUT] = state.lanes[lane, TOKENS] - state.table[slot, NUM_PROMPT]


@inlined_njit
def slot_at(state: State, index: int) -> int:
    """Who is at this place of ``running``."""
    return state.lanes[state.running[index], SLOT]  # type: ignore[no-any-return]


@called_njit
def running_slots(state: State) -> Ints:
    """Those who run, in order, their rows up to date."""
    sync(state)
    slots = np.empty(state.counts[NUM_RUNNING], np.int64)
    for i in range(slots.size):
        slots[i] = slot_at(state, i)
    return slots


@inlined_njit
def _victim(state: State, limits: Limits) -> int:
    """The index into ``running`` of whom vLLM preempts."""
    chosen = int(state.counts[NUM_RUNNING] - 1)
    if limits.rules_of == VLLM_PRIORITY:
        # The first of those who are last by (priority, arrival): max() over the list.
        chosen = 0
        for index in range(1, state.counts[NUM_RUNNING]):
            one = state.lanes[state.running[index], SLOT]
            other = state.lanes[state.running[chosen], SLOT]
            urgency = state.table[one, PRIORITY] - state.table[other, PRIORITY]
            is_later = state.times[one, ARRIVAL] > state.times[other, ARRIVAL]
            if urgency > 0 or (urgency == 0 and is_later):
                chosen = index
    return chosen


@called_njit
def preempt(state: State, limits: Limits, rules: Rules, index: int) -> None:
    """``Scheduler._preempt_request`` of the one at this place of ``running``."""
    counts, table, facts, lane = state.counts, state.table, state.facts, state.running[index]
    slot, computed = state.lanes[lane, SLOT], state.lanes[lane, COMPUTED]
    _sync_row(state, lane)
    if limits.rules_of == POLICY:
        believe(state, limits, slot, rules.learn(table, slot))
    table[slot, NUM_PREEMPTIONS] += 1
    if limits.eviction == SWAP:
        facts[slot, SWAPPED] = computed
        counts[NUM_SWAPPED_TOKENS] += computed
    else:
        facts[slot, LOST] += computed
        facts[slot, FRONTIER] = max(state.lanes[lane, LANE_FRONTIER], computed)
    if limits.eviction == RESTART:
        table[slot, NUM_OUTPUT] = 0
    table[slot, NUM_COMPUTED] = 0
    table[slot, ADMISSION] = -1
    free_blocks(state, limits, lane)
    # In vLLM's priority scheduling the victim may have been served before in this step.
    counts[TOKEN_BUDGET] += state.lanes[lane, SCHEDULED]
    counts[NUM_PREEMPTED] += 1
    counts[NUM_RUNNING] -= 1
    for i in range(index, counts[NUM_RUNNING]):
        state.running[i] = state.running[i + 1]
    free_lane(state, lane)
    enqueue(state, limits, rules, slot)


@inlined_njit
def free_blocks(state: State, limits: Limits, lane: int) -> None:
    """The request holds no memory any longer."""
    if limits.has_prefix_cache:
        first, held = state.facts[state.lanes[lane, SLOT], PAGES], state.lanes[lane, BLOCKS]
        state.counts[NUM_FREE_BLOCKS] += release(state.pages, state.pool, first, held)
    else:
        state.counts[NUM_FREE_BLOCKS] += state.lanes[lane, BLOCKS]


@inlined_njit
def free_lane(state: State, lane: int) -> None:
    """The request runs no longer."""
    state.counts[REFUSED] = -1
    state.lanes[state.counts[NUM_FREE_LANES], FREE] = lane
    state.counts[NUM_FREE_LANES] += 1
