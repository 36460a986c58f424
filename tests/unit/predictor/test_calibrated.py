"""Bounds that hold as often as they say, whatever is wrapped and whatever comes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.predictor.calibrated import MAX_GROUPS, CalibratedPredictor
from amin.predictor.catalog import check_predictor_spec, get_predictor
from amin.predictor.constant import ConstantPredictor
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers for each test, whichever ran before it."""
    return np.random.default_rng(0)


class Dice(Predictor):
    """Answers at random, but the same to the same request."""

    name = "dice"
    is_instant = True

    def predict(self, request: Request) -> LengthEstimate:
        """Nothing to do with the length."""
        return LengthEstimate(1 + hash(request.request_id) % 900, 10_000)


def _request(index: int, client: str | None = None) -> Request:
    return Request(str(index), 5, 10_000, client=client)


def _held(
    predictor: CalibratedPredictor, lengths: Iterable[int], client: str | None = None
) -> np.ndarray:
    held = []
    for i, length in enumerate(lengths):
        request = _request(i, client)
        held.append(predictor.predict(request).lower <= length)
        predictor.learn(request, length, is_censored=False)
    return np.array(held)


@pytest.mark.parametrize("inner", [ConstantPredictor(1), ConstantPredictor(5000), Dice()])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_the_share_that_reaches_the_bound_is_the_coverage(
    inner: Predictor, coverage: float, rng: np.random.Generator
) -> None:
    """Whatever is wrapped: a bound that is always true, one that never is, dice."""
    held = _held(CalibratedPredictor(inner, coverage), rng.geometric(0.01, 6000).tolist())
    assert held[1000:].mean() == pytest.approx(coverage, abs=0.015)


def test_it_follows_traffic_that_changes(rng: np.random.Generator) -> None:
    """Lengths ten times as long, then back: within 500 replies the coverage is right again."""
    parts = [rng.geometric(0.01, 3000), rng.geometric(0.001, 3000), rng.geometric(0.01, 3000)]
    held = _held(CalibratedPredictor(ConstantPredictor(30)), np.concatenate(parts).tolist())
    for start in (500, 3500, 6500):
        assert held[start : start + 2500].mean() == pytest.approx(0.95, abs=0.015)


def test_each_client_has_a_bound_of_its_own(rng: np.random.Generator) -> None:
    """Replies of 100 and of 2,000 tokens: both held, and the bounds are far apart."""
    predictor = CalibratedPredictor(ConstantPredictor(1))
    short = _held(predictor, rng.integers(90, 110, 3000).tolist(), "a")
    long = _held(predictor, rng.integers(1800, 2200, 3000).tolist(), "b")
    for held in (short, long):
        assert held[1000:].mean() == pytest.approx(0.95, abs=0.015)
    bounds = [predictor.predict(_request(0, client)).lower for client in "ab"]
    assert 80 < bounds[0] < 110
    assert 1500 < bounds[1] < 2200


def test_a_reply_that_was_cut_below_its_bound_tells_nothing() -> None:
    """It might have reached it; one that was cut above it did."""
    predictor = CalibratedPredictor(ConstantPredictor(100))
    for i in range(200):
        predictor.learn(_request(i), 3, is_censored=True)
    assert predictor.predict(_request(0)).lower == 100
    predictor.learn(_request(0), 500, is_censored=True)
    assert predictor.predict(_request(0)).lower > 100


def test_memory_has_a_bound() -> None:
    """Factors of so many groups are kept, whoever comes."""
    predictor = CalibratedPredictor(ConstantPredictor(100))
    for i in range(MAX_GROUPS + 500):
        predictor.learn(_request(i, str(i)), 50, is_censored=False)
    assert len(predictor._factors) == MAX_GROUPS


def test_is_named_by_what_it_wraps() -> None:
    """calibrated:SPEC, of any specification; nonsense in it is refused as elsewhere."""
    assert get_predictor("calibrated:constant:7").name == "calibrated:constant:7"
    for wrong in ("calibrated:", "calibrated:constant:0", "calibrated:nobody"):
        with pytest.raises(ConfigError):
            get_predictor(wrong)
        with pytest.raises(ConfigError):
            check_predictor_spec(wrong)
    with pytest.raises(ConfigError, match=r"coverage: got 1\.0, allowed: 0 < coverage < 1"):
        CalibratedPredictor(ConstantPredictor(), 1.0)


def test_one_client_with_absurd_traffic_does_not_poison_the_others(
    rng: np.random.Generator,
) -> None:
    """A thousand replies of 1 token, then of 30,000: the other's bounds hold as before."""
    predictor, lengths = CalibratedPredictor(ConstantPredictor(100)), rng.integers(90, 300, 3000)
    before = _held(predictor, lengths.tolist(), "good")
    for absurd in (1, 30_000):
        _held(predictor, [absurd] * 1000, "absurd")
        after = _held(predictor, lengths[:500].tolist(), "good")
        assert after.mean() == pytest.approx(before[500:].mean(), abs=0.02)
