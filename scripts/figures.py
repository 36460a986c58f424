"""Draw the pictures of the documentation, from runs of the simulator.

    python scripts/figures.py FOLDER [MAP_CELLS]

writes preemption.svg, overdue.svg, stream.svg and map.svg into FOLDER. MAP_CELLS is where
``amin map`` keeps its finished runs (results/map/cells), so that the map need not be run again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from amin.engine.reading import NUM_SEEN, WANTED
from amin.engine.rows import NUM_PREEMPTIONS
from amin.engine.settings import READING_PACE
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.simulator.state import ARRIVAL, FINISH, NUM_RUNNING, SECONDS, SLOT
from amin.engine.step_time import StepTime
from amin.experiment.map import MapConfig, run_map, shipped_map
from amin.experiment.map_page import figure as map_figure
from amin.workload.lmsys_like import embedded_replies, lmsys_like
from amin.workload.trace import Trace

CONFIG = SimulatorConfig(48, 16, step_time=StepTime(0.03, 0.0))
CHAT_CONFIG = SimulatorConfig(192, 16)
POINT_EVERY = 8
"""Steps from one point of a curve to the next: some quarter of a second."""
WAITS, RUNS, AGAIN = "#c9ced6", "#2f6f9f", "#c8553d"
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "amin", "font.size": 9}
_COLOURS = "--ink:#1a1a1a;--muted:#555;--grid:#ddd"


@dataclass(frozen=True)
class Scenario:
    """Few requests, (arrival in seconds, prompt, output), and the prompt of the one in question."""

    requests: tuple[tuple[float, int, int], ...]
    about: int

    def trace(self) -> Trace:
        """As a workload."""
        at, prompt, output = (np.array(column) for column in zip(*self.requests, strict=True))
        return Trace.of_lengths(prompt, output, at.astype(float))


SHORT = tuple((0.25 * i, 90, 40 + 7 * (i % 3)) for i in range(44))
OVERDUE = Scenario((*SHORT, (2.1, 400, 60)), 400)
PREEMPTION = Scenario(((0.0, 180, 130), (0.0, 180, 110), (0.5, 120, 110), (1.0, 90, 30)), 90)


def states(scenario: Scenario, promise: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(time of each step; what each does in it: 0 nothing, 1 waits, 2 runs, 3 waits again)."""
    trace = scenario.trace()
    trace = trace[np.argsort(trace.arrival_time, kind="stable")]
    engine = SimulatedEngine(CONFIG, "expected-volume", tail_promise=promise)
    simulation, times, rows = engine.start(trace), [], []
    is_done = False
    while not is_done:
        is_done = simulation.advance(1)
        state, now = simulation.state, simulation.state.clock[SECONDS]
        running = state.lanes[state.running[: state.counts[NUM_RUNNING]], SLOT]
        row = np.zeros(len(trace), int)
        present = (state.times[:, ARRIVAL] <= now) & np.isnan(state.times[:, FINISH])
        row[present] = np.where(state.table[present, NUM_PREEMPTIONS] > 0, 3, 1)
        row[running] = 2
        times.append(now)
        rows.append(row)
    return np.array(times), np.array(rows), trace.num_prompt_tokens


