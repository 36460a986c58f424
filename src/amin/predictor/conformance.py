"""Checks that every predictor must pass, for yours as for those that ship with amin::

    from amin.predictor.conformance import check_predictor
    check_predictor(MyPredictor)

Each check makes a fresh predictor, asks it about random requests (the same ones every time) and
raises `ConformanceError` naming the predictor and the request that it fails on. `CHECKS` lists
them, for a test that wants one case for each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NoReturn

from amin.errors import ConformanceError
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request, Sampling

MakePredictor = Callable[[], Predictor]

_CLASSES = (None, "", "0", "chat", "no class that any table lists", "\u00fc" * 128)


def random_requests(num_requests: int, seed: int) -> list[Request]:
    """Requests of all sizes, with and without a class; the first are the smallest there are."""
    rng = random.Random(seed)
    smallest = [
        Request(f"smallest-{i}", num_prompt_tokens=1, max_tokens=1, predicted_class=name)
        for i, name in enumerate(_CLASSES)
    ]
    return smallest + [
        Request(
            f"random-{i}",
            num_prompt_tokens=rng.choice((1, rng.randint(1, 100), rng.randint(1, 10**6))),
            max_tokens=rng.choice((1, rng.randint(1, 100), rng.randint(1, 10**6))),
            arrival_time=rng.uniform(0, 1e6),
            priority=rng.randint(-5, 5),
            predicted_class=rng.choice(_CLASSES),
            sampling=rng.choice((Sampling(), Sampling(0.0, 3, True, ("\n",), True))),
            prompt_token_ids=tuple(rng.choices(range(2**31), k=rng.choice((0, 1, 100)))),
        )
        for i in range(num_requests)
    ]


REQUESTS = tuple(random_requests(200, seed=0))


def check_is_named(make_predictor: MakePredictor) -> None:
    """A predictor is a `Predictor` and has a name, for logs and reports."""
    predictor = make_predictor()
    if not isinstance(predictor, Predictor):
        raise ConformanceError(
            f"predictor: {make_predictor!r} made a {type(predictor).__name__}, "
            "allowed: a subclass of Predictor"
        )
    name = getattr(predictor, "name", None)
    if not isinstance(name, str) or not name:
        raise ConformanceError(
            f"predictor {type(predictor).__name__}: name is {name!r}, allowed: a string, not empty"
        )


def check_answers_with_an_estimate(make_predictor: MakePredictor) -> None:
    """Every request gets a `LengthEstimate`: any prompt, any max_tokens, any class or none."""
    predictor = make_predictor()
    for request in REQUESTS:
        _ask(predictor, request)


def check_predicting_changes_nothing(make_predictor: MakePredictor) -> None:
    """Equal questions get equal answers until an outcome is learned."""
    predictor = make_predictor()
    first = [_ask(predictor, request) for request in REQUESTS]
    for request, answer in zip(reversed(REQUESTS), reversed(first), strict=True):
        again = _ask(predictor, request)
        if again != answer:
            _fail(predictor, f"answered {answer}, then {again}; allowed: one answer", request)


def check_learns_from_anything(make_predictor: MakePredictor) -> None:
    """Outcomes come in any order, cut short, without a prediction before; it still predicts."""
    predictor = make_predictor()
    rng = random.Random(1)
    for request in rng.sample(REQUESTS, len(REQUESTS)):
        # A request that was aborted while it waited has made nothing.
        num_output_tokens = rng.choice((0, 1, rng.randint(1, request.max_tokens)))
        is_censored = num_output_tokens == 0 or rng.random() < 0.5
        try:
            predictor.learn(request, num_output_tokens, is_censored)
        except Exception as error:
            what = f"learn({num_output_tokens}, is_censored={is_censored}) raised {error!r}"
            _fail(predictor, what, request)
        _ask(predictor, request)


CHECKS: Sequence[Callable[[MakePredictor], None]] = (
    check_is_named,
    check_answers_with_an_estimate,
    check_predicting_changes_nothing,
    check_learns_from_anything,
)


def check_predictor(make_predictor: MakePredictor) -> None:
    """All of `CHECKS`; raises `ConformanceError` at the first that fails."""
    for check in CHECKS:
        check(make_predictor)


def _ask(predictor: Predictor, request: Request) -> LengthEstimate:
    try:
        answer: object = predictor.predict(request)
    except Exception as error:
        _fail(predictor, f"raised {error!r}", request)
    if not isinstance(answer, LengthEstimate):
        _fail(predictor, f"answered {answer!r}, allowed: a LengthEstimate", request)
    return answer


def _fail(predictor: Predictor, what: str, request: Request) -> NoReturn:
    raise ConformanceError(f"predictor {predictor.name!r}: {what}, for {request}")
