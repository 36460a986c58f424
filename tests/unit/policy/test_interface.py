from dataclasses import replace
from functools import partial

import pytest

from amin.errors import ConfigError
from amin.policy.catalog import POLICIES
from amin.policy.interface import Policy, fits_now, lower_bound


@pytest.mark.parametrize("name", ["", "Amin", " amin", "amin "])
def test_names_are_lower_case(name: str) -> None:
    """A name is typed on a command line: lower case, not empty, no spaces around."""
    with pytest.raises(ConfigError, match="name: got"):
        Policy(name, "", order=lower_bound, preemption_order=lower_bound)


@pytest.mark.parametrize(
    "rule", ["order", "preemption_order", "forecast", "initial_bound", "learn"]
)
def test_rules_are_functions(rule: str) -> None:
    """What cannot be called is refused when the policy is made, naming the rule."""
    rules = {"order": lower_bound, "preemption_order": lower_bound, rule: 5}
    with pytest.raises(ConfigError, match=f"{rule}: got 5, allowed: a function"):
        Policy("mine", "", **rules)  # type: ignore[arg-type]


def test_a_forecast_is_what_differs_from_fits_now() -> None:
    """`has_forecast` is False by default and True with any other rule."""
    plain = Policy("mine", "", order=lower_bound, preemption_order=lower_bound)
    assert (plain.forecast, plain.has_forecast) == (fits_now, False)
    other = Policy("mine", "", lower_bound, lower_bound, forecast=lower_bound)
    assert other.has_forecast


def test_says_whether_it_reads_what_is_learned_of_lengths() -> None:
    """By the names in its rules; of a rule that cannot be looked into, yes."""
    reads = {name for name, policy in POLICIES.items() if policy.reads_lengths}
    assert reads == {"expected-volume", "past-future"}
    hidden = replace(POLICIES["fcfs"], order=partial(POLICIES["fcfs"].order))
    assert hidden.reads_lengths


def test_says_whether_its_forecast_is_the_same_for_all() -> None:
    """By what the rule reads; of a rule that cannot be looked into, no."""
    alike = {name for name, policy in POLICIES.items() if policy.forecasts_alike}
    assert "expected-volume" in alike
    assert not alike & {"amin-static", "amin-dynamic", "amax", "past-future", "gsa", "mc-sf"}
    hidden = replace(POLICIES["expected-volume"], forecast=partial(fits_now))
    assert not hidden.forecasts_alike
