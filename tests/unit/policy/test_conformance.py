import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from amin.errors import AminError, ConformanceError
from amin.policy import conformance
from amin.policy.amin import AMIN_STATIC
from amin.policy.catalog import POLICIES
from amin.policy.conformance import CHECKS, check_policy, random_views
from amin.policy.interface import Policy
from amin.request import RequestView


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
def test_every_policy_that_ships_conforms(policy: Policy, check: Callable[[Policy], None]) -> None:
    """Each check of the published list, on each policy of the catalog."""
    check(policy)


_calls = itertools.count()


def _impure(r: RequestView) -> int:
    return r.bound + next(_calls)


def _half(r: RequestView) -> int:
    return r.bound / 2  # type: ignore[return-value]


def _may_be_zero(r: RequestView) -> int:
    return max(r.bound - r.num_output_tokens, 0)


def _overflows(r: RequestView) -> int:
    return (r.bound * 2**31 + r.num_prompt_tokens) * 2**31


def _raises(r: RequestView) -> int:
    return r.bound // (r.num_preemptions * 0)


def _reads_text(r: RequestView) -> int:
    return len(f"{r.bound:+}")


@pytest.mark.parametrize(
    ("rule", "function", "message"),
    [
        ("order", _impure, "order answered .*, then .*; allowed: one"),
        ("order", _half, r"order answered \d+\.\d, allowed: an int"),
        ("preemption_order", _overflows, "preemption_order answered .*, compiled"),
        ("preemption_order", _reads_text, "preemption_order does not compile"),
        ("forecast", _may_be_zero, "forecast answered 0, allowed: >= 1"),
        ("initial_bound", _may_be_zero, "initial_bound answered 0, allowed: >= 1"),
        ("learn", lambda r: r.num_output_tokens, r"learn answered \d+, allowed: >= "),
        ("learn", _raises, "learn raised ZeroDivisionError"),
    ],
)
def test_a_broken_rule_is_found(
    rule: str, function: Callable[[RequestView], int], message: str
) -> None:
    """Each breach of the contract is reported with policy, rule and answer."""
    change: Any = {rule: function}
    broken = replace(AMIN_STATIC, name="broken", **change)
    with pytest.raises(ConformanceError, match=f"policy 'broken': {message}") as caught:
        check_policy(broken)
    assert isinstance(caught.value, AminError)


def test_the_failing_request_is_shown() -> None:
    """The message ends with the request's visible state, and it does fail there."""
    broken = replace(AMIN_STATIC, forecast=_may_be_zero)
    with pytest.raises(ConformanceError) as caught:
        conformance.check_forecast_is_positive(broken)
    shown = str(caught.value).split(", for ")[1]
    assert _may_be_zero(eval(shown)) == 0


def test_the_random_requests_are_the_same_every_time() -> None:
    """Equal seeds give equal requests, different seeds different ones."""
    assert list(random_views(20, seed=3)) == list(random_views(20, seed=3))
    assert list(random_views(20, seed=3)) != list(random_views(20, seed=4))


def test_every_check_is_listed() -> None:
    """No check of the module is missing from `CHECKS`."""
    functions = {n for n in vars(conformance) if n.startswith("check_")} - {"check_policy"}
    assert functions == {check.__name__ for check in CHECKS}
