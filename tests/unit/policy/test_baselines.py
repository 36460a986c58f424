from collections.abc import Callable

import pytest

from amin.policy.fcfs import COST_AWARE, FCFS, LEAST_COMPUTED_FIRST, PAST_FUTURE, RETRACT
from amin.policy.interface import Policy
from amin.policy.priority import PRIORITY
from amin.request import RequestView

MakeView = Callable[..., RequestView]


@pytest.mark.parametrize(
    "policy", [FCFS, LEAST_COMPUTED_FIRST, PAST_FUTURE, RETRACT], ids=lambda p: p.name
)
def test_fcfs_family_admits_by_arrival(policy: Policy, view: MakeView) -> None:
    """The earlier arrival is next, however long its bound or urgent the other."""
    early = view(arrival_index=1, bound=90, priority=5)
    late = view(arrival_index=2, bound=1, priority=-5)
    assert policy.order(early) < policy.order(late)


@pytest.mark.parametrize(
    "policy", [FCFS, LEAST_COMPUTED_FIRST, COST_AWARE, RETRACT, PRIORITY], ids=lambda p: p.name
)
def test_baselines_reserve_for_one_token(policy: Policy, view: MakeView) -> None:
    """They have no forecast: admission is the engine's own "does it fit now"."""
    assert policy.forecast(view(bound=90)) == 1
    assert not policy.has_forecast


def test_fcfs_last_admitted_leaves(view: MakeView) -> None:
    """The order of admission decides, not that of arrival."""
    first = view(admission_index=3, arrival_index=9)
    last = view(admission_index=4, arrival_index=1)
    assert FCFS.preemption_order(last) < FCFS.preemption_order(first)


def test_least_computed_leaves(view: MakeView) -> None:
    """The fewest tokens in memory, prompt included, have the smallest key."""
    small = view(num_computed_tokens=12, num_output_tokens=9)
    large = view(num_computed_tokens=80, num_output_tokens=2)
    assert LEAST_COMPUTED_FIRST.preemption_order(small) == 12
    assert LEAST_COMPUTED_FIRST.preemption_order(large) == 80


def test_retract_fewest_output_leaves(view: MakeView) -> None:
    """Fewest output tokens first, even against a far longer prompt."""
    few = view(num_output_tokens=3, num_prompt_tokens=1)
    many = view(num_output_tokens=4, num_prompt_tokens=2**31 - 1)
    assert RETRACT.preemption_order(few) < RETRACT.preemption_order(many)


def test_retract_longest_prompt_leaves_among_equals(view: MakeView) -> None:
    """Among equal outputs the longest prompt has the smallest key."""
    long, short = view(num_prompt_tokens=900), view(num_prompt_tokens=30)
    assert RETRACT.preemption_order(long) < RETRACT.preemption_order(short)


def test_cost_aware_the_least_finished_leaves(view: MakeView) -> None:
    """By the share of max_tokens, not by the tokens made."""
    begun = view(num_output_tokens=50, max_tokens=1000)
    nearly = view(num_output_tokens=9, max_tokens=10)
    assert COST_AWARE.preemption_order(begun) < COST_AWARE.preemption_order(nearly)


def test_past_future_reserves_what_others_had(view: MakeView) -> None:
    """Of 27 expected, 20 are left after 7, and one at least however many were made."""
    assert PAST_FUTURE.forecast(view(mean_remaining=27, num_output_tokens=7)) == 20
    assert PAST_FUTURE.forecast(view(mean_remaining=27, num_output_tokens=90)) == 1


def test_most_urgent_is_next(view: MakeView) -> None:
    """The smallest priority is next, also a negative one."""
    assert PRIORITY.order(view(priority=-1)) < PRIORITY.order(view(priority=2, arrival_index=0))


def test_least_urgent_leaves(view: MakeView) -> None:
    """The largest priority leaves first, even if it came first."""
    urgent = view(priority=0, arrival_index=2**40 - 1)
    other = view(priority=1, arrival_index=0)
    assert PRIORITY.preemption_order(other) < PRIORITY.preemption_order(urgent)


def test_latest_arrival_leaves_among_equals(view: MakeView) -> None:
    """Among equal priorities the latest arrival leaves first, negative priorities included."""
    for priority in (-3, 0, 3):
        early = view(priority=priority, arrival_index=1)
        late = view(priority=priority, arrival_index=2)
        assert PRIORITY.preemption_order(late) < PRIORITY.preemption_order(early)
