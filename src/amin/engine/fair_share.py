"""Fair shares between clients: who floods the server waits behind himself.

Start-time fair queueing (Goyal, Vin and Cheng, 1997) of work, which is KV tokens x steps
(`amin.engine.promise_books.Rates`), as VTC (arXiv 2401.00588) does it with tokens. What a client
asks for is added up: a request starts where the client's request before it ended, or where the
server has come to by now, if that is more. So a client that asks for little starts now, and one
that floods starts ever later. Starts are cut into turns of `STEPS_PER_TURN` full steps. An earlier
turn goes first (`amin.engine.precedence`), in a turn those who came no more than a turn ahead of
the server, and of these and those alike, whom the policy says. The server has come to the beginning
of the latest turn in which anybody was admitted.

While others ask for no more than their share, those who flood begin nothing that would leave less
than `KEPT_FREE` of the memory free: else whoever comes next waits until somebody ends, and a server
whose memory is full has ends in crowds. With one client alone nothing is kept.

A request is charged on arrival with what is learned of such replies, whatever it tells, and its
client's account is put right when it ends. What its prompt finds in the prefix cache costs nothing.

For the simulator, where it is compiled, and for the engine alike. A request is a slot.
"""

from __future__ import annotations

from amin.arrays import Floats, Floats3, Ints
from amin.engine.expectation import work_of
from amin.engine.promise_books import Rates
from amin.engine.rows import MAX_TOKENS, own_prompt
from amin.jit import cached_njit
from amin.predictor.choice import learned_group
from amin.predictor.survival import remaining

STEPS_PER_TURN = 256
"""Steps of a full memory that are one turn: eight seconds, where a step takes 30 ms. In a shorter
one the policy has less to order, and bursts of a client that asks for little count as a flood."""


KEPT_FREE = 0.1
"""Of the memory, for those who do not flood. With .2 the whole server is a tenth slower."""

KEPT_STEPS = 8 * STEPS_PER_TURN
"""Steps of a full memory for which that is kept since the latest of them came."""


@cached_njit
def turn_of(start: float, now: float, per_step: float) -> int:
    """The place of a request in the order of turns: two for each, the latter for those who flood.

    It starts after so much work, and the server has come to `now`; `per_step` is the work of a step
    in which the memory is full.
    """
    size = per_step * STEPS_PER_TURN
    return 2 * int(start // size) + int(start - now > size)


@cached_njit
def comes_to(turn: int, now: float, per_step: float) -> float:
    """Where the server has come to when one of this turn is admitted."""
    return max(now, turn // 2 * (per_step * STEPS_PER_TURN))


@cached_njit
def floods(turn: int) -> bool:
    """Whether a request of this turn came more than a turn ahead of the server."""
    return turn % 2 == 1


@cached_njit
def kept_free(turn: int, since: float, now: float, per_step: float) -> float:
    """The share of the memory that is to be free beside one of this turn when it begins.

    Another client, who does not flood, came last when the server had come to `since`: mostly
    lately, so that its next request is waited for.
    """
    return KEPT_FREE if floods(turn) and now - since < per_step * KEPT_STEPS else 0.0


@cached_njit
def expected_charge(
    table: Ints, groups: Ints, survival: Floats3, gains: Floats,
    per_step: float, per_token: float, per_seq: float, slot: int,
) -> float:  # fmt: skip
    """What a request that arrives is expected to ask for."""
    group = learned_group(survival, groups, gains, slot)
    mean, square = remaining(survival, group, 0, table[slot, MAX_TOKENS])
    rates, own = Rates(per_step, per_token, per_seq), own_prompt(table, slot)
    return float(work_of(own, mean, square, own, rates))


@cached_njit
def known_charge(
    table: Ints, per_step: float, per_token: float, per_seq: float, slot: int, num_tokens: int
) -> float:
    """What a request that ended after so many tokens has asked for."""
    rates, own, length = Rates(per_step, per_token, per_seq), own_prompt(table, slot), num_tokens
    return float(work_of(own, float(length), float(length) ** 2, own, rates))
