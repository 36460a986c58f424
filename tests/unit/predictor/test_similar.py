"""Lengths foretold by the replies to similar prompts."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from amin.predictor import similar
from amin.predictor.catalog import get_predictor
from amin.predictor.conformance import check_predictor
from amin.predictor.similar import FEWEST, SimilarPredictor
from amin.prompt_text import LONGEST
from amin.request import LengthEstimate, Request

KINDS = {"translate into French:": 20, "write an essay about": 800, "summarise this report on": 150}


def _request(prompt: str | None = None, tokens: tuple[int, ...] = (), limit: int = 5000) -> Request:
    return Request("r", 9, limit, prompt=prompt, prompt_token_ids=tokens)


def _taught(number: int = 300) -> SimilarPredictor:
    predictor, rng = SimilarPredictor(), np.random.default_rng(0)
    for i in range(number):
        kind = list(KINDS)[i % 3]
        length = round(KINDS[kind] * rng.uniform(0.8, 1.25))
        predictor.learn(_request(f"{kind} topic {rng.integers(10**6)}"), length, False)
    return predictor


@pytest.mark.parametrize("kind", KINDS)
def test_says_what_similar_prompts_had(kind: str) -> None:
    """From the shortest to the longest of their replies, in a class of its own."""
    estimate = _taught().predict(_request(f"{kind} topic 77"))
    assert 0.75 * KINDS[kind] <= estimate.lower < KINDS[kind] < estimate.upper <= 1.3 * KINDS[kind]
    expected = 4 * np.log2(KINDS[kind])
    assert estimate.predicted_class is not None
    assert abs(float(estimate.predicted_class.split()[1]) - expected) <= 1


def test_tokens_do_where_there_is_no_text() -> None:
    """As in an engine: prompts that share tokens are similar."""
    predictor, rng = SimilarPredictor(), np.random.default_rng(0)

    def prompt(kind: int) -> Request:
        tokens = [kind * 100 + int(t) for t in rng.integers(0, 30, 20)]
        return _request(tokens=tuple(tokens))

    for i in range(200):
        predictor.learn(prompt(i % 2), 10 if i % 2 else 500, False)
    assert predictor.predict(prompt(1)).upper == 10
    assert predictor.predict(prompt(0)).lower == 500


@pytest.mark.parametrize("kind", [tuple, list, np.array])
def test_of_a_long_prompt_of_tokens_both_ends_are_read(kind: Callable[[list[int]], Any]) -> None:
    """Whatever sequence the tokens are in: alike at both ends is alike."""
    half = LONGEST // 2
    ends = list(range(half)), list(range(half, 2 * half))
    expected = similar._read(_request(tokens=(*ends[0], *ends[1])))
    found = similar._read(_request(tokens=kind([*ends[0], 7, 7, 7, *ends[1]])))
    assert expected is not None
    assert found is not None
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine == theirs).all()


def test_says_nothing_before_it_knows_something() -> None:
    """Nor of a prompt of which neither text nor tokens are known."""
    for predictor, request in (
        (_taught(FEWEST - 1), _request("write an essay about cats")),
        (_taught(), _request()),
    ):
        assert predictor.predict(request) == LengthEstimate(1, 5000)


def test_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic changes: what was long ago is gone, and memory is bounded."""
    monkeypatch.setattr(similar, "MAX_REPLIES", 90)
    predictor = SimilarPredictor()
    for length in (20, 700):
        for i in range(90):
            predictor.learn(_request(f"write an essay about {i}"), length, False)
    assert len(predictor._index) == 90
    assert predictor.predict(_request("write an essay about 5")).lower == 700


def test_a_copy_goes_its_own_way() -> None:
    """What one learns the other does not know; both know what they knew."""
    one = _taught()
    other = deepcopy(one)
    question = _request("write an essay about topic 3")
    before = one.predict(question)
    assert other.predict(question) == before
    for i in range(100):
        other.learn(_request(f"write an essay about topic 3 {i}"), 5, False)
    assert other.predict(question).lower == 5
    assert one.predict(question) == before


def test_keeps_the_contract() -> None:
    """Of any request, from any outcomes, it answers; the same until it learns."""
    check_predictor(lambda: get_predictor("similar"))
