"""Draw what the promises cost: the mean latency against what readers and the worst-off feel.

    python scripts/frontier.py FOLDER

writes frontier.svg into FOLDER and prints its table: the default, told nothing, ÷ stock FCFS on
LMSYS-like traffic at 7 and 11 requests a second (some 1.4 and 2.2 x capacity, prefix caching on),
3,000 requests, seeds 1 and 2. Of pace, lead and X one is varied while the others are as shipped.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amin.engine.settings import READING_PACE, TAIL_PROMISE
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.stream_promise import LEAD, SECONDS_AHEAD
from amin.metrics.columns import Columns
from amin.metrics.streaming import share_paused
from amin.workload.intervals import intervals
from amin.workload.lmsys_like import embedded_replies, lmsys_like
from amin.workload.trace import Trace

CONFIG = SimulatorConfig(511, 16, enable_prefix_caching=True)
RATES, SEEDS, NUM_REQUESTS = (7, 11), (1, 2), 3000
PACES = (None, 5.0, 10.0, 15.0, 20.0, 40.0)
LEADS = (1.0, 2.0, 4.0, 8.0, 16.0)
PROMISES = (0.5, 0.7, 0.9, 1.0, 1.2, 1.5, None)


@dataclass(frozen=True)
class Point:
    """One setting, and what came of it: ÷ FCFS's, but for the share of readers who wait > 1 s."""

    value: float | None
    mean: float
    p99: float
    paused: float

    @property
    def label(self) -> str:
        """What is varied."""
        return "off" if self.value is None else f"{self.value:g}"


@cache
def traffic(rate: int, seed: int) -> Trace:
    """Chat of which nothing is told."""
    replies = embedded_replies(50_000, seed=0)
    trace = lmsys_like(
        replies, num_requests=NUM_REQUESTS, requests_per_second=float(rate), seed=seed
    )
    return intervals("none")(trace, seed)


@cache
def fcfs(rate: int, seed: int) -> Columns:
    """What happened under stock FCFS."""
    return SimulatedEngine(CONFIG, "vllm-fcfs").simulate(traffic(rate, seed)).columns()


def point(
    value: float | None, promise: float | None, pace: float | None, lead: float = SECONDS_AHEAD
) -> Point:
    """The average over rates and seeds. Readers take what is promised, or at `READING_PACE`."""
    rows = []
    for rate in RATES:
        for seed in SEEDS:
            engine = SimulatedEngine(
                CONFIG, "expected-volume", predictor="online", tail_promise=promise,
                stream_promise=pace,
            )  # fmt: skip
            simulation = engine.start(traffic(rate, seed))
            simulation.state.returning[LEAD, 0] = lead * 1e6
            simulation.finish()
            columns, stock = simulation.columns(), fcfs(rate, seed)
            took = columns.finish_time - columns.arrival_time
            base = stock.finish_time - stock.arrival_time
            p99 = np.quantile(took, 0.99) / np.quantile(base, 0.99)
            rows.append((took.mean() / base.mean(), p99, share_paused(columns)))
    return Point(value, *map(float, np.mean(rows, axis=0)))


def _draw(axes: Axes, points: list[Point], what: str, column: str, shipped: float) -> None:
    ys = [getattr(one, column) for one in points]
    axes.plot([one.mean for one in points], ys, color="#2f6f9f", marker="o", markersize=4)
    for one, y in zip(points, ys, strict=True):
        weight = "bold" if one.value == shipped else "normal"
        axes.annotate(
            one.label, (one.mean, y), textcoords="offset points", xytext=(5, 4), fontsize=8,
            fontweight=weight,
        )  # fmt: skip
    axes.set_title(what, loc="left", fontsize=9.5)
    axes.set_xlabel("mean latency ÷ FCFS's")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main() -> None:
    """Run, print and draw."""
    varied = {
        "pace": [point(pace, TAIL_PROMISE, pace) for pace in PACES],
        "lead": [point(lead, TAIL_PROMISE, READING_PACE, lead) for lead in LEADS],
        "X": [point(promise, promise, READING_PACE) for promise in PROMISES],
    }
    stock = np.mean([share_paused(fcfs(rate, seed)) for rate in RATES for seed in SEEDS])
    print("| varied | value | mean | p99 | readers paused |\n|---|---|---|---|---|")
    for name, points in varied.items():
        for one in points:
            print(f"| {name} | {one.label} | {one.mean:.3f} | {one.p99:.3f} | {one.paused:.2%} |")
    print(f"\nStock FCFS: 1, 1, {stock:.2%}.")
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "amin", "font.size": 9}):
        figure = Figure(figsize=(9, 3.1), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        middle.sharex(left)
        percent = "% of readers who wait > 1 s"
        for axes in (left, middle):
            axes.set_ylabel(percent)
            axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g}")
        _draw(left, varied["pace"], "--stream-promise PACE", "paused", READING_PACE)
        _draw(middle, varied["lead"], "seconds ahead (8)", "paused", SECONDS_AHEAD)
        right.set_ylabel("99th percentile ÷ FCFS's")
        _draw(right, varied["X"], "--tail-promise X", "p99", TAIL_PROMISE)
        path = Path(sys.argv[1])
        path.mkdir(parents=True, exist_ok=True)
        figure.savefig(path / "frontier.svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
