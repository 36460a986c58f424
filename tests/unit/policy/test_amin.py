from collections.abc import Callable

from amin.policy.amin import AMIN_DYNAMIC, AMIN_STATIC
from amin.request import RequestView

MakeView = Callable[..., RequestView]
BOTH = (AMIN_STATIC, AMIN_DYNAMIC)


def test_starts_from_the_lower_bound(view: MakeView) -> None:
    """The first belief is the lower end of the prediction."""
    assert [p.initial_bound(view(lower=4, upper=50)) for p in BOTH] == [4, 4]


def test_shortest_bound_is_next(view: MakeView) -> None:
    """The waiting are ordered by the bound, not by arrival, prompt or upper end."""
    short = view(bound=3, arrival_index=9, num_prompt_tokens=500, upper=90)
    long = view(bound=5, arrival_index=1, num_prompt_tokens=1, upper=6)
    for policy in BOTH:
        assert (policy.order(short), policy.order(long)) == (3, 5)


def test_forecasts_the_rest_of_the_bound(view: MakeView) -> None:
    """bound - tokens made, and one token more for a request that has outlived its bound."""
    for policy in BOTH:
        assert policy.forecast(view(bound=20, num_output_tokens=5)) == 15
        assert policy.forecast(view(bound=20, num_output_tokens=20)) == 1
        assert policy.forecast(view(bound=20, num_output_tokens=35)) == 1


def test_static_preempts_by_the_bound_alone(view: MakeView) -> None:
    """Tokens made do not count until a preemption has turned them into the bound."""
    assert AMIN_STATIC.preemption_order(view(bound=4, num_output_tokens=30)) == 4


def test_dynamic_preempts_by_the_progress_too(view: MakeView) -> None:
    """max(bound, tokens made): either may be the larger."""
    assert AMIN_DYNAMIC.preemption_order(view(bound=4, num_output_tokens=30)) == 30
    assert AMIN_DYNAMIC.preemption_order(view(bound=40, num_output_tokens=30)) == 40


def test_a_preemption_teaches_what_was_made(view: MakeView) -> None:
    """The new bound is max(bound, tokens made)."""
    for policy in BOTH:
        assert policy.learn(view(bound=4, num_output_tokens=30)) == 30
        assert policy.learn(view(bound=40, num_output_tokens=30)) == 40


def test_upper_bounds_are_never_used(view: MakeView) -> None:
    """No rule of A_min changes its answer with the upper end of the prediction."""
    narrow, wide = view(upper=4, num_output_tokens=3), view(upper=99, num_output_tokens=3)
    for policy in BOTH:
        for rule in ("order", "forecast", "preemption_order", "initial_bound", "learn"):
            assert getattr(policy, rule)(narrow) == getattr(policy, rule)(wide)
