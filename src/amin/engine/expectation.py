"""What is expected to remain of a reply, and the memory x time of it: for simulator and engine.

Learned (`amin.predictor.survival`), or, where a client or a trace tells an interval, its middle.
"""

from __future__ import annotations

from amin.engine.projection import Ints
from amin.engine.rows import (
    LOWER,
    MAX_TOKENS,
    MEAN_REMAINING,
    NUM_OUTPUT,
    NUM_PROMPT,
    SQUARE_REMAINING,
    UPPER,
)
from amin.jit import cached_njit, called_njit
from amin.policy.volume import HALF_A_BLOCK
from amin.predictor.survival import TOLD, Floats3, remaining


@called_njit
def expected(
    table: Ints, survival: Floats3, group: int, slot: int, made: int
) -> tuple[float, float]:
    """(mean, mean square) of the tokens to come after `made`."""
    if group != TOLD:
        mean, square = remaining(survival, group, made, table[slot, MAX_TOKENS])
    else:
        middle = (table[slot, LOWER] + table[slot, UPPER]) // 2
        mean = float(max(middle - made, 1))
        square = mean**2
    return mean, square


@cached_njit
def expect(table: Ints, survival: Floats3, group: int, slot: int) -> None:
    """Write down what is expected to remain of a reply that begins to wait."""
    made = table[slot, NUM_OUTPUT]
    mean, square = expected(table, survival, group, slot, made)
    table[slot, MEAN_REMAINING], table[slot, SQUARE_REMAINING] = round(mean), round(square)


@cached_njit
def waiting_volume(table: Ints, slot: int) -> int:
    """Memory x time that a request is expected to use, as of when it began to wait."""
    held = table[slot, NUM_PROMPT] + table[slot, NUM_OUTPUT] + HALF_A_BLOCK
    volume: int = table[slot, MEAN_REMAINING] * held + table[slot, SQUARE_REMAINING] // 2
    return volume


@cached_njit
def running_volume(table: Ints, survival: Floats3, group: int, slot: int, made: int) -> float:
    """The same of a running request, now that so many tokens are made."""
    mean, square = expected(table, survival, group, slot, made)
    return float(mean * (table[slot, NUM_PROMPT] + made + HALF_A_BLOCK) + square / 2)
