"""A ratio in every place, as a table of colours: below 1 green, above 1 red, 1 is nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from amin.report import svg

_WORST, _BEST = 2.0, 0.2
"""Beyond these the colour is that of these."""


@dataclass(frozen=True)
class MapPanel:
    """One table of colours: a row of ratios for each of the figure's rows."""

    title: str
    values: Sequence[Sequence[float]]


def _colour(ratio: float) -> float:
    return math.log(min(max(ratio, _BEST), _WORST)) if ratio == ratio else 0.0


def map_figure(
    panels: Sequence[MapPanel],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    name: str,
    title: str,
) -> Markup:
    """The panels side by side, as an ``<svg>``; `name` and `title` as in `amin.report.svg.draw`."""
    norm = TwoSlopeNorm(0.0, math.log(_BEST), math.log(_WORST))

    def plot(figure: Figure) -> None:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for panel, axis in zip(panels, axes, strict=True):
            colours = [[_colour(value) for value in row] for row in panel.values]
            axis.imshow(colours, cmap="RdYlGn_r", norm=norm, aspect="auto")
            axis.grid(visible=False)
            axis.set_title(panel.title)
            axis.set_xticks(range(len(columns)), columns)
            axis.set_yticks(range(len(rows)), rows)
            for y, row in enumerate(panel.values):
                for x, value in enumerate(row):
                    text = f"{value:.2f}" if value == value else "-"
                    axis.text(x, y, text, ha="center", va="center", fontsize=7.5, color="#1a1a1a")

    size = (3.0 + 3.4 * len(panels), 1.0 + 0.27 * len(rows))
    return svg.draw(plot, name=name, title=title, size=size)
