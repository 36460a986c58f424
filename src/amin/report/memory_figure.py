"""How full the KV cache was over time, one panel per run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from amin.arrays import Floats
from amin.metrics.throughput import first_arrival_time
from amin.record import RunResult
from amin.report import svg
from amin.report.label import labels

_MAX_POINTS = 600


def memory_figure(results: Sequence[RunResult]) -> Markup:
    """Used KV blocks as a share of all, against seconds since the first arrival."""

    def plot(figure: Figure) -> None:
        panels = svg.small_multiples(figure, len(results))
        for panel, result, label in zip(panels, results, labels(results), strict=True):
            _panel(panel, result, label)
        panels[0].set_ylim(0, 1.05)
        panels[0].set_xlim(left=0)
        panels[0].yaxis.set_major_formatter(PercentFormatter(1))
        figure.supxlabel("seconds since the first arrival", fontsize=9, color=svg.MUTED)
        figure.supylabel("KV blocks used", fontsize=9, color=svg.MUTED)

    return svg.draw(
        plot,
        name="memory",
        title="Share of KV blocks in use over time per policy",
        size=(11, 0.7 + 1.7 * -(-len(results) // 3)),
    )


def _panel(panel: Axes, result: RunResult, label: str) -> None:
    panel.axhline(1, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 2)))
    if not result.samples or result.num_blocks <= 0:
        panel.set_title(f"{label}: no samples")
        return
    start = first_arrival_time(result.records)
    times = np.array([sample.time for sample in result.samples]) - start
    usage = np.array([sample.num_used_blocks for sample in result.samples]) / result.num_blocks
    panel.set_title(f"{label}: peak {usage.max():.0%}")
    times, usage = thinned(times, usage)
    panel.fill_between(times, usage, step="post", color=svg.RUNNING, alpha=0.25, linewidth=0)
    panel.step(times, usage, where="post", color=svg.RUNNING, linewidth=1)


def thinned(times: Floats, values: Floats, max_points: int = _MAX_POINTS) -> tuple[Floats, Floats]:
    """At most about `max_points` points that keep every visible peak and trough.

    Of each of max_points / 2 equal groups the first smallest and the first largest value stay,
    and so do both ends.
    """
    if len(values) <= max_points:
        return times, values
    kept = {0, len(values) - 1}
    for group in np.array_split(np.arange(len(values)), max_points // 2):
        kept.update((int(group[values[group].argmin()]), int(group[values[group].argmax()])))
    index = np.array(sorted(kept))
    return times[index], values[index]