def timeline(axes: Axes, scenario: Scenario, promise: float | None) -> None:
    """A bar for each request: grey waits, blue runs, red waits again."""
    times, rows, prompts = states(scenario, promise)
    about = int(np.argmax(prompts == scenario.about))
    for request, doing in enumerate(rows.T):
        for start in np.flatnonzero(np.diff(doing, prepend=0)):
            what = doing[start]
            if what:
                after = np.flatnonzero(doing[start:] != what)
                end = start + after[0] if len(after) else len(doing) - 1
                colour = {1: WAITS, 2: RUNS, 3: AGAIN}[what]
                height = 0.9 if request == about else 0.55
                width = times[end] - times[start]
                axes.barh(request, width, left=times[start], height=height, color=colour)
    axes.set_yticks([about], ["this one"])
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def draw(path: Path, panels: list[tuple[str, Scenario, float | None]], height: float) -> None:
    """The panels, one above the other, with a common time."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(8, height), layout="constrained")
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (title, scenario, promise) in zip(grid, panels, strict=True):
            timeline(axes, scenario, promise)
            axes.set_title(title, loc="left", fontsize=9.5)
        words = zip((WAITS, RUNS, AGAIN), ("waits", "runs", "preempted, waits again"), strict=True)
        handles = [Patch(color=colour, label=word) for colour, word in words]
        figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def chat() -> Trace:
    """LMSYS-like requests at some twice the capacity of `CHAT_CONFIG`."""
    return lmsys_like(
        embedded_replies(2000, seed=2), num_requests=300, requests_per_second=6, seed=2
    )


def who_waits_longest() -> int:
    """The reader who is worst off without a stream promise."""
    engine = SimulatedEngine(CHAT_CONFIG, "expected-volume", tail_promise=1.0)
    return int(np.nanargmax(engine.simulate(chat()).columns().longest_pause))


def made_and_read(
    about: int, stream_promise: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(times, tokens made of this reply, tokens that its reader has taken by then)."""
    trace = chat()
    engine = SimulatedEngine(
        CHAT_CONFIG, "expected-volume", tail_promise=1.0, stream_promise=stream_promise
    )
    simulation, rows, is_done = engine.start(trace), [], False
    while not is_done:
        is_done = simulation.advance(1)
        reader = simulation.state.readers[about, [NUM_SEEN, WANTED]]
        rows.append((simulation.state.clock[SECONDS], *reader))
    now, made, wanted = np.array(rows)[::POINT_EVERY].T
    read = made - np.maximum((wanted - now) * READING_PACE, 0.0)
    begun = made > 0
    shown = begun & (np.cumsum(begun & (read == made.max())) <= 1)
    return (now - trace.arrival_time[about])[shown], made[shown], read[shown]


def draw_stream(path: Path) -> None:
    """One reply, preempted: what is made of it and what is read, without and with the promise."""
    about = who_waits_longest()
    with rc_context(_STYLE):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        grid = figure.subplots(2, 1, sharex=True)
        panels = (
            ("No promise: it comes back when shorter ones leave room; its reader waits", None),
            ("--stream-promise 10: it comes back before what was made is read", READING_PACE),
        )
        for axes, (title, pace) in zip(grid, panels, strict=True):
            times, made, read = made_and_read(about, pace)
            axes.fill_between(times, read, made, color=WAITS, label="slack", linewidth=0)
            axes.plot(times, made, color=RUNS, label="tokens made")
            axes.plot(times, read, color="#1a1a1a", linewidth=1, label="tokens read")
            paused = made == read
            axes.fill_between(
                times, 0, made, where=paused, color=AGAIN, alpha=0.5, linewidth=0,
                label="its reader waits",
            )  # fmt: skip
            axes.set_title(title, loc="left", fontsize=9.5)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        grid[1].set_xlabel("seconds since it arrived")
        handles, words = grid[0].get_legend_handles_labels()
        figure.legend(handles, words, loc="outside upper right", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def draw_map(path: Path, cells: Path | None) -> None:
    """The map that ships, on a white ground, with colours of its own."""
    found = run_map(MapConfig.parse(shipped_map(), "map.toml"), folder=cells)
    style = f"<style>svg{{{_COLOURS};background:#fff;font-family:sans-serif}}</style>"
    path.write_text(str(map_figure(found)).replace(">", f">{style}", 1), encoding="utf-8")


def main() -> None:
    """Draw all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    off = "No promise: it is passed as long as shorter ones come"
    on = "--tail-promise 1: it goes next in time to end no later than FCFS would have let anybody"
    draw(folder / "overdue.svg", [(off, OVERDUE, None), (on, OVERDUE, 1.0)], 7)
    title = "Memory runs out: who has computed least leaves, and comes back when there is room"
    draw(folder / "preemption.svg", [(title, PREEMPTION, 1.0)], 2.6)
    draw_stream(folder / "stream.svg")
    draw_map(folder / "map.svg", Path(sys.argv[2]) if len(sys.argv) > 2 else None)


if __name__ == "__main__":
    main()
