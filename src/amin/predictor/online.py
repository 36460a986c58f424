"""The default predictor: a lower bound learned from live traffic, at a coverage that is asked for.

Of the replies that are learned together with this one (`amin.predictor.lengths`) a share `coverage`
is at least as long. Nothing to train, and 1 until something was learned.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from amin.errors import ConfigError
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request

if TYPE_CHECKING:
    from amin.predictor.lengths import LearnedLengths

COVERAGE = 0.95


class OnlinePredictor(Predictor):
    """Learns as replies end. Inside an engine, `lengths` is what the engine itself learns with."""

    is_instant = True

    def __init__(self, coverage: float = COVERAGE) -> None:
        if not 0 < coverage < 1:
            raise ConfigError(f"predictor: online:{coverage}, allowed: online:C, 0 < C < 1")
        self.name = "online" if coverage == COVERAGE else f"online:{coverage:g}"
        self.coverage = coverage

    @cached_property
    def lengths(self) -> LearnedLengths:
        """What is learned; made when it is needed, since to check a setting none is compiled."""
        from amin.predictor.lengths import LearnedLengths

        return LearnedLengths()

    def predict(self, request: Request) -> LengthEstimate:
        """From what such replies had so far to max_tokens."""
        lower, limit = self.lengths.lower_bound(request, self.coverage), max(request.max_tokens, 1)
        return LengthEstimate(lower if lower < limit else limit, limit)

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """For use outside an engine, which has arrivals and replies in progress to learn from."""
        groups = self.lengths.arrived(request)
        self.lengths.learn(groups, num_output_tokens, is_censored)
        if self.lengths.is_due:
            self.lengths.refresh(np.array([groups], np.int64))
