"""A predictor that reads texts, in two processes: the API's, where texts are, and the engine's.

`api_side` is asked there; its answer travels with the request (`Request.foretold`). `engine_side`
stands in its place in the engine: it passes that answer on, and what wraps it (`calibrated`) learns
there from the outcomes.
"""

from __future__ import annotations

from amin.predictor.calibrated import CalibratedPredictor
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request


class ForetoldPredictor(Predictor):
    """Says what was foretold; nothing of a request that comes without."""

    is_instant = True
    needs_text = True

    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, request: Request) -> LengthEstimate:
        """`request.foretold`, within its max_tokens."""
        limit = max(request.max_tokens, 1)
        return request.foretold.clamp(limit) if request.foretold else LengthEstimate(1, limit)


def api_side(predictor: Predictor) -> Predictor:
    """What reads the text: without what corrects it."""
    while isinstance(predictor, CalibratedPredictor):
        predictor = predictor.inner
    return predictor


def engine_side(predictor: Predictor) -> Predictor:
    """The same without a text: itself, where it needs none."""
    if not predictor.needs_text:
        return predictor
    if isinstance(predictor, CalibratedPredictor):
        return CalibratedPredictor(engine_side(predictor.inner), predictor.coverage)
    return ForetoldPredictor(predictor.name)
