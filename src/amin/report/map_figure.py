"""A ratio in every place, as a table of colours: below 1 blue, above 1 red, 1 is white."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from amin.report import svg

_LABEL: Any = {"fontsize": 7.5, "color": "#1a1a1a", "ha": "center", "va": "center"}

_WORST, _BEST = 2.0, 0.2
"""Beyond these the colour is that of these."""


@dataclass(frozen=True)
class MapPanel:
    """One table of colours: a row of ratios for each of the figure's rows.

    `texts` says what is written in each; None for the ratio itself.
    """

    title: str
    values: Sequence[Sequence[float]]
    texts: Sequence[Sequence[str]] | None = None

    def text(self, row: int, column: int) -> str:
        """What is written there."""
        if self.texts is not None:
            return self.texts[row][column]
        value = self.values[row][column]
        return f"{value:.2f}" if value == value else "-"


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
            # Shapes, not pixels: these stay sharp and small.
            axis.pcolormesh(colours, cmap="RdBu_r", norm=norm)
            axis.grid(visible=False)
            axis.set_title(panel.title)
            axis.set_xticks([x + 0.5 for x in range(len(columns))], columns)
            axis.set_yticks([y + 0.5 for y in range(len(rows))], rows)
            for y in range(len(rows)):
                for x in range(len(columns)):
                    axis.text(x + 0.5, y + 0.5, panel.text(y, x), **_LABEL)
        # Of all, since they share it.
        axes[0].invert_yaxis()

    size = (3.0 + 3.4 * len(panels), 1.0 + 0.27 * len(rows))
    return svg.draw(plot, name=name, title=title, size=size)
