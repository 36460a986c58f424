import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amin.engine.vllm.hints import MAX_NAME_LENGTH, MAX_TOKENS, Hints, parse_hints
from amin.errors import HintError
from amin.request import LengthEstimate

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
fields = st.sampled_from(["amin_lower", "amin_upper", "amin_class", "other"])


@given(st.none() | st.dictionaries(fields, json_values), st.integers(-1, 10**6))
@example({"amin_lower": 10**400}, 5)
@example({"amin_lower": 2, "amin_upper": 1}, 5)
def test_hints_are_checked_or_refused(
    extra_args: dict[str, object] | None, max_tokens: int
) -> None:
    """Whatever a client sends ends in valid Hints or in a HintError that names a field."""
    error: HintError | None = None
    try:
        hints = parse_hints(extra_args, max_tokens)
    except HintError as caught:
        error = caught
    if error is not None:
        assert error.field in {"amin_lower", "amin_upper", "amin_class"}
        assert str(error).startswith(f"{error.field}: got ")
        assert "allowed: " in str(error)
        return
    assert isinstance(hints, Hints)
    if hints.estimate is not None:
        assert 1 <= hints.estimate.lower <= hints.estimate.upper <= max(max_tokens, 1)
    if hints.predicted_class is not None:
        assert extra_args is not None
        assert hints.predicted_class == extra_args["amin_class"]


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_good_bounds_are_believed_up_to_max_tokens(a: int, b: int, max_tokens: int) -> None:
    """The estimate is the client's interval, clamped."""
    lower, upper = sorted((a, b))
    hints = parse_hints({"amin_lower": lower, "amin_upper": upper}, max_tokens)
    assert hints.estimate == LengthEstimate(lower, upper).clamp(max_tokens)


@pytest.mark.parametrize(
    "value",
    [0, -1, 1.0, 3.5, math.nan, math.inf, 10**12, MAX_TOKENS + 1, True, False, "7", "", [7], {}],
    ids=repr,
)
@pytest.mark.parametrize("field", ["amin_lower", "amin_upper"])
def test_bounds_are_integers_in_range(field: str, value: object) -> None:
    """Negative, zero, fractional, NaN, huge, bool and string are refused, naming the field."""
    with pytest.raises(HintError, match=f"^{field}: got .*, allowed: an integer from 1 to"):
        parse_hints({field: value}, 100)


@pytest.mark.parametrize("value", ["", "x" * (MAX_NAME_LENGTH + 1), 3, True, ["chat"]])
def test_a_class_is_a_short_string(value: object) -> None:
    """Empty, too long and other types are refused."""
    with pytest.raises(HintError, match=r"^amin_class: got"):
        parse_hints({"amin_class": value}, 100)


@pytest.mark.parametrize(
    ("extra_args", "estimate"),
    [
        (None, None),
        ({}, None),
        ({"other": 5, "amin_lower": None}, None),
        ({"amin_lower": 5}, (5, 100)),
        ({"amin_upper": 5}, (1, 5)),
        ({"amin_lower": 500}, (100, 100)),
        ({"amin_upper": 500}, (1, 100)),
        ({"amin_lower": 7, "amin_upper": 7}, (7, 7)),
    ],
)
def test_what_is_missing_is_filled_in(
    extra_args: dict[str, object] | None, estimate: tuple[int, int] | None
) -> None:
    """One end alone is completed by 1 or max_tokens (here 100); null is as good as missing."""
    expected = LengthEstimate(*estimate) if estimate else None
    assert parse_hints(extra_args, 100) == Hints(expected, None)


def test_swapped_ends_are_refused() -> None:
    """A lower end above the upper end is a mistake of the client, not ours to guess at."""
    with pytest.raises(HintError, match=r"^amin_lower: got 9, allowed: <= amin_upper \(3\)"):
        parse_hints({"amin_lower": 9, "amin_upper": 3}, 100)
