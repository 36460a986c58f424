"""Whether bounds hold as often as they say: for short and long ones, and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from amin.report import svg


@dataclass(frozen=True)
class Reliability:
    """Of one predictor, shares of replies that reached their bound: in each tenth of the requests
    from the lowest bounds to the highest, and in each tenth of the trace."""

    by_bound: Sequence[float]
    over_time: Sequence[float]


def reliability_figure(
    found: Mapping[str, Reliability], target: float, *, name: str, title: str
) -> Markup:
    """Both as an ``<svg>`` element; `name` and `title` as in `amin.report.svg.draw`."""

    def plot(figure: Figure) -> None:
        by_bound, over_time = figure.subplots(1, 2, sharey=True)
        for index, (label, one) in enumerate(found.items()):
            style = {"color": svg.SERIES[index % len(svg.SERIES)], "marker": "o", "markersize": 3}
            by_bound.plot(_percent(one.by_bound), one.by_bound, label=label, **style)
            over_time.plot(_percent(one.over_time), one.over_time, **style)
        for axes in (by_bound, over_time):
            axes.axhline(target, color=svg.MUTED, linewidth=0.8, linestyle="dashed")
        by_bound.set_xlabel("% of the requests, from the lowest bounds to the highest")
        by_bound.set_ylabel("share of replies that reach it")
        over_time.set_xlabel("% of the trace")
        figure.legend(loc="outside right upper")

    return svg.draw(plot, name=name, title=title, size=(9, 3.2))


def _percent(values: Sequence[float]) -> list[float]:
    return [100 * (i + 1) / len(values) for i in range(len(values))]
