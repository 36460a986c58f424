"""How good a predictor is: a trace replayed in order, each request predicted, then learned from.

What a bound is worth is two numbers that pull apart: how often it holds (coverage), and how much it
says (its mean, next to that of the lengths). The pinball loss has both. How much the predictions
tell apart is the likelihood gained by learning lengths by them, in place of learning all together
(`amin.predictor.choice` decides by the same number).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import structs

from amin.arrays import Floats, Ints
from amin.experiment.comparison import named
from amin.experiment.load import at_load
from amin.experiment.run import simulate
from amin.experiment.setting import Setting
from amin.experiment.yardsticks import Truth
from amin.predictor.features import CLASS, TOLD_LENGTH
from amin.predictor.interface import Predictor
from amin.predictor.lengths import LearnedLengths
from amin.predictor.online import COVERAGE
from amin.predictor.survival import ALL, FINISHED, IS_LEARNED, probability
from amin.request import LengthEstimate, Request
from amin.workload.trace import Texts, Trace

BURN_IN = 0.2
"""Of a trace, the first part, in which a predictor may still be learning."""

SMALLEST_GROUP = 500

_NOBODY = np.zeros(0, np.int64)


class Replay(Predictor):
    """What a predictor said of a trace, said again."""

    is_instant = True

    def __init__(self, found: Evaluation, trace: Trace) -> None:
        self.name = found.name
        self._found = found
        self._index = {trace.id_of(i): i for i in range(len(trace))}

    def predict(self, request: Request) -> LengthEstimate:
        """The same answer to the same request."""
        i, found = self._index[request.request_id], self._found
        lower, upper = int(found.lower[i]), int(found.upper[i])
        return LengthEstimate(lower, upper, found.predicted_class[i])


@dataclass(frozen=True)
class Evaluation:
    """A predictor's answers to a trace, in its order.

    lower, upper, predicted_class   what it answered; `length` what came
    gain           nats that learning by these answers gained, for each reply
    groups         names of the requests by feature, where the trace has any
    seconds        (predict, learn) for each request
    """

    name: str
    lower: Ints
    upper: Ints
    predicted_class: Texts
    length: Ints
    gain: Floats
    groups: dict[str, Texts]
    seconds: Floats

    @property
    def coverage(self) -> float:
        """Share of replies that reached their bound, after the burn-in."""
        return float(np.mean(self._after(self._is_covered)))

    @property
    def pinball(self) -> float:
        """Mean loss of the bound as the quantile that `COVERAGE` of replies reach, in tokens."""
        error = self._after(self.length - self.lower)
        return float(np.mean(np.maximum((1 - COVERAGE) * error, -COVERAGE * error)))

    @property
    def rank_correlation(self) -> float:
        """Spearman's, of bounds and lengths; NaN where all bounds are equal."""
        return _correlation(_ranks(self._after(self.lower)), _ranks(self._after(self.length)))

    @property
    def coverage_over_time(self) -> list[float]:
        """In each tenth of the trace."""
        return [float(np.mean(part)) for part in np.array_split(self._is_covered, 10)]

    @property
    def coverage_by_bound(self) -> list[tuple[float, float]]:
        """(mean bound, coverage) of each tenth of the requests, from the lowest bounds up."""
        bounds, covered = self._after(self.lower), self._after(self._is_covered)
        tenths = np.array_split(np.argsort(bounds, kind="stable"), 10)
        return [(float(bounds[t].mean()), float(covered[t].mean())) for t in tenths if len(t)]

    def coverage_by_group(self) -> dict[str, float]:
        """Of each group with `SMALLEST_GROUP` requests or more, by ``feature=name``."""
        found = {}
        for feature, names in self.groups.items():
            in_words, covered = names.astype(str), self._after(self._is_covered)
            for name, size in zip(*np.unique(in_words, return_counts=True), strict=True):
                if size >= SMALLEST_GROUP:
                    mine = self._after(in_words) == name
                    found[f"{feature}={name}"] = float(np.mean(covered[mine]))
        return found

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        predict, learn = np.median(self.seconds, axis=0) * 1e6
        return {
            "predictor": self.name,
            "num_requests": len(self.length),
            "coverage": self.coverage,
            "mean_lower": float(np.mean(self._after(self.lower))),
            "mean_true": float(np.mean(self._after(self.length))),
            "mean_width": float(np.mean(self._after(self.upper - self.lower))),
            "pinball": self.pinball,
            "rank_correlation": None if np.isnan(self.rank_correlation) else self.rank_correlation,
            "loglik_gain": float(np.mean(self._after(self.gain))),
            "coverage_over_time": self.coverage_over_time,
            "coverage_by_bound": self.coverage_by_bound,
            "coverage_by_group": self.coverage_by_group(),
            "predict_us": float(predict),
            "learn_us": float(learn),
        }

    @property
    def _start(self) -> int:
        return int(BURN_IN * len(self.length))

    @property
    def _is_covered(self) -> npt.NDArray[np.bool_]:
        return self.length >= self.lower

    def _after(self, values: Any) -> Any:
        return values[self._start :]


