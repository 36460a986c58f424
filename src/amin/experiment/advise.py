"""Which setting for this traffic on this memory, its gain and its price: ``amin advise``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from amin.engine.settings import READING_PACE, TAIL_PROMISE, Label
from amin.errors import ConfigError
from amin.experiment.cell import Row
from amin.experiment.comparison import Comparison, compare
from amin.experiment.frame import frame
from amin.experiment.load import rho as load_of
from amin.experiment.served_setting import Fidelity, fidelity
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.report.terminal import Track

BASELINE = "vllm-fcfs"
STOCK = (BASELINE, "vllm-fcfs@0.05")
BY_PRIORITY = ("vllm-priority", "vllm-priority@0.05")
PROMISES = (0.5, 0.7, 1.0, 1.5)
POLICY = "expected-volume"
BOUND = tuple(f"{POLICY}+{promise:g}~{READING_PACE:g}" for promise in PROMISES)
OURS = (*BOUND, f"{POLICY}~{READING_PACE:g}", POLICY)
"""The last two without a promise on the tail, and without any."""
GROWTH = (1.0, 1.25, 1.5)
"""Multiples of the traffic that are tried: tomorrow's is more."""

MOST_P99, MOST_WORST = 1.02, 1.10
"""A setting is advised if its tail is no worse than stock FCFS's by more than that."""

WORTH_IT = 0.98
"""The mean must fall below that, or nothing is advised."""

NUM_RESAMPLES = 5
"""Other days that might have been (`amin.experiment.resampled`), beside the traffic as it is."""

FEW_REQUESTS, FAR_ABOVE, CHANGING = 500, 3.0, 1.5
"""Fewer requests say little; above such a load the queue only grows; the busier half of the traffic
has so many times the requests a second of the other: then one load says little of it."""


class Ratio(NamedTuple):
    """What stock FCFS has, times this: on the traffic as it is, and from the least to the most of
    other days that might have been."""

    value: float
    least: float
    most: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        if self.least == self.most == self.value:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.least:.2f}-{self.most:.2f})"


@dataclass(frozen=True)
class Option:
    """A setting, next to stock FCFS on the same requests."""

    label: str
    mean: Ratio
    p99: Ratio
    worst: Ratio
    ttft: Ratio
    paused: float

    @property
    def command(self) -> str:
        """What to run."""
        name, watermark, tail, stream = Label.of(self.label)
        if name.startswith("vllm-"):
            policy = "" if name == BASELINE else " --scheduling-policy priority"
            return f"vllm serve MODEL{policy}" + (f" --watermark {watermark}" if watermark else "")
        return f"amin serve MODEL --tail-promise {tail or 'off'} --stream-promise {stream or 'off'}"


@dataclass(frozen=True)
class Advice:
    """What was found: `compared` by growth of the traffic; `fidelity` where a log allows it."""

    traffic: Traffic
    setting: Setting
    rho: float
    compared: dict[float, Comparison]
    fidelity: Fidelity | None = None

    def options(self, growth: float = 1.0) -> list[Option]:
        """Every setting but the baseline."""
        return [self.option(growth, label) for label in self.compared[growth].labels[1:]]

    @property
    def advised(self) -> Option | None:
        """The lowest mean whose tail is as good as stock FCFS's; None: change nothing."""
        good = [
            o for o in self.options() if o.p99.value <= MOST_P99 and o.worst.value <= MOST_WORST
        ]
        best = min(good, key=lambda option: option.mean.value, default=None)
        return best if best and best.mean.value < WORTH_IT else None

    @property
    def told_by(self) -> str | None:
        """The feature of a request that foretold lengths best; None where nothing did."""
        rows = {row["label"]: row for row in reversed(self.compared[1.0].rows)}
        return rows[BOUND[PROMISES.index(TAIL_PROMISE)]]["lengths_foretold_by"]  # type: ignore[no-any-return]

    def baseline(self, growth: float = 1.0) -> Row:
        """The numbers of stock FCFS."""
        return dict(self.compared[growth].rows[0])

    def option(self, growth: float, label: str) -> Option:
        """A setting, with so many times the traffic."""
        found = self.compared[growth]
        first = next(row for row in found.rows if row["label"] == label)

        def ratio(column: str) -> Ratio:
            values = found.ratios(label, column)
            return Ratio(values[0], min(values), max(values))

        return Option(
            label,
            mean=ratio("mean_e2e_latency"),
            p99=ratio("p99_e2e_latency"),
            worst=ratio("max_e2e_latency"),
            ttft=ratio("mean_ttft"),
            paused=first["share_paused"] or 0.0,
        )

    def to_pandas(self) -> Any:
        """A frame with a row for each growth of the traffic and each setting."""
        columns = "mean", "p99", "worst", "ttft"
        return frame(
            [
                {"growth": growth, "setting": option.label, "paused": option.paused}
                | {name: getattr(option, name).value for name in columns}
                for growth in GROWTH
                for option in self.options(growth)
            ]
        )

    @cached_property
    def warnings(self) -> list[str]:
        """Why the answer may not hold: too little traffic, too much, or too uneven."""
        trace = self.traffic.trace(1, self.setting.config)
        said = []
        if len(trace) < FEW_REQUESTS:
            said.append(f"only {len(trace):,} requests, which say little of a 99th percentile")
        if self.rho > FAR_ABOVE:
            said.append(
                f"{self.rho:.1f} x what the server can do: the queue grows from the first to the "
                "last request, and the figures follow from where the traffic is cut off"
            )
        times = trace.arrival_time
        early = int(np.searchsorted(times, (times[0] + times[-1]) / 2))
        busier = max(early, len(trace) - early) / max(min(early, len(trace) - early), 1)
        if busier > CHANGING:
            said.append(
                f"one half of the time has {busier:.1f} x the requests of the other: the load is "
                "a mean of both"
            )
        return said


def advise(
    traffic: Traffic,
    setting: Setting,
    *,
    track: Track = lambda what, total: lambda: None,
) -> Advice:
    """Simulate the candidates on this traffic, and on more of it.

    Raises `ConfigError` where all requests arrive at once and no load is given: nothing to advise.
    """
    trace = traffic.trace(1, setting.config)
    rho = load_of(trace, setting.config)
    if not 0 < rho < math.inf:
        raise ConfigError("load: all requests arrive at once, allowed: a multiple of capacity")
    has_priorities = len(set(trace.priority.tolist())) > 1
    labels = [*STOCK, *(BY_PRIORITY if has_priorities else ()), *OURS]
    compared = {}
    for growth in GROWTH:
        load = traffic.load if growth == 1 else rho * growth
        grown = replace(traffic, load=load)
        what = f"{growth:g} x the traffic"
        seeds = range(1, 2 + (NUM_RESAMPLES if growth == 1 else 0))
        compared[growth] = compare(labels, grown, setting, seeds, track=_called(what, track))
    return Advice(traffic, setting, rho, compared, fidelity(traffic, setting))


def _called(what: str, track: Track) -> Track:
    return lambda _, total: track(what, total)
