"""Points or lines on logarithmic axes: how a ratio depends on what decides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from amin.report import svg

_MARKERS = "osD^vPX"


@dataclass(frozen=True)
class Curves:
    """What is drawn: (x, y) by label, in words what x and y are, and whether points are joined."""

    x: str
    y: str
    points: Mapping[str, Sequence[tuple[float, float]]]
    joined: bool = False


def curve_figure(curves: Curves, *, name: str, title: str) -> Markup:
    """The curves as an ``<svg>`` element; `name` and `title` as in `amin.report.svg.draw`."""

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for index, (label, points) in enumerate(curves.points.items()):
            axes.plot(
                *zip(*sorted(points), strict=True),
                label=label,
                color=svg.SERIES[index % len(svg.SERIES)],
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=4,
                linestyle="solid" if curves.joined else "none",
                markerfacecolor="none",
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(LogFormatter())
            axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        axes.set_xlabel(curves.x)
        axes.set_ylabel(curves.y)
        figure.legend(loc="outside right upper")

    return svg.draw(plot, name=name, title=title, size=(9, 3.4))
