"""Yardsticks that are told the true length: no server can run them, a simulator can.

`HINDSIGHT` is the paper's H-SF, hindsight shortest first (arXiv 2508.14544): A_min with l = u = o.
It is a yardstick and not an optimum: with unequal prompts `SMALLEST_VOLUME` beats it (Sorted-F,
arXiv 2508.06133, orders by a batch's volume; ours by each request's own).
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView


def shortest_first(r: RequestView) -> int:
    """Shortest output first."""
    return r.bound


def to_its_end(r: RequestView) -> int:
    """Reserves up to the true end."""
    return max(r.bound - r.num_output_tokens, 1)


def latest_admitted_leaves(r: RequestView) -> int:
    """The last admitted leaves first; with true lengths, and vLLM's chunks aside, nobody does."""
    return -r.admission_index


def smallest_volume_first(r: RequestView) -> int:
    """Smallest memory x time first: the sum over its steps of the tokens it holds."""
    return r.num_prompt_tokens * r.bound + r.bound * (r.bound + 1) // 2


HINDSIGHT = Policy(
    name="hindsight",
    summary="H-SF: shortest first, told the true lengths (arXiv 2508.14544's yardstick)",
    order=shortest_first,
    forecast=to_its_end,
    preemption_order=latest_admitted_leaves,
    is_clairvoyant=True,
)

SMALLEST_VOLUME = Policy(
    name="smallest-volume",
    summary="smallest memory x time first, told the true lengths",
    order=smallest_volume_first,
    forecast=to_its_end,
    preemption_order=latest_admitted_leaves,
    is_clairvoyant=True,
)
