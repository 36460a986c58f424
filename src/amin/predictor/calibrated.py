"""A bound that holds as often as it says, made of anybody's: ``calibrated:SPEC``.

The wrapped predictor's lower bound is multiplied by a factor that follows the outcomes: a little up
for each reply that reached the bound, nineteen times as far down for each that fell short. Whatever
the lengths do and however wrong the predictor is, the share of replies that reach the bound tends
to the coverage (quantile tracking, Angelopoulos, Candes and Tibshirani 2023, after adaptive
conformal inference, Gibbs and Candes 2021). Each group has a factor of its own: the class and the
client that are named, and each doubling of the length that is predicted.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from amin.errors import ConfigError
from amin.predictor.interface import Predictor
from amin.predictor.online import COVERAGE
from amin.request import LengthEstimate, Request

LONGEST_STEP, SHORTEST_STEP = 1.0, 0.15
"""Of the logarithm of a factor, at one reply that fell short: shrinks as replies come, and stays
where it can follow traffic that changes. At .15 coverage is right within 500 replies of a switch
from one trace to another, at .05 within 3,000; the pinball loss is 1 % higher at most."""

MAX_GROUPS = 4096
"""Whose factors are kept; then those that were needed longest ago go."""


@dataclass
class Factor:
    """Of one group: the logarithm of its factor, and how many replies it has seen."""

    log: float
    num_seen: int = 0

    def times(self, lower: int, max_tokens: int) -> int:
        """The bound, within what is possible."""
        # No count of tokens is beyond e^20, and math.exp must not overflow.
        scaled = lower * math.exp(min(max(self.log, -20.0), 20.0))
        return max(int(min(scaled, float(max_tokens))), 1)

    def learn(self, is_covered: bool, coverage: float) -> None:
        """A reply reached the bound, or fell short of it."""
        self.num_seen += 1
        step = max(SHORTEST_STEP, LONGEST_STEP / math.sqrt(self.num_seen))
        self.log += step * (float(is_covered) - coverage)


class CalibratedPredictor(Predictor):
    """Calls `inner` and corrects its lower bound; the upper one is passed on."""

    def __init__(self, inner: Predictor, coverage: float = COVERAGE) -> None:
        if not 0 < coverage < 1:
            raise ConfigError(f"coverage: got {coverage}, allowed: 0 < coverage < 1")
        self.name = f"calibrated:{inner.name}"
        self.is_instant = inner.is_instant
        self.needs_class = inner.needs_class
        self.needs_text = inner.needs_text
        self.coverage = coverage
        self.inner = inner
        self._of_all = Factor(0.0)
        self._factors: OrderedDict[Hashable, Factor] = OrderedDict()

    def predict(self, request: Request) -> LengthEstimate:
        """The inner interval, its lower end so that a share `coverage` of such replies reach it."""
        estimate = self.inner.predict(request)
        factor = self._factors.get(_group(request, estimate), self._of_all)
        lower = factor.times(estimate.lower, request.max_tokens)
        upper = max(lower, estimate.upper)
        return LengthEstimate(lower, upper, estimate.predicted_class).clamp(request.max_tokens)

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Whether the bound held; of a reply that was cut below it, that is not known."""
        estimate = self.inner.predict(request)
        # One that is new starts where all are now.
        own = self._factor_of(_group(request, estimate))
        for factor in (own, self._of_all):
            is_covered = num_output_tokens >= factor.times(estimate.lower, request.max_tokens)
            if is_covered or not is_censored:
                factor.learn(is_covered, self.coverage)
        self.inner.learn(request, num_output_tokens, is_censored)

    def _factor_of(self, group: Hashable) -> Factor:
        if group not in self._factors:
            self._factors[group] = Factor(self._of_all.log)
            if len(self._factors) > MAX_GROUPS:
                self._factors.popitem(last=False)
        self._factors.move_to_end(group)
        return self._factors[group]


def _group(request: Request, estimate: LengthEstimate) -> Hashable:
    named = estimate.predicted_class or request.predicted_class
    return named, request.client, estimate.lower.bit_length()
