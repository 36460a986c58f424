"""What a predictor is to be measured by: one feature of a request alone, and the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from amin.predictor.features import length_class
from amin.predictor.interface import Predictor
from amin.predictor.online import OnlinePredictor
from amin.request import LengthEstimate, Request
from amin.workload.trace import Trace


class Truth(Predictor):
    """The oracle next to which all others stand: it is told the length before it predicts."""

    name = "truth"
    is_instant = True

    def __init__(self) -> None:
        self.length = 1

    def predict(self, request: Request) -> LengthEstimate:
        """The length itself, and which of two classes per doubling it is in."""
        length = max(self.length, 1)
        return LengthEstimate(length, length, f"{length_class(length)}")


class OneFeature(Predictor):
    """`online`, which sees nothing of a request but the class that `class_of` puts it into."""

    is_instant = True

    def __init__(self, name: str, class_of: Callable[[Request], str | None]) -> None:
        self.name = name
        self._class_of = class_of
        self._online = OnlinePredictor()

    def predict(self, request: Request) -> LengthEstimate:
        """The bound of the class, and the class."""
        bare = self._bare(request)
        return replace(self._online.predict(bare), predicted_class=bare.predicted_class)

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """By the class alone."""
        self._online.learn(self._bare(request), num_output_tokens, is_censored)

    def _bare(self, request: Request) -> Request:
        # Equal to all others but for the class.
        return Request("", 1, request.max_tokens, predicted_class=self._class_of(request))


def yardsticks(trace: Trace) -> list[Predictor]:
    """The prompt's length, in two buckets per doubling; what the trace names; the truth."""
    found: list[Predictor] = [
        OneFeature("prompt length", lambda r: str(length_class(r.num_prompt_tokens)))
    ]
    if len(trace.predicted_class):
        found.append(OneFeature("class", lambda request: request.predicted_class))
    if len(trace.client):
        found.append(OneFeature("client", lambda request: request.client))
    return [*found, Truth()]
