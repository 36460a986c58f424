"""The companion paper's policies: a point prediction of the length, and a check of the future.

Jaillet et al., "Online Scheduling for LLM Inference with KV Cache Constraints", arXiv 2502.07115.
The prediction is taken for true: both reserve up to it, and neither preempts while it is never too
short. Two things are our reconstruction: the point of an interval is its middle, and where a
prediction was too short the last admitted leaves.
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView


def middle(r: RequestView) -> int:
    """Believes the middle of the prediction."""
    return (r.lower + r.upper + 1) // 2


def shortest_prediction_first(r: RequestView) -> int:
    """Shortest predicted output first."""
    return r.bound


def earliest_arrival_first(r: RequestView) -> int:
    """Earliest arrival first."""
    return r.arrival_index


def up_to_prediction(r: RequestView) -> int:
    """Reserves up to the predicted end."""
    return max(r.bound - r.num_output_tokens, 1)


def latest_admitted_leaves(r: RequestView) -> int:
    """The last admitted leaves first; only reached when a prediction was too short."""
    return -r.admission_index


MC_SF = Policy(
    name="mc-sf",
    summary="MC-SF: shortest prediction first, its memory reserved (arXiv 2502.07115)",
    order=shortest_prediction_first,
    forecast=up_to_prediction,
    preemption_order=latest_admitted_leaves,
    initial_bound=middle,
)

MC_BENCHMARK = Policy(
    name="mc-benchmark",
    summary="MC-Benchmark: in order of arrival, the predicted memory reserved (arXiv 2502.07115)",
    order=earliest_arrival_first,
    forecast=up_to_prediction,
    preemption_order=latest_admitted_leaves,
    initial_bound=middle,
)
