"""A claim of the paper as an experiment: what to run, and what would make it true.

A claim is a TOML file (see `amin/experiment/claims`): its words and their source, the requests, a
grid of settings, and checks. In each setting of the grid every policy runs on the requests of every
seed in the paper's unit-time model, and its mean latency is divided by that of `to`, by default
H-SF's, on the same requests.
"""

from __future__ import annotations

import itertools
import math
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from amin.errors import ConfigError
from amin.experiment.run import Run
from amin.experiment.setting import Setting
from amin.workload.families import FAMILIES, instance
from amin.workload.generate import LMSYS_LIKE, generate
from amin.workload.intervals import intervals
from amin.workload.trace import Trace

YARDSTICK = "hindsight"
Params = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """What must be so of `policy`'s mean latency ÷ that of `to`.

    at_most, at_least   limits on the mean over seeds, in a setting
    grows               over the whole grid, against 1/alpha = upper ÷ lower: ``log``, if a straight
                        line in its logarithm fits better than a power of it, or ``power``
    bound               ``amax-upper``: at most (1/a)(1 + 1/a)/2, ``amax-lower``: at least
                        (1/a)(1 + a^(-1/2))/2, the paper's bounds for A_max
    cost                what a step may cost: its time grows at most with this power of M, and with
                        no more than the 0.2th of the number of requests
    """

    policy: str
    to: str = YARDSTICK
    at_most: float = math.inf
    at_least: float = 0.0
    grows: str = ""
    bound: str = ""
    cost: float = 0.0

    @property
    def is_local(self) -> bool:
        """Whether it is about each setting, and not about the grid as a whole."""
        return not self.grows and not self.cost

    def holds(self, measured: Measured) -> bool:
        """Whether it is so in one setting, if `is_local`."""
        least, most = self.limits(measured)
        return least <= measured.ratio(self.policy, self.to) <= most

    def limits(self, measured: Measured) -> tuple[float, float]:
        """The least and the most that the ratio may be in one setting."""
        inverse = measured.inverse_alpha if self.bound else 0.0
        if self.bound == "amax-upper":
            return self.at_least, inverse * (1 + inverse) / 2
        if self.bound == "amax-lower":
            return inverse * (1 + math.sqrt(inverse)) / 2, self.at_most
        return self.at_least, self.at_most


@dataclass(frozen=True)
class Claim:
    """One file."""

    name: str
    claim: str
    source: str
    requests: Params
    grid: dict[str, list[Any]]
    checks: tuple[Check, ...]
    seeds: int = 10
    note: str = ""
    quick: Params = field(default_factory=dict)
    """What replaces entries of the grid, and `seeds`, where time is short."""

    @classmethod
    def parse(cls, name: str, text: str) -> Claim:
        """From TOML; raises `ConfigError` naming the file and what is wrong."""
        try:
            entries = tomllib.loads(text)
            checks = tuple(Check(**check) for check in entries.pop("checks"))
            return cls(name=name, checks=checks, **entries)
        except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
            raise ConfigError(f"claim {name}: {error}") from error

    @property
    def policies(self) -> list[str]:
        """All that must run."""
        names = itertools.chain.from_iterable((check.policy, check.to) for check in self.checks)
        return list(dict.fromkeys([YARDSTICK, *names]))

    def settings(self, is_quick: bool) -> list[Params]:
        """The grid, unrolled."""
        grid = self.grid | {name: v for name, v in self.quick.items() if name in self.grid}
        values = grid if is_quick else self.grid
        rows = itertools.product(*values.values())
        return [dict(zip(values, row, strict=True)) for row in rows]

    def num_seeds(self, is_quick: bool) -> int:
        """How many random instances of each setting."""
        return int(self.quick.get("seeds", self.seeds)) if is_quick else self.seeds


@dataclass(frozen=True)
class Measured:
    """One setting: mean latencies by policy, a value per seed; and how much fits at once.

    `params` are those of the grid, `requests` all of them.
    """

    params: Params
    requests: Params
    latencies: Mapping[str, list[float]]
    work_over_memory: float
    """n · E[s + o] ÷ M: 1 or less, and nobody need wait."""
    seconds_per_step: Mapping[str, list[float]] = field(default_factory=dict)
    """What a step of the simulator took, on this machine, with whatever else it did."""

    @property
    def inverse_alpha(self) -> float:
        """1/alpha = upper ÷ lower."""
        return float(self.requests["upper"] / self.requests["lower"])

    def ratios(self, policy: str, to: str = YARDSTICK) -> list[float]:
        """Seed by seed."""
        pairs = zip(self.latencies[policy], self.latencies[to], strict=True)
        return [mine / other for mine, other in pairs]

    def ratio(self, policy: str, to: str = YARDSTICK) -> float:
        """The mean over seeds."""
        return float(np.mean(self.ratios(policy, to)))


def measure(claim: Claim, params: Params, num_seeds: int) -> Measured:
    """Run all policies of a claim in one setting."""
    whole = _complete(claim.requests | params)
    memory = int(whole["kv_tokens"])
    latencies: dict[str, list[float]] = {policy: [] for policy in claim.policies}
    seconds: dict[str, list[float]] = {policy: [] for policy in claim.policies}
    work = []
    for seed in range(1, num_seeds + 1):
        trace = _requests(whole, seed)
        work.append(float((trace.num_prompt_tokens + trace.num_output_tokens).sum()) / memory)
        for policy in claim.policies:
            setting = Setting.paper(memory, policy, seed=seed)
            simulation = setting.engine().start(trace)
            start = time.perf_counter()
            simulation.finish()
            took = time.perf_counter() - start
            seconds[policy].append(took / max(simulation.num_steps, 1))
            latencies[policy].append(Run(setting, simulation).summary.mean_e2e_latency)
    return Measured(params, whole, latencies, float(np.mean(work)), seconds)


def _complete(params: Params) -> Params:
    """With what is given relative to others: upper, requests, memory, and the share that long."""
    whole = dict(params)
    if "upper_over_lower" in whole:
        whole["upper"] = round(whole["upper_over_lower"] * whole["lower"])
    if "num_over_upper" in whole:
        whole["num_requests"] = round(whole["num_over_upper"] * whole["upper"])
    if "kv_over_upper" in whole:
        whole["kv_tokens"] = round(whole["kv_over_upper"] * whole["upper"])
    if "long_work" in whole:
        # So many tokens of work in long requests for each request.
        whole["share_short"] = max(1 - whole["long_work"] / whole["upper"], 0.01)
    return whole


def _requests(params: Params, seed: int) -> Trace:
    family, n = params["family"], int(params["num_requests"])
    if family in FAMILIES:
        names = ("lower", "upper", "share_short", "prompt")
        return instance(family, n, seed=seed, **{k: params[k] for k in names if k in params})
    if family != LMSYS_LIKE:
        raise ConfigError(f"family: got {family!r}, allowed: {LMSYS_LIKE}, {', '.join(FAMILIES)}")
    return intervals(params["predicted"])(generate(LMSYS_LIKE, n, seed=seed), seed)
