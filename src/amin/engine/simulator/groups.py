"""The groups that lengths are learned by, for a whole trace at once: `Groups`, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from amin.arrays import Ints
from amin.predictor.features import (
    FEATURES,
    MAX_CANDIDATES,
    MAX_GROUPS,
    SIGHTINGS,
    Values,
    beginning_of,
    group_number,
    length_class,
)
from amin.predictor.survival import ALL
from amin.workload.trace import Trace

ANEW = 1 << 20
"""Above all numbers of groups."""


def groups_of(trace: Trace) -> Ints:
    """A row for each request; as `amin.predictor.features.Groups` gives them, one by one.

    A group that begins anew with a request is `ANEW` higher there.
    """
    groups = np.full((len(trace), len(FEATURES)), ALL)
    for feature, column in enumerate(_columns(trace)):
        if len(column):
            codes, is_missing = _codes(column)
            groups[~is_missing, feature] = _numbers(codes[~is_missing], feature)
    return groups


def _columns(trace: Trace) -> Iterable[Any]:
    """The values of each of `FEATURES`, empty where no request has one."""
    middle = (trace.lower + trace.upper) // 2
    told_length = np.where(trace.upper >= trace.max_tokens, trace.lower, middle)
    told = _length_classes(told_length).astype(np.object_)
    told[trace.lower == 0] = None
    yield told
    yield trace.predicted_class
    yield trace.client
    yield [beginning_of(prompt) for prompt in trace.prompt_token_ids]
    yield _length_classes(trace.num_prompt_tokens)
    yield trace.max_tokens


def _length_classes(lengths: Ints) -> Ints:
    different, codes = np.unique(lengths, return_inverse=True)
    return np.array([length_class(int(length)) for length in different], np.int64)[codes]


def _codes(column: Sequence[Any]) -> tuple[Ints, Any]:
    """(equal numbers for equal values, where there is none)."""
    if isinstance(column, np.ndarray) and column.dtype != np.object_:
        _, codes = np.unique(column, return_inverse=True)
        return codes, np.zeros(len(column), bool)
    seen: dict[Any, int] = {}
    codes = np.array([seen.setdefault(value, len(seen)) for value in column], np.int64)
    return codes, codes == seen.get(None, -1)


def _numbers(codes: Ints, feature: int) -> Ints:
    """The groups of a feature's values, in the order of arrival."""
    values, codes, counts = np.unique(codes, return_inverse=True, return_counts=True)
    common = np.flatnonzero(counts >= SIGHTINGS[feature])
    if len(values) > MAX_CANDIDATES or len(common) > MAX_GROUPS:
        return _one_by_one(codes, feature)
    # Where each value was seen often enough; never: beyond the end.
    by_value = np.argsort(codes, kind="stable")
    starts = np.cumsum(counts) - counts
    since = np.full(len(values), len(codes))
    since[common] = by_value[starts[common] + SIGHTINGS[feature] - 1]
    first = np.argsort(since, kind="stable")[: len(common)]
    numbers = np.full(len(values), ALL)
    numbers[first] = group_number(feature, 1) + np.arange(len(first))
    return np.where(np.arange(len(codes)) >= since[codes], numbers[codes], ALL)


def _one_by_one(codes: Ints, feature: int) -> Ints:
    values, groups = Values(feature), []
    for code in codes.tolist():
        group = values.count(code)
        groups.append(group + (ANEW if values.handed_over else 0))
        values.handed_over.clear()
    return np.array(groups, np.int64)
