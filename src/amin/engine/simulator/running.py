"""The running requests of a step: who gets memory for its next tokens, and who leaves for it.

As vllm/v1/core/sched/scheduler.py, Scheduler.schedule, does it in its first half: in the order of
the list, each request asks for blocks, and while there are none the victim is preempted.
"""

from __future__ import annotations

from amin.engine.projection import Ints
from amin.engine.rows import MAX_TOKENS, NUM_COMPUTED, NUM_OUTPUT, NUM_PROMPT, num_tokens
from amin.engine.simulator.heap import push
from amin.engine.simulator.state import (
    CHUNK,
    FRONT,
    NUM_FREE_BLOCKS,
    NUM_PREEMPTED,
    NUM_RUNNING,
    NUM_SWAPPED_TOKENS,
    NUM_WAITING,
    POLICY,
    RESTART,
    SWAP,
    TOKEN_BUDGET,
    VLLM_PRIORITY,
    Limits,
    State,
)
from amin.jit import cached_njit
from amin.policy.compiled import COLUMN, Rules, ask

BOUND = COLUMN["bound"]
PRIORITY = COLUMN["priority"]
ADMISSION = COLUMN["admission_index"]
NUM_PREEMPTIONS = COLUMN["num_preemptions"]


@cached_njit
def num_blocks_for(limits: Limits, tokens: int) -> int:
    """Blocks that so many tokens of one request take."""
    return (tokens + limits.block_size - 1) // limits.block_size


@cached_njit
def serve_running(state: State, limits: Limits, rules: Rules) -> None:
    """Schedule the next tokens of those who run; preempts where memory runs out."""
    count, index = state.counts, 0
    while index < count[NUM_RUNNING] and count[TOKEN_BUDGET] > 0:
        slot = state.running[index]
        computed = state.table[slot, NUM_COMPUTED]
        new = num_tokens(state.table[slot]) - computed
        new = min(new, count[CHUNK], count[TOKEN_BUDGET])
        more = num_blocks_for(limits, computed + new + limits.lookahead) - state.blocks[slot]
        while more > count[NUM_FREE_BLOCKS]:
            victim_index = _victim(state, limits)
            victim = state.running[victim_index]
            _remove(state.running, victim_index, count)
            if victim_index < index:
                index -= 1
            count[TOKEN_BUDGET] += state.scheduled[victim]
            state.scheduled[victim] = 0
            _preempt(state, limits, rules, victim)
            if victim == slot:
                return
        if more > 0:
            state.blocks[slot] += more
            count[NUM_FREE_BLOCKS] -= more
        state.scheduled[slot] = new
        count[TOKEN_BUDGET] -= new
        index += 1


@cached_njit
def enqueue(state: State, limits: Limits, rules: Rules, slot: int, is_new: bool) -> None:
    """The request waits, at the place that the policy gives."""
    if limits.rules_of == POLICY:
        key = ask(rules.order, state.table[slot])
    elif limits.rules_of == VLLM_PRIORITY:
        key = state.table[slot, PRIORITY]
    elif is_new:
        key = slot
    else:
        # vLLM's FCFS queue is a deque: a preempted request goes to its front.
        key = state.counts[FRONT]
        state.counts[FRONT] -= 1
    push(state.heap, state.counts[NUM_WAITING], key, state.rank[slot], slot)
    state.counts[NUM_WAITING] += 1


@cached_njit
def bounded(limits: Limits, bound: int, row: Ints) -> int:
    """A bound never falls, and never asks for more than the request or the cache allows."""
    limit = min(row[MAX_TOKENS], limits.capacity_tokens - row[NUM_PROMPT] + 1)
    return int(max(min(bound, max(limit, 1)), row[BOUND]))


@cached_njit
def _victim(state: State, limits: Limits) -> int:
    """The index into ``running`` of whom vLLM preempts."""
    last = state.counts[NUM_RUNNING] - 1
    if limits.rules_of != VLLM_PRIORITY:
        return int(last)
    # The first of those who are last by (priority, arrival): max() over the list.
    chosen = 0
    for index in range(1, last + 1):
        one, other = state.running[index], state.running[chosen]
        urgency = state.table[one, PRIORITY] - state.table[other, PRIORITY]
        if urgency > 0 or (urgency == 0 and state.arrival[one] > state.arrival[other]):
            chosen = index
    return chosen


@cached_njit
def _remove(running: Ints, index: int, count: Ints) -> None:
    count[NUM_RUNNING] -= 1
    for i in range(index, count[NUM_RUNNING]):
        running[i] = running[i + 1]


@cached_njit
def _preempt(state: State, limits: Limits, rules: Rules, slot: int) -> None:
    row, count = state.table[slot], state.counts
    if limits.rules_of == POLICY:
        row[BOUND] = bounded(limits, ask(rules.learn, row), row)
    row[NUM_PREEMPTIONS] += 1
    if limits.eviction == SWAP:
        state.swapped[slot] = row[NUM_COMPUTED]
        count[NUM_SWAPPED_TOKENS] += row[NUM_COMPUTED]
    else:
        state.lost[slot] += row[NUM_COMPUTED]
        state.frontier[slot] = max(state.frontier[slot], row[NUM_COMPUTED])
    if limits.eviction == RESTART:
        row[NUM_OUTPUT] = 0
    row[NUM_COMPUTED] = 0
    row[ADMISSION] = -1
    count[NUM_FREE_BLOCKS] += state.blocks[slot]
    state.blocks[slot] = 0
    count[NUM_PREEMPTED] += 1
    enqueue(state, limits, rules, slot, False)
