"""What each request went through, one panel per run and one bar per request."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from amin.metrics.streaming import NOTICED
from amin.metrics.throughput import first_arrival_time
from amin.record import RequestRecord, RunResult
from amin.report import svg
from amin.report.label import labels

MAX_BARS = 60


def timeline_figure(results: Sequence[RunResult]) -> Markup:
    """Bars from arrival to finish in order of arrival, of at most `MAX_BARS` requests per run.

    A bar is light until the request is first scheduled. A record does not say when a preemption
    happened, so the rest of a preempted request's bar has a colour of its own as a whole; but it
    says when the reply was silent for longest, and where a reader notices that (`NOTICED`), the bar
    is cut there.
    """

    def plot(figure: Figure) -> None:
        panels = svg.small_multiples(figure, len(results))
        for panel, result, label in zip(panels, results, labels(results), strict=True):
            _panel(panel, result, label)
        panels[0].set_xlim(left=0)
        panels[0].set_ylim(MAX_BARS, -1)
        panels[0].set_yticks([])
        figure.supxlabel("seconds since the first arrival", fontsize=9, color=svg.MUTED)
        figure.supylabel("requests, first arrival on top", fontsize=9, color=svg.MUTED)
        figure.legend(handles=_legend(), loc="outside upper left", ncols=5)

    return svg.draw(
        plot,
        name="timeline",
        title="Waiting and running time of requests per policy",
        size=(11, 1.1 + 2.5 * -(-len(results) // 3)),
    )


def sampled(records: Sequence[RequestRecord], max_records: int = MAX_BARS) -> list[RequestRecord]:
    """At most `max_records` of the records, evenly spread over the order of arrival."""
    ordered = sorted(records, key=lambda record: record.arrival_time)
    if len(ordered) <= max_records:
        return ordered
    return [ordered[i * len(ordered) // max_records] for i in range(max_records)]


def _panel(panel: Axes, result: RunResult, label: str) -> None:
    start = first_arrival_time(result.records)
    num_preempted = sum(record.num_preemptions > 0 for record in result.records)
    panel.set_title(f"{label}: {num_preempted} preempted")
    panel.grid(visible=False, axis="y")
    for row, record in enumerate(sampled(result.records)):
        _bar(panel, record, row, start)


def _bar(panel: Axes, record: RequestRecord, row: int, start: float) -> None:
    arrival = record.arrival_time - start
    if record.status != "finished" or math.isnan(record.first_scheduled_time):
        panel.plot(arrival, row, marker="x", markersize=4, color=svg.INK)
        return
    scheduled, end = record.first_scheduled_time - start, record.finish_time - start
    color = svg.PREEMPTED if record.num_preemptions else svg.RUNNING
    panel.barh(row, scheduled - arrival, left=arrival, height=0.75, color=svg.WAITING)
    silent, sounds = end, end
    if record.longest_gap > NOTICED:
        silent = record.longest_gap_start - start
        sounds = silent + record.longest_gap
        panel.barh(row, sounds - silent, left=silent, height=0.2, color=svg.INK)
    panel.barh(row, silent - scheduled, left=scheduled, height=0.75, color=color)
    panel.barh(row, end - sounds, left=sounds, height=0.75, color=color)


def _legend() -> list[Patch | Line2D]:
    return [
        Patch(color=svg.WAITING, label="waiting to be scheduled"),
        Patch(color=svg.RUNNING, label="scheduled, never preempted"),
        Patch(color=svg.PREEMPTED, label="scheduled, preempted at least once"),
        Line2D([], [], color=svg.INK, label=f"begun, then silent for more than {NOTICED:g} s"),
        Line2D([], [], color=svg.INK, marker="x", markersize=4, linewidth=0, label="not finished"),
    ]
