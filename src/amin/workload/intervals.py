"""What is predicted of each request: the regimes of the paper's experiments.

Each takes a trace and gives back the same requests with other bounds (arXiv 2508.14544, section on
experiments, as secondary sources describe it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from amin.arrays import Ints
from amin.errors import ConfigError
from amin.workload.confusion import Confusion
from amin.workload.trace import Trace

ALLOWED = "none, all:L,U, bins:WIDTH, relative:X (0 <= X < 1), exact or classes:X"


def intervals(spec: str) -> Callable[[Trace, int], Trace]:
    """The regime that is named, for a trace and a seed; raises `ConfigError` for any other name.

    none         nothing is predicted, and neither class nor client is known
    all:L,U      one interval for all
    bins:W       the truth lies in one of [1, W], [W+1, 2W], ..., and that one is known
    relative:X   from (1 - X) to (1 + X) times the truth
    exact        the truth
    classes:X    the class that a real classifier might have predicted, wrong as often as it was:
                 X is ``ssjf`` or a file, see `amin.workload.confusion`
    """
    name, _, text = spec.partition(":")
    try:
        values = [float(value) for value in text.split(",") if text]
    except ValueError:
        values = []
    if spec == "none":
        return lambda trace, seed: _with_nothing(trace)
    if spec == "exact":
        return lambda trace, seed: _with(trace, trace.num_output_tokens, trace.num_output_tokens)
    if name == "all" and len(values) == 2 and 1 <= values[0] <= values[1]:
        lower, upper = (int(value) for value in values)
        return lambda trace, seed: _with(trace, trace.lower * 0 + lower, trace.upper * 0 + upper)
    if name == "bins" and len(values) == 1 and values[0] >= 1:
        return lambda trace, seed: _bins(trace, int(values[0]))
    if name == "relative" and len(values) == 1 and 0 <= values[0] < 1:
        return lambda trace, seed: _relative(trace, values[0])
    if name == "classes" and text:
        return Confusion.named(text).predict
    raise ConfigError(f"intervals: got {spec!r}, allowed: {ALLOWED}")


def _with_nothing(trace: Trace) -> Trace:
    none = np.empty(0, np.object_)
    zero = np.zeros(len(trace), np.int64)
    return replace(trace, lower=zero, upper=zero, predicted_class=none, client=none)


def _bins(trace: Trace, width: int) -> Trace:
    number = (trace.num_output_tokens - 1) // width
    return _with(trace, number * width + 1, (number + 1) * width)


def _relative(trace: Trace, x: float) -> Trace:
    output = trace.num_output_tokens
    lower = np.maximum(np.floor((1 - x) * output).astype(np.int64), 1)
    return _with(trace, lower, np.ceil((1 + x) * output).astype(np.int64))


def _with(trace: Trace, lower: Ints, upper: Ints) -> Trace:
    cap = np.maximum(trace.max_tokens, upper)
    return replace(trace, lower=lower, upper=upper, max_tokens=cap)
