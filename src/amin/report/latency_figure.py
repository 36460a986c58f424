"""The share of requests that were done within a time, one curve per run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from amin.metrics.latency import e2e_latencies
from amin.record import RunResult
from amin.report import svg
from amin.report.label import labels

# Their number and that of the colours have no common factor, so pairs repeat late.
_DASHES = ("solid", "solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (7, 1.5, 1.5, 1.5)))


def latency_figure(results: Sequence[RunResult]) -> Markup:
    """Cumulative distribution of e2e latency in seconds.

    Shares are of all requests of a run, so a curve ends below 100 % where some did not finish.
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for index, (result, label) in enumerate(zip(results, labels(results), strict=True)):
            _curve(axes, result, label, index)
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("e2e latency (seconds from arrival to the last token)")
        axes.set_ylabel("requests done within it")
        figure.legend(loc="outside right upper", handlelength=3.2)

    return svg.draw(
        plot,
        name="latency",
        title="Cumulative distribution of e2e latency per policy",
        size=(11, 3.9),
    )


def _curve(axes: Axes, result: RunResult, label: str, index: int) -> None:
    times = np.sort(e2e_latencies(result.records))
    shares = np.arange(len(times) + 1) / max(len(result.records), 1)
    axes.step(
        np.concatenate(([0.0], times)),
        shares,
        where="post",
        label=label,
        color=svg.SERIES[index % len(svg.SERIES)],
        linestyle=_DASHES[index % len(_DASHES)],
        linewidth=2.4 if index == 0 else 1.8,
    )
