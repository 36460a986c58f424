"""What a page says first: the best policy against the baseline, with its price."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from amin.metrics.summary import Summary, summarize
from amin.policy.catalog import POLICIES
from amin.record import RunResult
from amin.report.cells import COLUMNS, Column, format_ratio, format_value, ratio
from amin.report.comparable import is_as_complete, is_comparable, is_same_workload
from amin.report.label import labels

_MEAN = COLUMNS[0]
_LEAST_NOISE = 0.01
"""Relative difference below which two numbers are called equal in any case."""


@dataclass(frozen=True, slots=True)
class Headline:
    """Plain sentences, not yet escaped: the finding, what goes with it, and what to beware of."""

    finding: str
    details: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    label: str
    result: RunResult
    summary: Summary

    @property
    def mean(self) -> float:
        return _MEAN.value(self.summary)


@dataclass(frozen=True, slots=True)
class _Noise:
    """By how much two runs of the baseline differ; a guess from one pair, and said to be one."""

    baseline: Summary
    again: Summary | None

    def of(self, column: Column) -> float:
        """The relative difference in a column below which nothing is called better or worse."""
        if self.again is None:
            return _LEAST_NOISE
        change = ratio(column.value(self.again), column.value(self.baseline))
        return max(abs(change - 1), _LEAST_NOISE) if not math.isnan(change) else _LEAST_NOISE


def headline(results: Sequence[RunResult], again: RunResult | None = None) -> Headline:
    """The finding over runs of which the first is the baseline.

    The best run is that of the smallest mean e2e latency among those comparable to it (see
    `amin.report.comparable`), but for policies that are told the truth. Differences smaller than
    between the baseline and its second run, `again`, are called none; without a second run,
    measured numbers come with a word about it.
    """
    runs = [
        _Run(label, result, summarize(result))
        for label, result in zip(labels(results), results, strict=True)
    ]
    if not runs or math.isnan(runs[0].mean):
        return Headline("Nothing to compare: the first run finished no request.")
    baseline, *others = runs
    rivals = [run for run in others if is_comparable(run.result, baseline.result)]
    noise = _Noise(baseline.summary, summarize(again) if again else None)
    cautions = (*_cautions(baseline, others), *_about_noise(baseline, noise))
    if not rivals:
        return Headline(
            f"{baseline.label}: {format_value(baseline.mean, 'time')} mean e2e latency, "
            "with no other run to compare it with.",
            cautions=cautions,
        )
    told = [run for run in rivals if _is_told_the_truth(run)]
    rivals = [run for run in rivals if run not in told]
    yardsticks = _yardsticks(told, baseline)
    if not rivals:
        return Headline("Only policies that are told the truth were run.", yardsticks, cautions)
    best = min(rivals, key=lambda run: run.mean)
    details = (_price(best, baseline, noise), *_slower(rivals, baseline, noise), *yardsticks)
    return Headline(_finding(best, baseline, noise), details, cautions)


def _is_told_the_truth(run: _Run) -> bool:
    """Whether no server could run it: it is a yardstick for others, and never the finding."""
    name = re.split("[@+~]", run.result.policy)[0]
    return name in POLICIES and POLICIES[name].is_clairvoyant


def _yardsticks(told: Sequence[_Run], baseline: _Run) -> tuple[str, ...]:
    if not told:
        return ()
    runs = ", ".join(
        f"{run.label} ({format_ratio(ratio(run.mean, baseline.mean))})" for run in told
    )
    return (f"Yardsticks that are told every length, which no server is: {runs}.",)


def _finding(best: _Run, baseline: _Run, noise: _Noise) -> str:
    times = ratio(best.mean, baseline.mean)
    numbers = (
        f"{format_ratio(times)} that of {baseline.label} "
        f"({format_value(best.mean, 'time')} against {format_value(baseline.mean, 'time')})"
    )
    same = noise.of(_MEAN)
    if times < 1 - same:
        return f"{best.label} has the best mean e2e latency: {numbers}."
    verdict = "No policy is faster than" if times > 1 + same else "No policy differs much from"
    return (
        f"{verdict} {baseline.label} in mean e2e latency: "
        f"the best other, {best.label}, has {numbers}."
    )


def _price(best: _Run, baseline: _Run, noise: _Noise) -> str:
    worse = [
        f"{column.title} ({_change(column, best, baseline)})"
        for column in COLUMNS
        if _is_worse(column, best, baseline, noise)
    ]
    if not worse:
        return f"{best.label} is worse than {baseline.label} in no column of the table."
    return f"{best.label} is worse than {baseline.label} in {', '.join(worse)}."


def _is_worse(column: Column, run: _Run, baseline: _Run, noise: _Noise) -> bool:
    value, reference = column.value(run.summary), column.value(baseline.summary)
    excess = value - reference if column.is_smaller_better else reference - value
    return excess > noise.of(column) * abs(reference)


def _change(column: Column, run: _Run, baseline: _Run) -> str:
    value, reference = column.value(run.summary), column.value(baseline.summary)
    if column.kind == "time":
        return format_ratio(ratio(value, reference))
    return f"{format_value(value, column.kind)} against {format_value(reference, column.kind)}"


def _slower(rivals: Sequence[_Run], baseline: _Run, noise: _Noise) -> list[str]:
    slower = [
        f"{run.label} ({format_ratio(ratio(run.mean, baseline.mean))})"
        for run in rivals
        if run.mean > baseline.mean * (1 + noise.of(_MEAN))
    ]
    return [f"Slower than {baseline.label} in the mean: {', '.join(slower)}."] if slower else []


def _cautions(baseline: _Run, others: Sequence[_Run]) -> list[str]:
    fewer = [run.label for run in others if not is_as_complete(run.result, baseline.result)]
    different = [run.label for run in others if not is_same_workload(run.result, baseline.result)]
    engines = {run.result.engine for run in (baseline, *others)}
    cautions = []
    if fewer:
        cautions.append(
            f"Finished fewer requests than {baseline.label}, so not compared: {', '.join(fewer)}."
        )
    if different:
        cautions.append(
            f"Ran other requests than {baseline.label}, so not compared: {', '.join(different)}."
        )
    if len(engines) > 1:
        cautions.append("The runs are of different engines: their times are not comparable.")
    return cautions


def _about_noise(baseline: _Run, noise: _Noise) -> list[str]:
    if noise.again is not None:
        return [
            f"{baseline.label} ran twice and differed from itself by {noise.of(_MEAN):.0%} in "
            "mean e2e latency: smaller differences are called none. All others ran once."
        ]
    if baseline.result.engine == "vllm":
        return ["Each ran once on a real clock: small differences may be the machine's noise."]
    return []
