"""Who goes before whom whatever the policy says, in the simulator: `amin.engine.precedence`.

As `amin.engine.vllm.ranks`: what is kept of each request and client is in arrays here.
"""

from __future__ import annotations

import numpy as np

from amin.engine.fair_share import (
    comes_to,
    expected_charge,
    floods,
    kept_free,
    known_charge,
    turn_of,
)
from amin.engine.heap import move
from amin.engine.precedence import rank_of
from amin.engine.rows import ADMISSION, ARRIVAL_INDEX, NUM_OUTPUT, PRIORITY
from amin.engine.simulator.state import (
    ARRIVAL,
    ARRIVED,
    CHARGE,
    CLIENT,
    LATEST_CLIENT,
    LENGTH,
    NEXT_START,
    NUM_ARRIVED,
    NUM_LATE,
    NUM_WAITING,
    OTHERS,
    SECONDS,
    SINCE,
    STEP_BEGAN,
    TURN,
    Limits,
    State,
)
from amin.jit import called_njit, inlined_njit


@called_njit
def rank(state: State, limits: Limits, slot: int) -> int:
    """The number of one that waits."""
    table = state.table
    priority = table[slot, PRIORITY] if limits.has_priorities else 0
    is_late = table[slot, NUM_OUTPUT] > 0 or table[slot, ARRIVAL_INDEX] < state.counts[NUM_LATE]
    is_late = is_late and limits.ttft_target < np.inf
    return int(rank_of(priority, state.facts[slot, TURN], is_late))


@inlined_njit
def begin_step(state: State) -> None:
    """What is kept free in a step goes by where the server has come to before it."""
    state.shares[OTHERS, STEP_BEGAN] = state.shares[NEXT_START, -1]


@called_njit
def takes_turn(state: State, limits: Limits, slot: int) -> None:
    """A request arrives, and what the cache holds of its prompt is known."""
    shares, client, rates = state.shares, state.facts[slot, CLIENT], limits.rates
    start = max(shares[NEXT_START, -1], shares[NEXT_START, client])
    charge = expected_charge(
        state.table, state.groups, state.survival, state.gains,
        rates.per_step, rates.per_token, rates.per_seq, slot,
    )  # fmt: skip
    state.facts[slot, TURN] = turn_of(start, shares[NEXT_START, -1], rates.per_step)
    shares[CHARGE, slot] = charge
    if not floods(state.facts[slot, TURN]):
        shares[OTHERS, LATEST_CLIENT] = client + 1
        shares[OTHERS, SINCE] = shares[NEXT_START, -1]
    shares[NEXT_START, client] = start + charge


@inlined_njit
def has_turn(state: State, limits: Limits, slot: int) -> None:
    """A request is admitted: the server has come to its turn."""
    now, per_step = state.shares[NEXT_START, -1], limits.rates.per_step
    state.shares[NEXT_START, -1] = comes_to(state.facts[slot, TURN], now, per_step)


@inlined_njit
def num_kept_free(state: State, limits: Limits, slot: int) -> int:
    """Blocks that are to be free beside one that is admitted, for others."""
    others, facts, kept = state.shares[OTHERS], state.facts, 0
    is_other = others[LATEST_CLIENT] != 0 and others[LATEST_CLIENT] != facts[slot, CLIENT] + 1
    if is_other and state.table[slot, NUM_OUTPUT] == 0:
        since, now = others[SINCE], others[STEP_BEGAN]
        share = kept_free(facts[slot, TURN], since, now, limits.rates.per_step)
        kept = int(share * limits.num_blocks)
    return kept


@called_njit
def put_right(state: State, limits: Limits, slot: int) -> None:
    """A request ended, and asked for more or less than was expected."""
    rates, client, made = limits.rates, state.facts[slot, CLIENT], state.facts[slot, LENGTH]
    known = known_charge(
        state.table, rates.per_step, rates.per_token, rates.per_seq, slot, made
    )  # fmt: skip
    state.shares[NEXT_START, client] += known - state.shares[CHARGE, slot]


@called_njit
def pass_late(state: State, limits: Limits) -> None:
    """Whose first token comes too late from now on goes behind those who are in time."""
    counts, now = state.counts, state.clock[SECONDS]
    while counts[NUM_LATE] < counts[NUM_ARRIVED]:
        slot = state.arrivals[ARRIVED, counts[NUM_LATE]]
        if state.times[slot, ARRIVAL] + limits.ttft_target > now:
            break
        counts[NUM_LATE] += 1
        if state.table[slot, ADMISSION] < 0 and not state.table[slot, NUM_OUTPUT]:
            move(state.heap, counts[NUM_WAITING], slot, rank(state, limits, slot))
