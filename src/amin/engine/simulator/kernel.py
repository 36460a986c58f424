"""The loop: arrivals, a step of the scheduler, the clock, ends. Decides exactly as vLLM does.

The order of events is that of `amin.engine.vllm.dry`, which drives vLLM's own scheduler.
`tests/dry/test_simulator.py` holds the two together, request by request.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Floats
from amin.engine.promise import look_further
from amin.engine.reading import gets
from amin.engine.rows import LOWER, NUM_CACHED, NUM_PROMPT
from amin.engine.simulator.admission import admit
from amin.engine.simulator.arrivals import arrives, follow, next_arrival
from amin.engine.simulator.books import promise_now
from amin.engine.simulator.learning import begin_groups_anew, foretell, learn, note_end
from amin.engine.simulator.lookups import look_again
from amin.engine.simulator.ranks import begin_step, pass_late, put_right
from amin.engine.simulator.running import (
    believe,
    end_slices,
    enqueue,
    free_blocks,
    free_lane,
    serve_running,
)
from amin.engine.simulator.state import (
    ARRIVAL,
    CHUNK,
    COMPUTED,
    ENDS_SINCE_REFRESH,
    FINISH,
    FIRST_TOKEN,
    IS_ASKED,
    LANE_FRONTIER,
    LAST,
    MAX_SAMPLES,
    NUM_COMPUTING,
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
    RECOMPUTED,
    SAMPLE_STRIDE,
    SCHEDULED,
    SECONDS,
    SHARED,
    SLOT,
    STEPS_SINCE_END,
    TOKEN_BUDGET,
    TOKENS,
    WORK_DONE,
    Cost,
    Limits,
    State,
)
from amin.engine.simulator.victims import make_way, move_victims
from amin.jit import cached_njit, called_njit, inlined_njit
from amin.policy.compiled import Rules
from amin.policy.volume import HALF_A_BLOCK
from amin.predictor.survival import is_due

ENDED, GOES_ON, LIVELOCK, ASKS = range(4)


@cached_njit
def run_steps(state: State, limits: Limits, rules: Rules, cost: Cost, num_steps: int) -> int:
    """Go on for `num_steps` steps at most; returns ENDED, GOES_ON, LIVELOCK or ASKS."""
    counts, num_requests = state.counts, len(state.times)
    for _ in range(num_steps):
        if _asks(state):
            return ASKS
        _take_arrivals(state, limits, rules)
        _schedule(state, limits, rules)
        _sample(state, limits)
        counts[NUM_STEPS] += 1
        tokens = limits.max_num_batched_tokens - counts[TOKEN_BUDGET]
        if tokens > 0:
            state.clock[SECONDS] += _seconds(state, limits, cost, tokens)
            _end_step(state, limits)
        elif counts[NUM_PREEMPTED] == 0:
            # Nothing can be done before the next arrival.
            slot = next_arrival(state.arrivals, state.times, state.counts)
            if slot < 0:
                return ENDED if counts[NUM_ENDED] == num_requests else LIVELOCK
            arrival = state.times[slot, ARRIVAL]
            # The paper's time is a whole number of steps.
            state.clock[SECONDS] = np.ceil(arrival) if limits.is_unit_time else arrival
        if counts[NUM_ENDED] == num_requests:
            return ENDED
        if counts[STEPS_SINCE_END] > limits.max_steps_without_end:
            return LIVELOCK
    return GOES_ON


@inlined_njit
def _asks(state: State) -> bool:
    """Whether the next request is here, and Python has yet to be asked of it."""
    slot, asks = next_arrival(state.arrivals, state.times, state.counts), False
    if slot >= 0 and state.facts[slot, IS_ASKED]:
        asks = state.times[slot, ARRIVAL] <= state.clock[SECONDS]
    return asks


@inlined_njit
def _take_arrivals(state: State, limits: Limits, rules: Rules) -> None:
    while True:
        slot = next_arrival(state.arrivals, state.times, state.counts)
        if slot < 0 or state.times[slot, ARRIVAL] > state.clock[SECONDS]:
            break
        arrives(state, limits, slot)
        begin_groups_anew(state, slot)
        if state.table[slot, LOWER] == 0:
            foretell(state, limits, slot)
        believe(state, limits, slot, rules.initial_bound(state.table, slot))
        enqueue(state, limits, rules, slot)


@inlined_njit
def _schedule(state: State, limits: Limits, rules: Rules) -> None:
    """One ``Scheduler.schedule()``."""
    counts = state.counts
    counts[TOKEN_BUDGET] = limits.max_num_batched_tokens
    counts[NUM_PREEMPTED] = counts[NUM_SWAPPED_TOKENS] = 0
    counts[CHUNK] = limits.max_num_batched_tokens
    # A single request has nobody to starve.
    if limits.long_prefill_token_threshold and counts[NUM_RUNNING] + counts[NUM_WAITING] > 1:
        counts[CHUNK] = limits.long_prefill_token_threshold
    if limits.leaves_at_bound:
        end_slices(state, limits, rules)
    if limits.rules_of == POLICY:
        if limits.has_prefix_cache:
            look_again(state, limits, rules)
        if limits.has_fair_share:
            begin_step(state)
        if limits.ttft_target < np.inf:
            pass_late(state, limits)
        if limits.has_stream_promise:
            make_way(state, limits, rules)
        move_victims(state, limits, rules)
    serve_running(state, limits, rules)
    if counts[NUM_PREEMPTED] == 0 or limits.is_unit_time:
        admit(state, limits, rules)


@inlined_njit
def _seconds(state: State, limits: Limits, cost: Cost, tokens: int) -> float:
    points, seconds = cost.points, cost.per_step + cost.per_token * tokens
    if points.shape[1]:
        seconds = _interpolated(points, tokens)
    if cost.per_kv_token:
        seconds += cost.per_kv_token * _num_kv_tokens(state, limits)
    if cost.per_swapped_token:
        seconds += cost.per_swapped_token * state.counts[NUM_SWAPPED_TOKENS]
    return float(seconds)


@called_njit
def _interpolated(points: Floats, tokens: int) -> float:
    """As numpy.interp, which takes longer to compile than all steps of many a run."""
    low, high = 0, points.shape[1] - 1
    if tokens <= points[0, low]:
        return float(points[1, low])
    if tokens >= points[0, high]:
        return float(points[1, high])
    while high - low > 1:
        middle = (low + high) // 2
        if points[0, middle] <= tokens:
            low = middle
        else:
            high = middle
    slope = (points[1, high] - points[1, low]) / (points[0, high] - points[0, low])
    return float(slope * (tokens - points[0, low]) + points[1, low])


@inlined_njit
def _num_kv_tokens(state: State, limits: Limits) -> int:
    """Tokens in memory at the end of this step."""
    tokens, lanes = 0, state.lanes
    for lane in state.running[: state.counts[NUM_RUNNING]]:
        tokens += lanes[lane, COMPUTED] + lanes[lane, SCHEDULED] + limits.lookahead
    return tokens


@inlined_njit
def _end_step(state: State, limits: Limits) -> None:
    """What was scheduled is computed; who had all its tokens computed makes one more."""
    counts, lanes, running = state.counts, state.lanes, state.running
    kept, kv_tokens, num_computing = 0, 0, 0
    in_use = (limits.num_blocks - counts[NUM_FREE_BLOCKS]) * limits.block_size
    computed = limits.max_num_batched_tokens - counts[TOKEN_BUDGET]
    in_seqs = limits.rates.per_seq * counts[NUM_RUNNING]
    held = in_use
    if limits.has_prefix_cache and limits.has_promise:
        held = min(_num_own_tokens(state), in_use)
        state.clock[SHARED] = in_use - held
    state.clock[WORK_DONE] += max(held, in_seqs) + limits.rates.per_token * computed
    if limits.has_promise:
        look_further(state.noted, state.queues, state.clock[WORK_DONE], promise_now(state, limits))
    counts[STEPS_SINCE_END] += 1
    for index in range(counts[NUM_RUNNING]):
        lane = running[index]
        end = lanes[lane, COMPUTED] + lanes[lane, SCHEDULED]
        if lanes[lane, LANE_FRONTIER]:
            _count_recomputed(state, lane, end)
        kv_tokens += end + limits.lookahead
        lanes[lane, COMPUTED] = end
        if end < lanes[lane, TOKENS]:
            num_computing += 1
        elif lanes[lane, SCHEDULED]:
            lanes[lane, TOKENS] = end + 1
            slot = lanes[lane, SLOT]
            made = end + 1 - state.table[slot, NUM_PROMPT]
            gets(state.readers, slot, made, state.clock[SECONDS])
            if end + 1 == lanes[lane, LAST]:
                _end(state, limits, lane)
                continue
            if made == 1:
                _note_first_token(state, lane)
        lanes[lane, SCHEDULED] = 0
        running[kept] = lane
        kept += 1
    counts[NUM_RUNNING] = kept
    if is_due(counts[ENDS_SINCE_REFRESH], counts[NUM_ENDED]):
        learn(state, limits)
    counts[NUM_COMPUTING] = num_computing
    # Of a prefix that many share, each has counted the tokens.
    counts[PEAK_KV_TOKENS] = max(counts[PEAK_KV_TOKENS], min(kv_tokens, in_use))


@called_njit
def _num_own_tokens(state: State) -> int:
    """Of KV in memory, without what the cache held already and others may hold as well."""
    own = 0
    for lane in state.running[: state.counts[NUM_RUNNING]]:
        end = state.lanes[lane, COMPUTED] + state.lanes[lane, SCHEDULED]
        own += end - state.table[state.lanes[lane, SLOT], NUM_CACHED] + HALF_A_BLOCK
    return int(own)


@called_njit
def _note_first_token(state: State, lane: int) -> None:
    slot = state.lanes[lane, SLOT]
    if np.isnan(state.times[slot, FIRST_TOKEN]):
        state.times[slot, FIRST_TOKEN] = state.clock[SECONDS]


@inlined_njit
def _end(state: State, limits: Limits, lane: int) -> None:
    counts, slot = state.counts, state.lanes[lane, SLOT]
    _note_first_token(state, lane)
    state.times[slot, FINISH] = state.clock[SECONDS]
    free_blocks(state, limits, lane)
    follow(state, slot)
    counts[NUM_ENDED] += 1
    counts[STEPS_SINCE_END] = 0
    note_end(state, limits, slot)
    if limits.has_fair_share:
        put_right(state, limits, slot)
    free_lane(state, lane)


@inlined_njit
def _count_recomputed(state: State, lane: int, end: int) -> None:
    """A token below the frontier of what was once computed is computed again."""
    lanes, frontier = state.lanes, state.lanes[lane, LANE_FRONTIER]
    again = max(min(end, frontier) - lanes[lane, COMPUTED], 0)
    state.facts[lanes[lane, SLOT], RECOMPUTED] += again
    if end >= frontier:
        lanes[lane, LANE_FRONTIER] = 0


@inlined_njit
def _sample(state: State, limits: Limits) -> None:
    """Note the state over time, at ever wider intervals, so that a long run needs no more room."""
    counts, samples = state.counts, state.samples
    if counts[NUM_STEPS] % counts[SAMPLE_STRIDE]:
        return
    if counts[NUM_SAMPLES] == MAX_SAMPLES:
        for i in range(MAX_SAMPLES // 2):
            for column in range(samples.shape[1]):
                samples[i, column] = samples[2 * i, column]
        counts[NUM_SAMPLES] = MAX_SAMPLES // 2
        counts[SAMPLE_STRIDE] *= 2
        if counts[NUM_STEPS] % counts[SAMPLE_STRIDE]:
            return
    i = counts[NUM_SAMPLES]
    samples[i, 0] = state.clock[SECONDS]
    samples[i, 1] = limits.num_blocks - counts[NUM_FREE_BLOCKS]
    samples[i, 2] = counts[NUM_RUNNING]
    samples[i, 3] = counts[NUM_WAITING]
    counts[NUM_SAMPLES] += 1
