"""Matplotlib figures as inline SVG that takes its colours and fonts from the page around it.

Figures are drawn in placeholder colours, one per role, which become CSS variables of the page:
one drawing serves light and dark. Text stays text: it can be searched and read out.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = "#01fe00", "#01fe01", "#01fe02"
WAITING, RUNNING, PREEMPTED = "#01fe04", "#01fe05", "#01fe06"
SERIES = ("#02fe00", "#02fe01", "#02fe02", "#02fe03", "#02fe04", "#02fe05", "#02fe06")
"""Colours of runs, told apart by the colour-blind; the first is for the baseline."""

_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    WAITING: "var(--waiting)",
    RUNNING: "var(--running)",
    PREEMPTED: "var(--preempted)",
    **{color: f"var(--series-{index})" for index, color in enumerate(SERIES)},
}
# Any, because the accepted names differ between versions of matplotlib.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "amin",
    "text.parse_math": False,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.facecolor": "none",
    "legend.frameon": False,
}
_SVG = "http://www.w3.org/2000/svg"
_NAMESPACES = {"": _SVG, "xlink": "http://www.w3.org/1999/xlink"}


def draw(
    plot: Callable[[Figure], None], *, name: str, title: str, size: tuple[float, float]
) -> Markup:
    """Lets `plot` fill a figure of `size` inches; returns an ``<svg>`` element, safe to inline.

    `name` must be unique on the page and is put before every id. `title` says in words what is
    to be seen, for those who cannot see it.
    """
    out = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        plot(figure)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = ElementTree.fromstring(out.getvalue())
    _name(svg, name)
    _paint(svg)
    svg.attrib.update({"role": "img", "aria-label": title})
    for size_name in ("width", "height"):
        del svg.attrib[size_name]
    for metadata in svg.findall(f"{{{_SVG}}}metadata"):
        svg.remove(metadata)
    return Markup(_to_text(svg))


def small_multiples(figure: Figure, count: int) -> list[Axes]:
    """`count` panels in rows of three with common axes, so that they compare at a glance."""
    num_columns = min(count, 3)
    num_rows = -(-count // num_columns)
    grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    for unused in panels[count:]:
        unused.remove()
    for panel in panels[max(count - num_columns, 0) : count]:
        panel.tick_params(labelbottom=True)
    return panels[:count]


def _name(svg: ElementTree.Element, name: str) -> None:
    for element in svg.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif value.startswith("#") and key.endswith("href"):
                element.set(key, f"#{name}-{value[1:]}")
            elif "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))


def _paint(svg: ElementTree.Element) -> None:
    for element in svg.iter():
        style = element.get("style", "")
        for color, variable in _VARIABLES.items():
            style = style.replace(color, variable)
        if style:
            element.set("style", style)


def _to_text(svg: ElementTree.Element) -> str:
    for prefix, uri in _NAMESPACES.items():
        ElementTree.register_namespace(prefix, uri)
    return ElementTree.tostring(svg, encoding="unicode")
