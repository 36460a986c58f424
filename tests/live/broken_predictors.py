"""Predictors as one should not write them, named as ``tests.live.broken_predictors:Raises``.

And one that takes long to make, which must not be made in every process that reads the settings.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request


class Raises(Predictor):
    """Has no answer to anything."""

    name = "raises"
    is_instant = True

    def predict(self, request: Request) -> LengthEstimate:
        """Raise."""
        raise LookupError(f"what is {request.request_id}?")


class Hangs(Predictor):
    """Answers a minute later."""

    name = "hangs"

    def predict(self, request: Request) -> LengthEstimate:
        """Sleep."""
        time.sleep(60)
        return LengthEstimate(1, 1)


class TalksNonsense(Predictor):
    """Answers, but no estimate, or one whose class is no text."""

    name = "talks-nonsense"
    is_instant = True
    _num_asked = 0

    def predict(self, request: Request) -> Any:
        """Another thing each time."""
        self._num_asked += 1
        if self._num_asked % 2:
            return [None, "soon", -1, (5, 3), {"lower": 7}][self._num_asked // 2 % 5]
        estimate = LengthEstimate(5, 9)
        no_text = [3, "\ud800", ["a"]][self._num_asked // 2 % 3]
        object.__setattr__(estimate, "predicted_class", no_text)
        return estimate


class CannotLearn(Predictor):
    """Predicts well and raises at every outcome."""

    name = "cannot-learn"
    is_instant = True

    def predict(self, request: Request) -> LengthEstimate:
        """The whole range."""
        return LengthEstimate(1, request.max_tokens)

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Raise."""
        raise MemoryError("full")


class Costly(Predictor):
    """Notes in the file of AMIN_TEST_MADE that it was made."""

    name = "costly"
    is_instant = True

    def __init__(self) -> None:
        with Path(os.environ["AMIN_TEST_MADE"]).open("a") as file:
            file.write("made\n")

    def predict(self, request: Request) -> LengthEstimate:
        """The whole range."""
        return LengthEstimate(1, request.max_tokens)
