"""A_min: believe the lower bound, learn as tokens come, preempt in a known order.

Chen, Ye, Zhou, arXiv 2508.14544. Requests are admitted shortest lower bound first, as many as are
forecast to fit if each ends at its bound. On overflow the smallest bound leaves first, and a
preempted request is known to be at least as long as what it had made. Upper bounds are never used.

Secondary sources read the preemption order in two ways; both are here:
*static* orders by the bound, which changes only on a preemption; *dynamic* by
max(bound, tokens made), so that whoever has made least progress leaves first.
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView


def shortest_bound_first(r: RequestView) -> int:
    """Smallest bound first."""
    return r.bound


def up_to_bound(r: RequestView) -> int:
    """Reserves up to the bound, and one token past it."""
    return max(r.bound - r.num_output_tokens, 1)


def smallest_bound_leaves(r: RequestView) -> int:
    """Smallest bound leaves first; the bound changes only on a preemption."""
    return r.bound


def least_progress_leaves(r: RequestView) -> int:
    """Smallest max(bound, tokens made) leaves first."""
    return max(r.bound, r.num_output_tokens)


def at_least_made(r: RequestView) -> int:
    """A preempted request is at least as long as what it had made."""
    return max(r.bound, r.num_output_tokens)


AMIN_STATIC = Policy(
    name="amin-static",
    summary="A_min, preempting by the bound (arXiv 2508.14544, the default reading)",
    order=shortest_bound_first,
    forecast=up_to_bound,
    preemption_order=smallest_bound_leaves,
    learn=at_least_made,
)

AMIN_DYNAMIC = Policy(
    name="amin-dynamic",
    summary="A_min, preempting by the bound or the progress, whichever is larger",
    order=shortest_bound_first,
    forecast=up_to_bound,
    preemption_order=least_progress_leaves,
    learn=at_least_made,
)