def evaluate(
    predictor: Predictor, trace: Trace, advance: Callable[[], None] = lambda: None
) -> Evaluation:
    """Replay a trace; `advance` is called after each request."""
    size = len(trace)
    lower, upper = np.zeros((2, size), np.int64)
    classes = np.full(size, None, np.object_)
    gain, seconds = np.zeros(size), np.zeros((size, 2))
    told = _Told()
    for i, (request, length, is_cut) in enumerate(_outcomes(trace)):
        if isinstance(predictor, Truth):
            predictor.length = length
        start = time.perf_counter()
        estimate = predictor.predict(request)
        middle = time.perf_counter()
        predictor.learn(request, length, is_cut)
        seconds[i] = middle - start, time.perf_counter() - middle
        lower[i], upper[i] = estimate.lower, estimate.upper
        classes[i] = estimate.predicted_class
        gain[i] = told.learn(request, estimate, length, is_cut)
        advance()
    groups = {"class": trace.predicted_class, "client": trace.client}
    present = {feature: names for feature, names in groups.items() if len(names)}
    answers = lower, upper, classes
    return Evaluation(
        predictor.name, *answers, trace.num_output_tokens, gain, present, seconds
    )  # fmt: skip


def latencies(
    found: Evaluation, trace: Trace, policies: Sequence[str], setting: Setting, load: float | None
) -> dict[str, tuple[float, float]]:
    """(mean, p99) of the latency ÷ stock FCFS's, of policies that are told a predictor's answers.

    Policies by label, ``NAME+X`` with a tail promise. What is told takes the place of all that the
    trace itself tells, so that only the predictor tells requests apart; lengths are learned. `load`
    as a multiple of capacity; None keeps the trace's times.
    """
    nothing, zero = np.empty(0, np.object_), np.zeros(len(trace), np.int64)
    told = replace(trace, lower=zero, upper=zero, predicted_class=nothing, client=nothing)
    if load is not None:
        told = at_load(told, load, setting.config, setting.seed)
    setting = replace(setting, predictor=Replay(found, trace))
    base, *others = (
        simulate(told, named(label, setting)).summary for label in ("vllm-fcfs", *policies)
    )
    return {
        label: (
            other.mean_e2e_latency / base.mean_e2e_latency,
            other.p99_e2e_latency / base.p99_e2e_latency,
        )
        for label, other in zip(policies, others, strict=True)
    }


def _outcomes(trace: Trace) -> Iterator[tuple[Request, int, bool]]:
    for job in trace:
        limit = job.request.max_tokens
        yield job.request, min(job.num_output_tokens, limit), job.num_output_tokens > limit


class _Told:
    """What learning lengths by classes or bounds that are told gains over learning all together."""

    def __init__(self) -> None:
        self._lengths = LearnedLengths()

    def learn(self, request: Request, estimate: LengthEstimate, length: int, is_cut: bool) -> float:
        """The gain of one reply, in nats, before it is learned from."""
        lengths, named = self._lengths, estimate.predicted_class
        hint = LengthEstimate(estimate.lower, estimate.lower) if named is None else None
        only_told = structs.replace(
            request, hint=hint, predicted_class=named, client=None, prompt_token_ids=(),
        )  # fmt: skip
        row = lengths.arrived(only_told)
        group = row[TOLD_LENGTH if named is None else CLASS]
        gain = 0.0
        if not is_cut and length > 0 and lengths.survival[IS_LEARNED, group, 0] > 0:
            of_group = probability(lengths.survival, group, FINISHED, length)
            gain = float(np.log(of_group / probability(lengths.survival, ALL, FINISHED, length)))
        lengths.learn(row, length, is_cut)
        if lengths.is_due:
            lengths.refresh(np.array([row], np.int64))
        return gain


def _ranks(values: Ints) -> Floats:
    """1, 2, ... in order, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], np.float64)


def _correlation(a: Floats, b: Floats) -> float:
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
