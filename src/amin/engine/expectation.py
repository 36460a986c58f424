"""What is expected to remain of a reply, and what work is: for simulator and engine.

Learned (`amin.predictor.survival`), or, where a client or a trace tells an interval, its middle;
where it tells a lower bound alone, that and what is learned of those who reach it.
"""

from __future__ import annotations

from amin.arrays import Floats, Floats3, Ints
from amin.engine.promise_books import Rates
from amin.engine.rows import (
    LOWER,
    MAX_TOKENS,
    MEAN_REMAINING,
    NUM_OUTPUT,
    SQUARE_REMAINING,
    UPPER,
)
from amin.jit import cached_njit, called_njit
from amin.policy.volume import HALF_A_BLOCK
from amin.predictor.choice import group_of
from amin.predictor.survival import ALL, TOLD, remaining


@called_njit
def expected(
    table: Ints, survival: Floats3, group: int, slot: int, made: int
) -> tuple[float, float]:
    """(mean, mean square) of the tokens to come after `made`."""
    if group != TOLD:
        mean, square = remaining(survival, group, made, table[slot, MAX_TOKENS])
    elif table[slot, UPPER] < table[slot, MAX_TOKENS]:
        middle = (table[slot, LOWER] + table[slot, UPPER]) // 2
        mean = float(max(middle - made, 1))
        square = mean**2
    else:
        # A lower bound alone: so many, and then what remains of all that get there.
        sure = max(table[slot, LOWER] - 1 - made, 0)
        mean, square = remaining(survival, ALL, made + sure, table[slot, MAX_TOKENS])
        mean, square = mean + sure, square + 2 * sure * mean + sure**2
    return mean, square


@cached_njit
def expect(table: Ints, survival: Floats3, group: int, slot: int) -> None:
    """Write down what is expected to remain of a reply that begins to wait."""
    made = table[slot, NUM_OUTPUT]
    mean, square = expected(table, survival, group, slot, made)
    table[slot, MEAN_REMAINING], table[slot, SQUARE_REMAINING] = round(mean), round(square)


@cached_njit
def expect_slot(table: Ints, survival: Floats3, groups: Ints, gains: Floats, slot: int) -> None:
    """`expect`, by whose replies foretell this one's length now."""
    expect(table, survival, group_of(survival, groups, gains, slot), slot)


@called_njit
def work_of(num_held: int, mean: float, square: float, num_uncomputed: int, rates: Rates) -> float:
    """The work of tokens to come: `mean` on average, with that mean square, on top of `num_held`.

    Memory x time, in KV tokens x steps, of which a request counts as `rates.per_seq` at least; and
    `rates.per_token` for each token that is to be computed, `num_uncomputed` of which are known.
    """
    volume = mean * (num_held + HALF_A_BLOCK) + square / 2
    return float(max(volume, mean * rates.per_seq) + rates.per_token * (num_uncomputed + mean))
