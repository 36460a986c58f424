"""Smallest expected volume first: who is expected to need least memory x time goes first.

A reply of r tokens more, from s + a in memory on, takes r(s + a) + r²/2 token-steps of KV. Of r
only mean and mean square are known, and need be: that is what is expected of the sum. Clairvoyant
volumes are Sorted-F's (arXiv 2508.06133, which orders by a batch's); these are learned.

The victim is who was preempted least often, and of these who has computed least: it wastes least,
and nobody is preempted over and over. Nothing is forecast beyond the engine's `forecast_floor`.
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView

HALF_A_BLOCK = 8
"""A request holds half a block more than its tokens, on average."""

_MANY_TOKENS = 2**40


def smallest_expected_volume_first(r: RequestView) -> int:
    """Smallest expected memory x time of what remains, as of when the request began to wait."""
    held = r.num_prompt_tokens - r.num_cached_tokens + r.num_output_tokens + HALF_A_BLOCK
    return r.mean_remaining * held + r.mean_square_remaining // 2


def least_preempted_leaves(r: RequestView) -> int:
    """Fewest preemptions leave first, and of these the fewest computed tokens."""
    return r.num_preemptions * _MANY_TOKENS + r.num_computed_tokens


def next_token(r: RequestView) -> int:
    """Reserves for the next token, or for the engine's floor where that is more."""
    return 1


EXPECTED_VOLUME = Policy(
    name="expected-volume",
    summary="smallest expected memory x time first; who was preempted least leaves first",
    order=smallest_expected_volume_first,
    forecast=next_token,
    preemption_order=least_preempted_leaves,
    needs_kept_tokens=True,
)
