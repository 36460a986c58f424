"""The least total latency that anybody could reach, for small instances: an integer program.

x[i, t] = 1 if request i starts in step t; it then runs to its end, since to one who knows the
lengths a restart is only waste. Solved by HiGHS (extra ``theory``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amin.errors import ConfigError


def least_total_latency(
    prompt: Sequence[int],
    output: Sequence[int],
    arrival: Sequence[int],
    memory: int,
    *,
    seconds: float = 60.0,
) -> int:
    """The sum over requests of finish step − arrival step, at its least.

    Raises `ConfigError` where a request can never fit, HiGHS is missing, or the optimum was not
    proved within `seconds`.
    """
    for s, o in zip(prompt, output, strict=True):
        if s + o > memory:
            raise ConfigError(f"memory: got {memory}, allowed: >= {s + o}, or one never runs")
    if not prompt:
        return 0
    try:
        import highspy
    except ImportError as error:
        raise ConfigError("optimum: highspy is not installed; pip install highspy") from error
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("time_limit", seconds)
    # One after the other is a schedule, so nobody need start later than that.
    horizon = max(arrival) + sum(output)
    starts: list[dict[int, Any]] = [
        {t: model.addBinary() for t in range(at, horizon - o + 1)}
        for at, o in zip(arrival, output, strict=True)
    ]
    for start in starts:
        model.addConstr(sum(start.values()) == 1)
    for t in range(1, horizon + 1):
        used = [
            (s + t - k) * x
            for s, o, start in zip(prompt, output, starts, strict=True)
            for k, x in start.items()
            if t - o <= k <= t - 1
        ]
        if used:
            model.addConstr(sum(used) <= memory)
    model.minimize(
        sum(
            (t + o - at) * x
            for at, o, start in zip(arrival, output, starts, strict=True)
            for t, x in start.items()
        )
    )
    if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise ConfigError(f"optimum: not proved in {seconds:g} s; allowed: a smaller instance")
    total: int = round(model.getInfo().objective_function_value)
    return total
