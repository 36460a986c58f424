"""What arrives: a file or a generator, at a load, with what is predicted of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from amin.engine.simulator import SimulatorConfig
from amin.errors import ConfigError
from amin.experiment.load import at_load
from amin.experiment.resampled import resampled
from amin.workload.generate import LMSYS_LIKE, arrival_times, generate, names
from amin.workload.intervals import intervals
from amin.workload.read import read
from amin.workload.reading import AS_IT_SAYS, Reading, Understood
from amin.workload.served import Served
from amin.workload.trace import Trace
from amin.workload.turns import in_closed_loop


@dataclass(frozen=True)
class Traffic:
    """A workload for each seed.

    source         a generator (``amin.workload.generate.names``) or the path of a trace
    num_requests   how many; of a trace, the first so many (None: all; of a generator 1,000)
    load           arrival rate as a multiple of capacity; None keeps a trace's own times, and has
                   a generator's requests all arrive at 0
    arrivals       poisson, gamma:CV or batch; None keeps a trace's own pattern, else poisson
    predicted      `amin.workload.intervals`; None keeps what the workload says itself
    reading        what is said of a file that does not say it itself
    closed_loop    users, each of whom asks again `think_time` seconds after a reply's end, in place
                   of times of arrival; None: open
    """

    source: str = LMSYS_LIKE
    num_requests: int | None = None
    load: float | None = None
    arrivals: str | None = None
    predicted: str | None = None
    reading: Reading = AS_IT_SAYS
    closed_loop: int | None = None
    think_time: float = 0.0

    def __post_init__(self) -> None:
        if self.num_requests is not None and self.num_requests < 1:
            raise ConfigError(f"num_requests: got {self.num_requests}, allowed: >= 1")
        if self.load is not None and not 0 < self.load < math.inf:
            raise ConfigError(f"load: got {self.load}, allowed: > 0")
        self._check_loop()
        if self.arrivals is not None:
            arrival_times(1, 1.0, self.arrivals, 0)
        if self.predicted is not None:
            intervals(self.predicted)
        if self.source not in names() and not Path(self.source).is_file():
            raise ConfigError(
                f"workload: got {self.source!r}, allowed: a file or {', '.join(names())}"
            )

    def trace(self, seed: int, config: SimulatorConfig) -> Trace:
        """The requests of a seed, for an engine of this shape (which the load refers to).

        Of a file that says itself when they come: seeds up to 1 are the file as it is, others what
        might have come on another day (`amin.experiment.resampled`).
        """
        trace = self._requests(seed)
        if seed > 1 and self.source not in names() and self.arrivals is None:
            trace = resampled(trace, seed)
        if self.predicted is not None:
            trace = intervals(self.predicted)(trace, seed)
        if self.closed_loop is not None:
            return in_closed_loop(trace, self.closed_loop, self.think_time)
        if self.arrivals is not None:
            unit = arrival_times(len(trace), 1.0, self.arrivals, seed)
            trace = replace(trace, arrival_time=unit)
        if self.load is None or self.arrivals == "batch":
            return trace
        return at_load(trace, self.load, config, seed)

    @property
    def served(self) -> Served | None:
        """The server that wrote the file, where that says what it was."""
        return None if self.source in names() else self._file.served

    @property
    def understood(self) -> str:
        """What the file was taken for, in a line; of a generator its name."""
        if self.source in names():
            return f"workload {self.source}"
        return f"{self.source}: {self._file}"

    def load_in_words(self, rho: float | None) -> str:
        """What presses on the engine: users, or arrivals at `rho` x its capacity (None: at 0)."""
        if self.closed_loop is not None:
            return f"{self.closed_loop:,} users, each of whom waits for a reply to end"
        return "all at once" if rho is None else f"{rho:.2f} x capacity"

    def _check_loop(self) -> None:
        if self.closed_loop is None:
            if self.think_time:
                raise ConfigError(
                    f"think_time: got {self.think_time:g} without closed_loop, allowed: 0, or a "
                    "number of users"
                )
            return
        for name in ("load", "arrivals"):
            if getattr(self, name) is not None:
                raise ConfigError(
                    f"{name}: got {getattr(self, name)} in a closed loop, whose users ask when a "
                    "reply has ended, allowed: one of the two"
                )
        in_closed_loop(Trace.of([]), self.closed_loop, self.think_time)

    def _requests(self, seed: int) -> Trace:
        if self.source in names():
            return generate(self.source, self.num_requests or 1000, seed=seed)
        return self._file.trace

    @cached_property
    def _file(self) -> Understood:
        return read(Path(self.source), self.reading, self.num_requests)
