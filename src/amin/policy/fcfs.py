"""First come, first served, and the baselines that change who is preempted, or what is forecast.

`FCFS` is vLLM V1's default (vllm/v1/core/sched/scheduler.py, SchedulingPolicy.FCFS).
`LEAST_COMPUTED_FIRST` is the victim rule asked for in vLLM #54644. `RETRACT` is SGLang's
(python/sglang/srt/managers/schedule_batch.py, retract_decode): fewest output tokens, and among
those the longest prompt; its decaying admission reserve is not part of it here. `COST_AWARE` is the
victim rule of vLLM #56897 as far as a policy sees it, `PAST_FUTURE` the admission of LightLLM's
Past-Future scheduler (arXiv 2507.10150), with the mean of past lengths in place of samples of them.
"""

from __future__ import annotations

from amin.policy.interface import Policy
from amin.request import RequestView


def earliest_arrival_first(r: RequestView) -> int:
    """Earliest arrival first."""
    return r.arrival_index


def latest_admitted_leaves(r: RequestView) -> int:
    """The last admitted leaves first."""
    return -r.admission_index


def least_computed_leaves(r: RequestView) -> int:
    """Fewest tokens in memory leaves first: the cheapest to compute again."""
    return r.num_computed_tokens


def fewest_output_leaves(r: RequestView) -> int:
    """Fewest output tokens leaves first; the longest prompt among equals."""
    # One integer for two keys: no prompt reaches 2**31 tokens.
    return r.num_output_tokens * 2**31 - r.num_prompt_tokens


def least_finished_leaves(r: RequestView) -> int:
    """The smallest share of max_tokens made leaves first: all of them give back what they hold."""
    return r.num_output_tokens * 2**20 // max(r.max_tokens, 1)


def as_long_as_others(r: RequestView) -> int:
    """Reserves what such replies have left on average; less of one that was preempted."""
    return max(r.mean_remaining - r.num_output_tokens, 1)


FCFS = Policy(
    name="fcfs",
    summary="vLLM's default: first come, first served; the last admitted is preempted",
    order=earliest_arrival_first,
    preemption_order=latest_admitted_leaves,
    preempted_first=True,
)

LEAST_COMPUTED_FIRST = Policy(
    name="least-computed-first",
    summary="FCFS, preempting the request that is cheapest to compute again (vLLM #54644)",
    order=earliest_arrival_first,
    preemption_order=least_computed_leaves,
)

RETRACT = Policy(
    name="retract",
    summary="FCFS with SGLang's victim: fewest output tokens, longest prompt on ties",
    order=earliest_arrival_first,
    preemption_order=fewest_output_leaves,
)

COST_AWARE = Policy(
    name="cost-aware",
    summary="FCFS, preempting who has made the smallest share of its max_tokens (vLLM #56897)",
    order=earliest_arrival_first,
    preemption_order=least_finished_leaves,
)

PAST_FUTURE = Policy(
    name="past-future",
    summary="FCFS, admitting what fits if replies are as long as past ones (LightLLM)",
    order=earliest_arrival_first,
    forecast=as_long_as_others,
    preemption_order=latest_admitted_leaves,
)
