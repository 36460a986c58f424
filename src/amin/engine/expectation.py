"""What is expected to remain of a reply, and the work of it: for simulator and engine.

Learned (`amin.predictor.survival`), or, where a client or a trace tells an interval, its middle.
"""

from __future__ import annotations

from amin.engine.projection import Ints
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
def expected_work(
    survival: Floats3,
    group: int,
    num_prompt: int,
    made: int,
    max_tokens: int,
    uncomputed: int,
    per_token: float,
    per_seq: float,
) -> float:
    """What a request is expected to cost until it ends.

    Memory x time, in KV tokens x steps, of which a request counts as `per_seq` at least; and
    `per_token` for each token that is to be computed, `uncomputed` of which are known. Of what is
    told nothing is believed: it is for the promise.
    """
    mean, square = remaining(survival, group, made, max_tokens)
    volume = mean * (num_prompt + made + HALF_A_BLOCK) + square / 2
    return float(max(volume, mean * per_seq) + per_token * (uncomputed + mean))
