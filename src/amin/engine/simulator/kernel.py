"""The loop: arrivals, a step of the scheduler, the clock, ends. Decides exactly as vLLM does.

The order of events is that of `amin.engine.vllm.dry`, which drives vLLM's own scheduler.
`tests/dry/test_simulator.py` holds the two together, request by request.
"""

from __future__ import annotations

import numpy as np

from amin.engine.rows import NUM_COMPUTED, NUM_OUTPUT, num_tokens
from amin.engine.simulator.admission import admit, move_victims
from amin.engine.simulator.running import BOUND, bounded, enqueue, serve_running
from amin.engine.simulator.state import (
    CHUNK,
    FINISH,
    FIRST_TOKEN,
    MAX_SAMPLES,
    NUM_ARRIVED,
    NUM_ENDED,
    NUM_FREE_BLOCKS,
    NUM_PREEMPTED,
    NUM_RUNNING,
    NUM_SAMPLES,
    NUM_STEPS,
    NUM_SWAPPED_TOKENS,
    NUM_WAITING,
    PEAK_KV_TOKENS,
    POLICY,
    SAMPLE_STRIDE,
    STEPS_SINCE_END,
    TOKEN_BUDGET,
    Cost,
    Limits,
    State,
)
from amin.jit import cached_njit
from amin.policy.compiled import Rules, ask

ENDED, GOES_ON, LIVELOCK = range(3)


@cached_njit
def run_steps(state: State, limits: Limits, rules: Rules, cost: Cost, num_steps: int) -> int:
    """Go on for `num_steps` steps at most; returns ENDED, GOES_ON or LIVELOCK."""
    count, num_requests = state.counts, state.arrival.size
    for _ in range(num_steps):
        _take_arrivals(state, limits, rules)
        _schedule(state, limits, rules)
        _sample(state, limits)
        count[NUM_STEPS] += 1
        tokens = limits.max_num_batched_tokens - count[TOKEN_BUDGET]
        if tokens > 0:
            state.clock[0] += _seconds(state, limits, cost, tokens)
            _end_step(state, limits)
        elif count[NUM_PREEMPTED] == 0:
            # Nothing can be done before the next arrival.
            if count[NUM_ARRIVED] == num_requests:
                return ENDED if count[NUM_ENDED] == num_requests else LIVELOCK
            arrival = state.arrival[count[NUM_ARRIVED]]
            # The paper's time is a whole number of steps.
            state.clock[0] = np.ceil(arrival) if limits.is_unit_time else arrival
        if count[NUM_ENDED] == num_requests:
            return ENDED
        if count[STEPS_SINCE_END] > limits.max_steps_without_end:
            return LIVELOCK
    return GOES_ON


@cached_njit
def _take_arrivals(state: State, limits: Limits, rules: Rules) -> None:
    count = state.counts
    while count[NUM_ARRIVED] < state.arrival.size:
        slot = count[NUM_ARRIVED]
        if state.arrival[slot] > state.clock[0]:
            return
        count[NUM_ARRIVED] += 1
        row = state.table[slot]
        row[BOUND] = bounded(limits, ask(rules.initial_bound, row), row)
        enqueue(state, limits, rules, slot, True)


@cached_njit
def _schedule(state: State, limits: Limits, rules: Rules) -> None:
    """One ``Scheduler.schedule()``."""
    count = state.counts
    count[TOKEN_BUDGET] = limits.max_num_batched_tokens
    count[NUM_PREEMPTED] = count[NUM_SWAPPED_TOKENS] = 0
    count[CHUNK] = limits.max_num_batched_tokens
    # A single request has nobody to starve.
    if limits.long_prefill_token_threshold and count[NUM_RUNNING] + count[NUM_WAITING] > 1:
        count[CHUNK] = limits.long_prefill_token_threshold
    if limits.rules_of == POLICY:
        move_victims(state, limits, rules)
    serve_running(state, limits, rules)
    if count[NUM_PREEMPTED] == 0 or limits.is_unit_time:
        admit(state, limits, rules)


@cached_njit
def _seconds(state: State, limits: Limits, cost: Cost, tokens: int) -> float:
    points, seconds = cost.points, cost.per_step + cost.per_token * tokens
    if points.shape[1]:
        seconds = np.interp(tokens, points[0], points[1])
    if cost.per_kv_token:
        seconds += cost.per_kv_token * _num_kv_tokens(state, limits)
    if cost.per_swapped_token:
        seconds += cost.per_swapped_token * state.counts[NUM_SWAPPED_TOKENS]
    return float(seconds)


@cached_njit
def _num_kv_tokens(state: State, limits: Limits) -> int:
    """Tokens in memory at the end of this step."""
    tokens = 0
    for slot in state.running[: state.counts[NUM_RUNNING]]:
        tokens += state.table[slot, NUM_COMPUTED] + state.scheduled[slot] + limits.lookahead
    return tokens


@cached_njit
def _end_step(state: State, limits: Limits) -> None:
    """What was scheduled is computed; who had all its tokens computed makes one more."""
    count, running, kept, kv_tokens = state.counts, state.running, 0, 0
    count[STEPS_SINCE_END] += 1
    for index in range(count[NUM_RUNNING]):
        slot = running[index]
        row, new = state.table[slot], state.scheduled[slot]
        if state.frontier[slot]:
            _count_recomputed(state, slot, row[NUM_COMPUTED], row[NUM_COMPUTED] + new)
        row[NUM_COMPUTED] += new
        state.scheduled[slot] = 0
        kv_tokens += row[NUM_COMPUTED] + limits.lookahead
        if new and row[NUM_COMPUTED] == num_tokens(row):
            row[NUM_OUTPUT] += 1
            if np.isnan(state.times[slot, FIRST_TOKEN]):
                state.times[slot, FIRST_TOKEN] = state.clock[0]
            if row[NUM_OUTPUT] == state.length[slot]:
                state.times[slot, FINISH] = state.clock[0]
                count[NUM_FREE_BLOCKS] += state.blocks[slot]
                state.blocks[slot] = 0
                count[NUM_ENDED] += 1
                count[STEPS_SINCE_END] = 0
                continue
        running[kept] = slot
        kept += 1
    count[NUM_RUNNING] = kept
    count[PEAK_KV_TOKENS] = max(count[PEAK_KV_TOKENS], kv_tokens)


@cached_njit
def _count_recomputed(state: State, slot: int, start: int, end: int) -> None:
    """A token below the frontier of what was once computed is computed again."""
    state.recomputed[slot] += max(min(end, state.frontier[slot]) - start, 0)
    if end >= state.frontier[slot]:
        state.frontier[slot] = 0


@cached_njit
def _sample(state: State, limits: Limits) -> None:
    """Note the state over time, at ever wider intervals, so that a long run needs no more room."""
    count, samples = state.counts, state.samples
    if count[NUM_STEPS] % count[SAMPLE_STRIDE]:
        return
    if count[NUM_SAMPLES] == MAX_SAMPLES:
        for i in range(MAX_SAMPLES // 2):
            samples[i] = samples[2 * i]
        count[NUM_SAMPLES] = MAX_SAMPLES // 2
        count[SAMPLE_STRIDE] *= 2
        if count[NUM_STEPS] % count[SAMPLE_STRIDE]:
            return
    i = count[NUM_SAMPLES]
    samples[i, 0] = state.clock[0]
    samples[i, 1] = limits.num_blocks - count[NUM_FREE_BLOCKS]
    samples[i, 2] = count[NUM_RUNNING]
    samples[i, 3] = count[NUM_WAITING]
    count[NUM_SAMPLES] += 1
