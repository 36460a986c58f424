"""Checks that every policy must pass, for yours as for those that ship with amin::

    from amin.policy.conformance import check_policy
    check_policy(MY_POLICY)

Each check asks the rules about random requests (the same ones every time) and raises
`ConformanceError` naming the policy, the rule and the request that it fails on. `CHECKS` lists
them, for a test that wants one case for each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NoReturn

from amin.errors import ConformanceError
from amin.jit import njit
from amin.policy.interface import Policy
from amin.request import RequestView

RULES = ("order", "forecast", "preemption_order", "initial_bound", "learn")

_LARGEST = (20, 4_000, 10**9)
"""Small numbers make ties and edges likely; large ones make an overflow show."""


def random_views(num_views: int, seed: int) -> Iterator[RequestView]:
    """Requests in states that an engine could show: waiting, preempted, prefilling, decoding."""
    rng = random.Random(seed)
    for _ in range(num_views):
        largest = rng.choice(_LARGEST)
        prompt = rng.randint(1, largest)
        max_tokens = rng.randint(1, largest)
        lower = rng.randint(1, max_tokens)
        output = rng.choice((0, rng.randint(0, max_tokens)))
        is_waiting = rng.random() < 0.5
        yield RequestView(
            num_prompt_tokens=prompt,
            num_output_tokens=output,
            num_computed_tokens=0 if is_waiting else rng.randint(1, prompt + output),
            max_tokens=max_tokens,
            lower=lower,
            upper=rng.randint(lower, max_tokens),
            bound=rng.randint(1, max_tokens),
            priority=rng.choice((0, rng.randint(-(2**20), 2**20))),
            arrival_index=rng.randint(0, largest),
            admission_index=-1 if is_waiting else rng.randint(0, largest),
            num_preemptions=rng.choice((0, rng.randint(0, 100))),
            mean_remaining=rng.randint(1, max_tokens),
            mean_square_remaining=rng.randint(1, max_tokens) ** 2,
            num_cached_tokens=rng.choice((0, rng.randint(0, prompt - 1))),
        )


VIEWS = tuple(random_views(400, seed=0))


def check_rules_answer_integers(policy: Policy) -> None:
    """Every rule answers every request with an integer: a float would sort differently compiled."""
    for rule in RULES:
        for view in VIEWS:
            answer = _ask(policy, rule, view)
            if not isinstance(answer, int):
                _fail(policy, rule, f"answered {answer!r}, allowed: an int", view)


def check_rules_are_pure(policy: Policy) -> None:
    """Equal questions get equal answers, whatever was asked in between."""
    for rule in RULES:
        first = [_ask(policy, rule, view) for view in VIEWS]
        for view, answer in zip(reversed(VIEWS), reversed(first), strict=True):
            again = _ask(policy, rule, view)
            if again != answer:
                _fail(policy, rule, f"answered {answer!r}, then {again!r}; allowed: one", view)


def check_rules_compile(policy: Policy) -> None:
    """Every rule compiles, and then answers as the Python function does."""
    for rule in RULES:
        compiled = njit(getattr(policy, rule))
        for view in VIEWS:
            try:
                answer = compiled(view)
            except Exception as error:  # numba has errors outside its own family
                raise ConformanceError(
                    f"policy {policy.name!r}: {rule} does not compile: {error}"
                ) from error
            expected = _ask(policy, rule, view)
            if answer != expected:
                _fail(policy, rule, f"answered {expected!r}, compiled {answer!r}", view)


def check_forecast_is_positive(policy: Policy) -> None:
    """A request that is not finished makes one more token at least."""
    _check_at_least(policy, "forecast", lambda view: 1)


def check_initial_bound_is_positive(policy: Policy) -> None:
    """Every request is believed to make one token at least."""
    _check_at_least(policy, "initial_bound", lambda view: 1)


def check_learning_forgets_nothing(policy: Policy) -> None:
    """A bound that was learned is never lowered again."""
    _check_at_least(policy, "learn", lambda view: view.bound)


CHECKS: tuple[Callable[[Policy], None], ...] = (
    check_rules_answer_integers,
    check_rules_are_pure,
    check_rules_compile,
    check_forecast_is_positive,
    check_initial_bound_is_positive,
    check_learning_forgets_nothing,
)


def try_rules(policy: Policy) -> None:
    """`CHECKS` but for the compiler's, in some milliseconds."""
    for check in CHECKS:
        if check is not check_rules_compile:
            check(policy)


def check_policy(policy: Policy) -> None:
    """All of `CHECKS`; raises `ConformanceError` at the first that fails."""
    for check in CHECKS:
        check(policy)


def _check_at_least(policy: Policy, rule: str, least: Callable[[RequestView], int]) -> None:
    for view in VIEWS:
        answer = _ask(policy, rule, view)
        if not answer >= least(view):
            _fail(policy, rule, f"answered {answer!r}, allowed: >= {least(view)}", view)


def _ask(policy: Policy, rule: str, view: RequestView) -> int:
    try:
        answer: int = getattr(policy, rule)(view)
    except Exception as error:
        raise ConformanceError(
            f"policy {policy.name!r}: {rule} raised {type(error).__name__}: {error}, for {view}"
        ) from error
    return answer


def _fail(policy: Policy, rule: str, what: str, view: RequestView) -> NoReturn:
    raise ConformanceError(f"policy {policy.name!r}: {rule} {what}, for {view}")
