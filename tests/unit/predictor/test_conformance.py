# ruff: noqa: D102
from collections.abc import Callable
from itertools import count

import pytest

from amin.errors import AminError, ConformanceError
from amin.predictor import conformance
from amin.predictor.calibrated import CalibratedPredictor
from amin.predictor.class_table import ClassBounds, ClassTablePredictor
from amin.predictor.conformance import CHECKS, check_predictor, random_requests
from amin.predictor.constant import ConstantPredictor
from amin.predictor.interface import Predictor
from amin.predictor.online import OnlinePredictor
from amin.request import LengthEstimate, Request

SHIPPED: dict[str, conformance.MakePredictor] = {
    "constant": ConstantPredictor,
    "constant:1000000000": lambda: ConstantPredictor(10**9),
    "online": OnlinePredictor,
    "calibrated": lambda: CalibratedPredictor(OnlinePredictor()),
    "class": lambda: ClassTablePredictor({"chat": ClassBounds(40, 90), "0": ClassBounds(3)}),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make_predictor", SHIPPED.values(), ids=SHIPPED)
def test_every_predictor_that_ships_conforms(
    make_predictor: conformance.MakePredictor,
    check: Callable[[conformance.MakePredictor], None],
) -> None:
    """Each check of the published list, on each predictor."""
    check(make_predictor)


class Nameless(ConstantPredictor):
    def __init__(self) -> None:
        super().__init__()
        del self.name


class Tuples(ConstantPredictor):
    def predict(self, request: Request) -> LengthEstimate:
        return (1, request.max_tokens)  # type: ignore[return-value]


class NeedsClass(ConstantPredictor):
    def predict(self, request: Request) -> LengthEstimate:
        return LengthEstimate(len(request.predicted_class) or 1, 10**9)  # type: ignore[arg-type]


class AtLeastTwo(ConstantPredictor):
    def predict(self, request: Request) -> LengthEstimate:
        return LengthEstimate(2, request.max_tokens)


class Counting(ConstantPredictor):
    def __init__(self) -> None:
        super().__init__()
        self.calls = count(1)

    def predict(self, request: Request) -> LengthEstimate:
        return LengthEstimate(1, next(self.calls))


class DividesByLength(ConstantPredictor):
    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        self.ratio = request.num_prompt_tokens / num_output_tokens


class ForgetsHowToPredict(ConstantPredictor):
    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        self._lower = 0


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        (dict, "made a dict, allowed: a subclass of Predictor"),
        (Nameless, "name is None, allowed: a string"),
        (Tuples, r"answered \(1, 1\), allowed: a LengthEstimate"),
        (NeedsClass, "raised TypeError.*predicted_class=None"),
        (AtLeastTwo, "raised ConfigError.*max_tokens=1"),
        (Counting, "answered .*, then .*; allowed: one answer"),
        (DividesByLength, r"learn\(0, is_censored=True\) raised ZeroDivisionError"),
        (ForgetsHowToPredict, "raised ConfigError"),
    ],
)
def test_a_broken_predictor_is_found(predictor: type[Predictor], message: str) -> None:
    """Each breach of the contract is reported with the request that shows it."""
    with pytest.raises(ConformanceError, match=f"predictor.*{message}") as caught:
        check_predictor(predictor)
    assert isinstance(caught.value, AminError)


def test_the_random_requests_are_the_same_every_time() -> None:
    """Equal seeds give equal requests, different seeds different ones."""
    assert random_requests(20, seed=3) == random_requests(20, seed=3)
    assert random_requests(20, seed=3) != random_requests(20, seed=4)


def test_every_check_is_listed() -> None:
    """No check of the module is missing from `CHECKS`."""
    functions = {n for n in vars(conformance) if n.startswith("check_")} - {"check_predictor"}
    assert functions == {check.__name__ for check in CHECKS}
