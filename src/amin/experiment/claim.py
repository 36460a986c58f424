"""A claim of the paper as an experiment: what to run, and what would make it true.

A claim is a TOML file (see `amin/experiment/claims`): its words and their source, the requests, a
grid of settings, and checks. In each setting of the grid every policy runs on the requests of every
seed in the paper's unit-time model, and its mean latency is divided by that of `to`, by default
H-SF's, on the same requests.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from amin.errors import ConfigError
from amin.experiment.run import simulate
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
    bound               ``amax``: at most (1/a)(1 + 1/a)/2, the paper's upper bound for A_max
    """

    policy: str
    to: str = YARDSTICK
    at_most: float = math.inf
    at_least: float = 0.0
    grows: str = ""
    bound: str = ""

    def holds(self, measured: Measured) -> bool:
        """Whether it is so in one setting; `grows` is not about one."""
        limit = self.at_most
        if self.bound:
            limit = measured.inverse_alpha * (1 + measured.inverse_alpha) / 2
        return self.at_least <= measured.ratio(self.policy, self.to) <= limit


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
    work = []
    for seed in range(1, num_seeds + 1):
        trace = _requests(whole, seed)
        work.append(float((trace.num_prompt_tokens + trace.num_output_tokens).sum()) / memory)
        for policy in claim.policies:
            setting = Setting(memory, policy, seed=seed)
            latencies[policy].append(simulate(trace, setting).summary.mean_e2e_latency)
    return Measured(params, whole, latencies, float(np.mean(work)))


def _complete(params: Params) -> Params:
    """With what is given relative to `upper`: requests, memory, and the share that long."""
    whole = dict(params)
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
    return intervals(params["predicted"])(generate(LMSYS_LIKE, n, seed=seed))
