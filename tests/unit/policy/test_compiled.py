import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.errors import PolicyError
from amin.policy.catalog import POLICIES
from amin.policy.compiled import COLUMN, compile_policy
from amin.policy.interface import Policy, Rule, lower_bound
from amin.request import RequestView

tokens = st.integers(0, 2**31 - 1)
counts = st.integers(-1, 2**40 - 1)
views = st.builds(
    RequestView,
    *[tokens] * 7,
    st.integers(-(2**20), 2**20),
    counts,
    counts,
    st.integers(0, 2**20),
    tokens,
    st.integers(1, 2**61),
    tokens,
)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
def test_compiled_rules_answer_as_the_functions_do(policy: Policy) -> None:
    """For any table and any choice of its rows, in the order of the choice."""
    rules = compile_policy(policy)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(views, min_size=1, max_size=20), st.data())
    def check(rows: list[RequestView], data: st.DataObject) -> None:
        slots = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))
        table, chosen = np.array(rows, np.int64), np.array(slots, np.int64)
        for rule in ("forecast", "preemption_order"):
            expected = [getattr(policy, rule)(rows[slot]) for slot in slots]
            assert getattr(rules, rule)(table, chosen).tolist() == expected

    check()


def test_columns_are_the_fields_in_their_order() -> None:
    """The table's column of a field is its position in RequestView."""
    assert [RequestView._fields[column] for column in COLUMN.values()] == list(COLUMN)


def test_compiling_is_done_once_per_policy() -> None:
    """A second scheduler of one process gets the same kernels."""
    policy = POLICIES["amin-static"]
    assert compile_policy(policy) is compile_policy(policy)


def _formats(r: RequestView) -> int:
    return len(f"{r.bound:+}")


def _looks_up(r: RequestView) -> int:
    return {"a": 1}.setdefault(str(r.bound), _looks_up)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", [_formats, _looks_up], ids=lambda rule: rule.__name__)
def test_a_rule_that_does_not_compile_is_named(rule: Rule) -> None:
    """The error has the rule, the policy and what a rule may do, however numba puts it."""
    policy = Policy("wordy", "", order=lower_bound, preemption_order=rule)
    with pytest.raises(PolicyError, match=r"preemption_order of policy 'wordy'.*allowed: arith"):
        compile_policy(policy)
