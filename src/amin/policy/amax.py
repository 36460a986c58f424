"""A_max: reserve for the upper bound, never preempt while it holds (arXiv 2508.14544).

With no prediction the upper bound is max_tokens, and this is the GUARANTEED_NO_EVICT admission of
TensorRT-LLM in shortest-first order. Where intervals differ the paper's order is not known to us;
ascending upper bound is our reading.
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView


def upper_bound(r: RequestView) -> int:
    """Believes the upper end of the prediction."""
    return r.upper


def shortest_bound_first(r: RequestView) -> int:
    """Smallest upper bound first."""
    return r.bound


def up_to_bound(r: RequestView) -> int:
    """Reserves up to the upper bound."""
    return max(r.bound - r.num_output_tokens, 1)


def latest_admitted_leaves(r: RequestView) -> int:
    """The last admitted leaves first; only reached when an upper bound was wrong."""
    return -r.admission_index


AMAX = Policy(
    name="amax",
    summary="A_max: reserve for the upper bound, so that nothing is ever preempted",
    order=shortest_bound_first,
    forecast=up_to_bound,
    preemption_order=latest_admitted_leaves,
    initial_bound=upper_bound,
)
