from collections.abc import Callable

from amin.policy.amax import AMAX
from amin.request import RequestView

MakeView = Callable[..., RequestView]


def test_believes_the_upper_bound(view: MakeView) -> None:
    """The bound is the upper end of the prediction, and a preemption changes nothing of it."""
    assert AMAX.initial_bound(view(lower=4, upper=50)) == 50
    assert AMAX.learn(view(bound=50, num_output_tokens=60)) == 50


def test_smallest_bound_is_next(view: MakeView) -> None:
    """The waiting are ordered by the bound, not by arrival."""
    assert AMAX.order(view(bound=50, arrival_index=1)) == 50


def test_reserves_up_to_the_bound(view: MakeView) -> None:
    """bound - tokens made, and one token more where the bound was wrong."""
    assert AMAX.forecast(view(bound=50, num_output_tokens=20)) == 30
    assert AMAX.forecast(view(bound=50, num_output_tokens=50)) == 1


def test_last_admitted_leaves(view: MakeView) -> None:
    """Where an upper bound was wrong, the last admitted has the smallest key."""
    early, late = view(admission_index=3, bound=9), view(admission_index=4, bound=90)
    assert AMAX.preemption_order(late) < AMAX.preemption_order(early)
