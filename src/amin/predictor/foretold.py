"""A predictor that reads texts, in two processes: the API's, where texts are, and the engine's.

`api_side` is asked there; its answer travels with the request (`Request.foretold`). `engine_side`
stands in its place in the engine: it passes that answer on, and what wraps it (`calibrated`) learns
there from the outcomes. Each process makes what it asks, and nothing else: a factory may load a
model.
"""

from __future__ import annotations

from amin.predictor.calibrated import CalibratedPredictor
from amin.predictor.catalog import get_predictor, reads_text, wrapped
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


def api_side(spec: str) -> Predictor | None:
    """What reads the text, without what corrects it; None where `spec` names nothing that does."""
    inner = wrapped(spec)
    if inner is not None:
        return api_side(inner)
    return get_predictor(spec) if reads_text(spec) else None


def engine_side(spec: str) -> Predictor:
    """The predictor that `spec` names, or what stands in its place where that reads texts."""
    if not reads_text(spec):
        return get_predictor(spec)
    inner = wrapped(spec)
    if inner is not None:
        return CalibratedPredictor(engine_side(inner))
    return ForetoldPredictor(spec)
