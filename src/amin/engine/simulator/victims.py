"""Who must leave in a step that runs short of memory, or for a reader, for the policies of amin.

As `amin.engine.vllm.memory.Memory.victims`, which asks the same of vLLM's running list: before the
step, whoever must leave is put at the end of the list, where vLLM's FCFS rule takes its victims.
"""

from __future__ import annotations

import numpy as np

from amin.engine.rows import PRIORITY, num_blocks_asked, num_tokens
from amin.engine.simulator.prefix_cache import cached_prefix, num_private
from amin.engine.simulator.running import num_blocks_for, preempt, running_slots, slot_at
from amin.engine.simulator.state import (
    BLOCKS,
    CHUNK,
    COMPUTED,
    MADE_WAY_FOR,
    NUM_COMPUTING,
    NUM_FREE_BLOCKS,
    NUM_PREEMPTED,
    NUM_RUNNING,
    PAGES,
    SCHEDULED,
    SECONDS,
    SLOT,
    TIE,
    Limits,
    State,
)
from amin.engine.slack import has_to_spare, who_makes_way
from amin.engine.stream_promise import is_about_to_wait, pressing
from amin.jit import called_njit, inlined_njit
from amin.policy.compiled import Rules


@inlined_njit
def move_victims(state: State, limits: Limits, rules: Rules) -> None:
    """Put who must leave in this step at the end of ``running``, first to leave last."""
    counts, lanes = state.counts, state.lanes
    num_running, free = counts[NUM_RUNNING], counts[NUM_FREE_BLOCKS]
    if counts[NUM_COMPUTING] or num_running > limits.max_num_batched_tokens:
        _choose_victims(state, limits, rules)
    elif num_running * num_blocks_for(limits, 1 + limits.lookahead) > free:
        asked = 0
        for lane in state.running[:num_running]:
            tokens = lanes[lane, COMPUTED] + 1 + limits.lookahead
            asked += tokens > lanes[lane, BLOCKS] * limits.block_size
        if asked > free:
            _choose_victims(state, limits, rules)


@called_njit
def make_way(state: State, limits: Limits, rules: Rules) -> None:
    """Those leave who make way for a reply whose reader is about to wait.

    As `amin.engine.vllm.memory.Memory.who_makes_way`. In such a step nobody else is admitted.
    """
    counts, now = state.counts, state.clock[SECONDS]
    counts[MADE_WAY_FOR] = -1
    slot = pressing(state.returning, now)
    if slot < 0 or limits.has_priorities or not is_about_to_wait(state.readers, slot, now):
        return
    slots, private = running_slots(state), np.zeros(counts[NUM_RUNNING], np.int64)
    limit = limits.lookahead, limits.max_num_batched_tokens, counts[CHUNK]
    asked = num_blocks_asked(state.table, slots, np.full(1, limits.block_size), *limit)
    needed = num_blocks_for(limits, num_tokens(state.table, slot))
    missing = needed + limits.watermark + asked - counts[NUM_FREE_BLOCKS]
    if missing > 0 and limits.has_prefix_cache:
        full = (num_tokens(state.table, slot) - 1) // limits.block_size
        missing -= cached_prefix(state.pages, state.pool, state.facts[slot, PAGES], full)[1]
    if missing > 0:
        for i in range(slots.size):
            private[i] = _num_private(state, limits, state.running[i])
        leaving = who_makes_way(state.readers, slots, private, missing, now)
        for i in range(leaving.size):
            counts[MADE_WAY_FOR] = slot
            index = 0
            while slot_at(state, index) != slots[leaving[i]]:
                index += 1
            state.lanes[state.running[index], SCHEDULED] = 0
            preempt(state, limits, rules, index)
        # This is before the step: whoever fits may be admitted in it.
        counts[NUM_PREEMPTED] = 0


@inlined_njit
def _num_private(state: State, limits: Limits, lane: int) -> int:
    """Blocks that would be free if this running request left."""
    held: int = state.lanes[lane, BLOCKS]
    if limits.has_prefix_cache:
        first = state.facts[state.lanes[lane, SLOT], PAGES]
        held = num_private(state.pages, state.pool, first, held)
    return held


@inlined_njit
def _urgency(state: State, limits: Limits, slot: int) -> int:
    """By which the policy's victims are parted: who has less leaves first, whatever it says.

    The less urgent class of priority, and in it who has slack to spare.
    """
    urgency = 0
    if limits.has_priorities:
        urgency = -2 * state.table[slot, PRIORITY]
    if limits.has_stream_promise:
        urgency += not has_to_spare(state.readers, slot, state.clock[SECONDS])
    return urgency


@called_njit
def _choose_victims(state: State, limits: Limits, rules: Rules) -> None:
    counts, running = state.counts, state.running
    slots, free = running_slots(state), counts[NUM_FREE_BLOCKS]
    sizes = np.full(1, limits.block_size)
    limit = limits.lookahead, limits.max_num_batched_tokens, counts[CHUNK]
    if num_blocks_asked(state.table, slots, sizes, *limit) <= free:
        return
    keys = np.empty(slots.size, np.int64)
    urgency = np.zeros(slots.size, np.int64)
    for i in range(slots.size):
        keys[i] = rules.preemption_order(state.table, slots[i])
        urgency[i] = _urgency(state, limits, slots[i])
    staying = slots.size
    while staying > 0:
        first = 0
        for i in range(1, staying):
            tie, other = state.times[slots[i], TIE], state.times[slots[first], TIE]
            is_first = keys[i] < keys[first] or (keys[i] == keys[first] and tie < other)
            if urgency[i] < urgency[first] or (urgency[i] == urgency[first] and is_first):
                first = i
        victim, slot = running[first], slots[first]
        for i in range(first, staying - 1):
            running[i], slots[i], keys[i] = running[i + 1], slots[i + 1], keys[i + 1]
            urgency[i] = urgency[i + 1]
        staying -= 1
        running[staying], slots[staying] = victim, slot
        free += _num_private(state, limits, victim)
        if num_blocks_asked(state.table, slots[:staying], sizes, *limit) <= free:
            return
