from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.rows import PRIORITY_LIMIT
from amin.engine.vllm.ledger import Ledger
from amin.policy.amax import AMAX
from amin.policy.amin import AMIN_STATIC
from amin.policy.interface import Policy
from amin.predictor.lengths import LearnedLengths
from amin.request import LengthEstimate, Request

CAPACITY = 1000


def ledger_of(policy: Policy = AMIN_STATIC, seed: int = 0) -> Ledger:
    """A ledger for a cache of 1000 tokens."""
    return Ledger(policy, CAPACITY, seed, LearnedLengths())


def open_row(ledger: Ledger, request_id: str = "a", **fields: Any) -> None:
    """A request with prompt 10, max_tokens 100, predicted 4-50; name what differs."""
    estimate = LengthEstimate(fields.pop("lower", 4), fields.pop("upper", 50))
    usual = {"num_prompt_tokens": 10, "max_tokens": 100}
    request = Request(request_id, **(usual | fields))
    ledger.open(request, estimate, ledger.lengths.arrived(request))


def test_an_arrival_has_the_prediction_and_the_first_belief() -> None:
    """The view of a new request: its facts, the interval, the policy's initial bound, and, as soon
    as it waits, what is expected of it."""
    ledger = ledger_of()
    open_row(ledger, priority=-3)
    ledger.waits(ledger.slot("a"), 10, 0)
    assert ledger.view("a")._asdict() == {
        "num_prompt_tokens": 10,
        "num_output_tokens": 0,
        "num_computed_tokens": 0,
        "max_tokens": 100,
        "lower": 4,
        "upper": 50,
        "bound": 4,
        "priority": -3,
        "arrival_index": 0,
        "admission_index": -1,
        "num_preemptions": 0,
        # Nothing is learned yet, and no more than 100 is allowed.
        "mean_remaining": 100,
        "mean_square_remaining": 100**2,
        "num_cached_tokens": 0,
    }


def test_arrivals_are_numbered() -> None:
    """0, 1, 2, ... and no number comes twice, whatever ends in between."""
    ledger = ledger_of()
    for number in range(5):
        open_row(ledger, str(number))
        assert ledger.view(str(number)).arrival_index == number
        ledger.close(str(number))


@pytest.mark.parametrize(("policy", "bound"), [(AMIN_STATIC, 4), (AMAX, 50)])
def test_the_policy_chooses_its_bound(policy: Policy, bound: int) -> None:
    """A_min starts from the lower end, A_max from the upper."""
    ledger = ledger_of(policy)
    open_row(ledger)
    assert ledger.view("a").bound == bound


def test_bounds_are_clamped_to_max_tokens() -> None:
    """A prediction beyond the client's cap is cut at the cap, both ends."""
    ledger = ledger_of()
    open_row(ledger, lower=150, upper=300)
    view = ledger.view("a")
    assert (view.lower, view.upper, view.bound) == (100, 100, 100)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000), st.booleans())
def test_prompt_and_bound_fit_the_cache(
    prompt: int, max_tokens: int, lower: int, is_amax: bool
) -> None:
    """A request at its bound holds prompt + bound - 1 tokens: never more than the cache has.

    The last token made is never written to memory. A prompt beyond the cache leaves the bound 1.
    """
    ledger = ledger_of(AMAX if is_amax else AMIN_STATIC)
    open_row(ledger, num_prompt_tokens=prompt, max_tokens=max_tokens, lower=lower, upper=lower)
    bound = ledger.view("a").bound
    assert bound == max(min(lower, max_tokens, CAPACITY - prompt + 1), 1)


@pytest.mark.parametrize("priority", [2**63, -(2**63), 10**30, PRIORITY_LIMIT + 1])
def test_priorities_are_clamped(priority: int) -> None:
    """A client's priority of any size neither fails nor overflows a packed key."""
    ledger = ledger_of()
    open_row(ledger, priority=priority)
    assert ledger.view("a").priority == (PRIORITY_LIMIT if priority > 0 else -PRIORITY_LIMIT)


def test_a_preemption_is_learned_from() -> None:
    """The bound becomes what was made, and the preemption is counted."""
    ledger = ledger_of()
    open_row(ledger)
    ledger.preempted("a", num_output_tokens=30)
    view = ledger.view("a")
    assert (view.bound, view.num_output_tokens, view.num_preemptions) == (30, 30, 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=10), st.booleans())
def test_a_bound_never_falls(outputs: list[int], forgets: bool) -> None:
    """Whatever a policy claims to have learned, and however often it is preempted."""
    policy = replace(AMIN_STATIC, learn=lambda r: 1) if forgets else AMIN_STATIC
    ledger = ledger_of(policy)
    open_row(ledger)
    last = ledger.view("a").bound
    for output in outputs:
        ledger.preempted("a", output)
        bound = ledger.view("a").bound
        assert last <= bound <= 100
        last = bound


