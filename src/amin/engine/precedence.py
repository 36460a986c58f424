"""Who goes before whom, whatever the policy's order: one number for each request that waits.

The smaller goes first; among equals it is the policy that orders. In this order count:

1. the request's class of priority, where the operator asks for vLLM's (``--scheduling-policy
   priority``);
2. the turn that its client has, where there are fair shares (`amin.engine.fair_share`);
3. whether it can still get its first token in time, where there is a target for that
   (``ttft_target``, seconds): whoever waits for a first token and is not late yet goes before all
   others, and among these it is the cheapest, by the policy's order. Who is late already, or has
   begun and was preempted, comes after: it is too late to please the one, and the other has been.

Without these three the number is 0 for all, and nothing is changed by it. Both promises are
above it, but for one thing: who is overdue by the tail promise (`amin.engine.promise`) passes
nobody whose client's turn comes earlier, since FCFS gives a flood all that it asks for.

For the simulator, where it is compiled, and for the engine alike.
"""

from __future__ import annotations

from amin.jit import cached_njit

TURNS = 2**40
"""More turns than a server ever comes to."""


@cached_njit
def rank_of(priority: int, turn: int, is_late: bool) -> int:
    """The number; `priority` is 0 for all where there are no classes, as is `turn` without shares.

    It fits 64 bits: priorities are clamped (`amin.engine.rows.PRIORITY_LIMIT`).
    """
    return (priority * TURNS + turn) * 2 + is_late
