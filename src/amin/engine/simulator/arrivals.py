"""Who arrives next: those of the trace in order, and those who follow a reply that has ended.

As `amin.workload.arrivals`, which other engines are driven by.
"""

from __future__ import annotations

from amin.arrays import Floats, Ints
from amin.engine.rows import ARRIVAL_INDEX
from amin.engine.simulator.state import (
    ARRIVAL,
    ARRIVED,
    DRAW,
    FOLLOWING,
    LATEST,
    NEXT,
    NUM_ARRIVED,
    NUM_FOLLOWING,
    NUM_MOMENTS,
    NUM_OPEN,
    OPEN,
    RANK,
    SECONDS,
    THINK_TIME,
    TIE,
    VLLM_PRIORITY,
    Limits,
    State,
)
from amin.jit import called_njit


@called_njit
def next_arrival(arrivals: Ints, times: Floats, counts: Ints) -> int:
    """The request that arrives next, as far as is known; -1: nobody.

    Of a state it takes these three alone: a call with all of it costs more than what it does.
    """
    slot: int = arrivals[OPEN, counts[NUM_OPEN]]
    if counts[NUM_FOLLOWING]:
        other = arrivals[FOLLOWING, counts[NUM_FOLLOWING] - 1]
        if slot < 0 or _comes_before(times, other, slot):
            slot = other
    return slot


@called_njit
def _comes_before(times: Floats, one: int, other: int) -> bool:
    a, b = times[one, ARRIVAL], times[other, ARRIVAL]
    return bool(a < b or (a == b and one < other))


@called_njit
def arrives(state: State, limits: Limits, slot: int) -> None:
    """The next one is here: it gets its number in the order of arrival, and what goes by that."""
    counts, arrivals = state.counts, state.arrivals
    if arrivals[OPEN, counts[NUM_OPEN]] == slot:
        counts[NUM_OPEN] += 1
    else:
        counts[NUM_FOLLOWING] -= 1
    number = counts[NUM_ARRIVED]
    counts[NUM_ARRIVED] += 1
    arrivals[ARRIVED, number] = slot
    state.table[slot, ARRIVAL_INDEX] = number
    state.times[slot, TIE] = state.times[number, DRAW]
    if limits.rules_of == VLLM_PRIORITY:
        # Its queue goes by arrival time and then by id, of which the rank had the order.
        if state.times[slot, ARRIVAL] > state.clock[LATEST]:
            counts[NUM_MOMENTS] += 1
            state.clock[LATEST] = state.times[slot, ARRIVAL]
        state.facts[slot, RANK] += counts[NUM_MOMENTS] * len(state.times)
    else:
        state.facts[slot, RANK] = number


@called_njit
def follow(state: State, slot: int) -> None:
    """A reply has ended: who follows it comes when it has thought."""
    follower = state.facts[slot, NEXT]
    if follower < 0:
        return
    state.times[follower, ARRIVAL] = state.clock[SECONDS] + state.times[follower, THINK_TIME]
    following, place = state.arrivals[FOLLOWING], state.counts[NUM_FOLLOWING]
    while place > 0 and _comes_before(state.times, following[place - 1], follower):
        following[place] = following[place - 1]
        place -= 1
    following[place] = follower
    state.counts[NUM_FOLLOWING] += 1
