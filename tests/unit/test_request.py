import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.errors import ConfigError
from amin.request import LengthEstimate, Request, RequestView

positive = st.integers(1, 10**12)


@given(positive, positive)
def test_any_interval_of_positive_integers_is_an_estimate(a: int, b: int) -> None:
    """Both ends are kept as given; swapped ends are refused."""
    low, high = sorted((a, b))
    estimate = LengthEstimate(low, high)
    assert (estimate.lower, estimate.upper) == (low, high)
    if low != high:
        with pytest.raises(ConfigError, match=f"lower: got {high}, allowed: <= upper"):
            LengthEstimate(high, low)


@pytest.mark.parametrize("value", [0, -1, 1.0, float("nan"), "1", None, True, np.int64(3)])
@pytest.mark.parametrize("name", ["lower", "upper"])
def test_ends_are_integers_from_one(name: str, value: object) -> None:
    """Anything else is refused, with field and value in the message."""
    with pytest.raises(ConfigError, match=f"{name}: got .*, allowed: an integer >= 1"):
        LengthEstimate(**({"lower": 1, "upper": 9} | {name: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [3, b"a", ["a"], "\ud800", float("nan"), ()])
def test_a_class_is_text(value: object) -> None:
    """Anything that could not be hashed or written to a log is refused at once."""
    with pytest.raises(ConfigError, match=r"predicted_class: got .*, allowed: text"):
        LengthEstimate(1, 2, value)  # type: ignore[arg-type]
    assert LengthEstimate(1, 2, "klasse ü").predicted_class == "klasse ü"


@given(positive, positive, st.integers(-5, 10**12))
def test_clamping(a: int, b: int, limit: int) -> None:
    """Both ends end up in 1..limit, nothing else changes, and twice is as good as once."""
    estimate = LengthEstimate(*sorted((a, b)))  # type: ignore[arg-type]
    clamped = estimate.clamp(limit)
    top = max(limit, 1)
    assert (clamped.lower, clamped.upper) == (min(estimate.lower, top), min(estimate.upper, top))
    assert clamped.clamp(limit) == clamped


def test_facts_cannot_be_changed() -> None:
    """A request and an estimate are frozen: nobody rewrites what a client asked for."""
    with pytest.raises(AttributeError):
        Request("r", 1, 1).max_tokens = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        LengthEstimate(1, 2).lower = 5  # type: ignore[misc]


def test_a_policy_cannot_see_the_true_length() -> None:
    """No field of the view is the true output length or leads to an object that has it."""
    assert RequestView._fields == (
        "num_prompt_tokens",
        "num_output_tokens",
        "num_computed_tokens",
        "max_tokens",
        "lower",
        "upper",
        "bound",
        "priority",
        "arrival_index",
        "admission_index",
        "num_preemptions",
        "mean_remaining",
        "mean_square_remaining",
        "num_cached_tokens",
    )
    assert set(RequestView.__annotations__.values()) == {"int"} or all(
        "int" in str(t) for t in RequestView.__annotations__.values()
    )
