"""One lower bound for all: what can be said without knowing anything of a request."""

from __future__ import annotations

from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request


class ConstantPredictor(Predictor):
    """At least `lower` tokens (1 is always true), at most the request's max_tokens."""

    is_instant = True

    def __init__(self, lower: int = 1) -> None:
        LengthEstimate(lower, lower)
        self.name = f"constant:{lower}"
        self._lower = lower

    def predict(self, request: Request) -> LengthEstimate:
        """[lower, max_tokens], both clamped to max_tokens."""
        upper = max(request.max_tokens, 1)
        return LengthEstimate(min(self._lower, upper), upper)