def test_admissions_are_numbered_when_first_seen_running() -> None:
    """In list order; a request keeps its number while it runs."""
    ledger = ledger_of()
    for name in "abc":
        open_row(ledger, name)
    ledger.running([ledger.slot(i) for i in ("b",)], [0])
    ledger.running([ledger.slot(i) for i in ("b", "c", "a")], [5, 0, 0])
    assert [ledger.view(name).admission_index for name in "abc"] == [2, 0, 1]
    ledger.running([ledger.slot(i) for i in ("a", "b", "c")], [1, 6, 1])
    assert [ledger.view(name).admission_index for name in "abc"] == [2, 0, 1]


def test_waiting_again_ends_the_admission() -> None:
    """A preempted request holds nothing, keeps its output, and is admitted anew later."""
    ledger = ledger_of()
    open_row(ledger, "a")
    open_row(ledger, "b")
    ledger.running([ledger.slot(i) for i in ("a", "b")], [15, 12])
    ledger.preempted("a", 6)
    ledger.waits(ledger.slot("a"), 10, 6)
    view = ledger.view("a")
    assert (view.admission_index, view.num_computed_tokens, view.num_output_tokens) == (-1, 0, 6)
    ledger.running([ledger.slot(i) for i in ("b", "a")], [13, 0])
    assert ledger.view("a").admission_index == 2


@pytest.mark.parametrize(("computed", "made"), [(0, 0), (5, 0), (9, 0), (10, 1), (11, 2), (40, 31)])
def test_tokens_made_follow_from_tokens_computed(computed: int, made: int) -> None:
    """Prompt 10: once it is computed a token is sampled, and one more with each after it."""
    ledger = ledger_of()
    open_row(ledger)
    ledger.running([ledger.slot(i) for i in ("a",)], [computed])
    view = ledger.view("a")
    assert (view.num_computed_tokens, view.num_output_tokens) == (computed, made)


def test_tokens_made_are_kept_while_they_are_computed_again() -> None:
    """A resumed request that computes its own output again has not lost it."""
    ledger = ledger_of()
    open_row(ledger)
    ledger.waits(ledger.slot("a"), 10, 20)
    for computed, made in ((0, 20), (16, 20), (29, 20), (30, 21)):
        ledger.running([ledger.slot(i) for i in ("a",)], [computed])
        assert ledger.view("a").num_output_tokens == made


def test_slots_are_used_again() -> None:
    """A thousand requests of which ten live at a time need ten rows."""
    ledger = ledger_of()
    seen = set()
    for number in range(1000):
        open_row(ledger, str(number))
        seen.add(ledger.slot(str(number)))
        if number >= 9:
            ledger.close(str(number - 9))
    assert len(ledger) == 9
    assert len(seen) == 10


def test_a_slot_that_is_used_again_is_clean() -> None:
    """Nothing of the request before is left: neither its row nor what it shared."""
    ledger = ledger_of()
    open_row(ledger, "a")
    ledger.running([ledger.slot(i) for i in ("a",)], [50])
    ledger.preempted("a", 41)
    ledger.shared[ledger.slot("a")] = 5
    slot = ledger.slot("a")
    ledger.close("a")
    open_row(ledger, "b")
    assert ledger.slot("b") == slot
    assert ledger.shared[slot] == 0
    assert ledger.view("b")._replace(arrival_index=0) == _fresh_view()


def _fresh_view() -> object:
    ledger = ledger_of()
    open_row(ledger)
    return ledger.view("a")


def test_the_table_grows_without_losing_rows() -> None:
    """Rows, ties and shared blocks of a thousand live requests stay what they were."""
    ledger = ledger_of()
    ties = []
    for number in range(1000):
        open_row(ledger, str(number), num_prompt_tokens=number + 1)
        ledger.shared[ledger.slot(str(number))] = number
        ties.append(ledger.ties[ledger.slot(str(number))])
    for number in range(1000):
        slot = ledger.slot(str(number))
        assert ledger.view(str(number)).num_prompt_tokens == number + 1
        assert (ledger.ties[slot], ledger.shared[slot]) == (ties[number], number)


def test_closing_twice_is_harmless() -> None:
    """A slot is given back once only; two requests never share a row."""
    ledger = ledger_of()
    open_row(ledger, "a")
    ledger.close("a")
    ledger.close("a")
    open_row(ledger, "b")
    open_row(ledger, "c")
    assert ledger.slot("b") != ledger.slot("c")
    assert "a" not in ledger


def test_ties_come_from_the_seed() -> None:
    """Equal seeds break ties alike, different seeds differently."""
    ties = []
    for seed in (1, 1, 2):
        ledger = ledger_of(seed=seed)
        for name in "abcdef":
            open_row(ledger, name)
        ties.append(ledger.ties[:6].tolist())
    assert ties[0] == ties[1] != ties[2]
    assert len(set(ties[0])) == 6
