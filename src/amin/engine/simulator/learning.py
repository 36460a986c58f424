"""What a simulation learns of lengths, when, and what is made of it: as the engine's adapter does.

The books are `amin.predictor.survival`, `amin.predictor.choice` and, for the tail promise,
`amin.engine.hindsight`; here they meet the state of a simulation.
"""

from __future__ import annotations

from amin.engine.hindsight import is_known, is_recount_due, recount
from amin.engine.rows import LOWER, MAX_TOKENS
from amin.engine.simulator.books import books_of
from amin.engine.simulator.groups import ANEW
from amin.engine.simulator.running import sync, those_who_run
from amin.engine.simulator.state import (
    ENDED_AT_RECOUNT,
    ENDS_SINCE_REFRESH,
    IS_CUT,
    LENGTH,
    NUM_ENDED,
    NUM_RUNNING,
    NUM_WAITING,
    WAITING_WORK,
    Limits,
    State,
)
from amin.jit import inlined_njit
from amin.predictor.choice import judge, lower_bound_of
from amin.predictor.survival import CUT, FINISHED, begin_anew, note, refresh_with


@inlined_njit
def begin_groups_anew(state: State, slot: int) -> None:
    """The request that arrives takes over groups of values that have become rare."""
    for feature in range(state.groups.shape[1]):
        if state.groups[slot, feature] >= ANEW:
            state.groups[slot, feature] -= ANEW
            begin_anew(state.survival, state.groups[slot, feature])


@inlined_njit
def foretell(state: State, limits: Limits, slot: int) -> None:
    """Bound the length of a request that arrives, as `amin.predictor.online`."""
    lower = lower_bound_of(state.survival, state.groups, state.gains, slot, limits.coverage)
    state.table[slot, LOWER] = min(lower, state.table[slot, MAX_TOKENS])


@inlined_njit
def note_end(state: State, limits: Limits, slot: int) -> None:
    """A reply has ended: its length is known."""
    length = state.facts[slot, LENGTH]
    if limits.has_promise:
        is_known(books_of(state, limits), slot, length)
    if limits.learns:
        what = CUT if state.facts[slot, IS_CUT] else FINISHED
        judge(state.gains, state.survival, state.groups, slot, what, length)
        note(state.survival, what, state.groups, slot, length, 1.0)
        state.counts[ENDS_SINCE_REFRESH] += 1


@inlined_njit
def learn(state: State, limits: Limits) -> None:
    """What all replies so far say of those to come, and of those that are here."""
    counts = state.counts
    slots, made, _ = those_who_run(state)
    refresh_with(state.survival, state.groups, slots, made)
    counts[ENDS_SINCE_REFRESH] = 0
    if limits.has_promise:
        num_present = counts[NUM_WAITING] + counts[NUM_RUNNING]
        if is_recount_due(num_present, counts[NUM_ENDED] - counts[ENDED_AT_RECOUNT]):
            counts[ENDED_AT_RECOUNT] = counts[NUM_ENDED]
            sync(state)
            state.clock[WAITING_WORK] += recount(books_of(state, limits))
