"""The client's priority decides (vLLM's ``--scheduling-policy priority``).

Smaller is more urgent; equals go by arrival, and the latest arrival among them leaves first.
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView


def most_urgent_first(r: RequestView) -> int:
    """Smallest priority first, earlier arrival among equals."""
    return r.priority


def least_urgent_leaves(r: RequestView) -> int:
    """Largest priority leaves first, the latest arrival among equals."""
    # One integer for two keys: arrival indices stay below 2**40.
    return -(r.priority * 2**40 + r.arrival_index)


PRIORITY = Policy(
    name="priority",
    summary="the client's priority, as in vLLM's own priority scheduling",
    order=most_urgent_first,
    preemption_order=least_urgent_leaves,
)
