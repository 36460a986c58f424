"""GSA, the geometric slicing algorithm: no prediction at all, and a constant ratio to the optimum.

Feng, Yang, Zhang, arXiv 2601.22996. From its abstract: geometric phases that restart jobs, so that
what a job may hold is bounded, and a staggered pipeline that smooths memory. The rest is our
reconstruction: a phase's slice is twice the last one's, from one token on; a request that has made
its slice leaves and starts over in the next phase; shorter slices go first, in order of arrival;
and the forecast of the whole slice, over time, is the stagger.
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView


def one_token(r: RequestView) -> int:
    """Believes one token."""
    return 1


def shortest_slice_first(r: RequestView) -> int:
    """Shortest slice first."""
    return r.bound


def rest_of_slice(r: RequestView) -> int:
    """Reserves the rest of its slice."""
    return max(r.bound - r.num_output_tokens, 1)


def latest_admitted_leaves(r: RequestView) -> int:
    """Whoever has made its slice leaves; else the last admitted, where memory runs out."""
    return -r.admission_index


def twice_the_slice(r: RequestView) -> int:
    """A request that made its slice gets twice as much."""
    return 2 * r.bound if r.num_output_tokens >= r.bound else r.bound


GSA = Policy(
    name="gsa",
    summary="GSA, reconstructed: slices of 1, 2, 4, ... tokens, no prediction (arXiv 2601.22996)",
    order=shortest_slice_first,
    forecast=rest_of_slice,
    preemption_order=latest_admitted_leaves,
    initial_bound=one_token,
    learn=twice_the_slice,
    leaves_at_bound=True,
)
