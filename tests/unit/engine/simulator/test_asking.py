"""Who is asked of the lengths of a simulation's requests, and what of."""

from __future__ import annotations

import numpy as np
import pytest

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request
from amin.workload.trace import Trace


class Remembering(Predictor):
    """Remembers whom it was asked of."""

    name = "remembering"
    is_instant = True

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    def predict(self, request: Request) -> LengthEstimate:
        """One token."""
        self._asked.append(request.request_id)
        return LengthEstimate(1, 1)

    def __deepcopy__(self, memo: object) -> Remembering:
        return type(self)(self._asked)


class Learning(Remembering):
    """The same, which learns."""

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Remembers this, too."""
        self._asked.append(f"{request.request_id} ended")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Remembering, ["1", "3"]), (Learning, ["1", "1 ended", "3"])],
)
def test_requests_keep_their_numbers_where_others_never_fit(
    kind: type[Remembering], expected: list[str]
) -> None:
    """In a trace without ids; the first and the third are longer than all of the memory."""
    lengths = np.array([900, 5, 900, 5])
    trace = Trace.of_lengths(lengths, np.full(4, 3), np.array([0.0, 1.0, 2.0, 9.0]))
    asked: list[str] = []
    SimulatedEngine(SimulatorConfig(20, 16), "amin-dynamic", predictor=kind(asked)).simulate(trace)
    assert asked == expected
