"""The books of the tail promise, as the compiled parts that engines share take them."""

from __future__ import annotations

from amin.engine.hindsight import Books
from amin.engine.promise import where_shared
from amin.engine.promise_books import Rates
from amin.engine.simulator.state import SHARED, Limits, State
from amin.jit import called_njit


@called_njit
def books_of(state: State, limits: Limits) -> Books:
    """What the tail promise keeps."""
    rates = limits.rates
    return Books(
        state.table, state.groups, state.survival, state.gains, state.noted, state.queues,
        state.crowd,
        Rates(rates.per_step - state.clock[SHARED], rates.per_token, rates.per_seq),
    )  # fmt: skip


@called_njit
def promise_now(state: State, limits: Limits) -> float:
    """What is promised while so much of the memory is shared prefixes."""
    return float(where_shared(limits.promise, state.clock[SHARED], limits.rates.per_step))
