"""What an answer rests on: the server that was simulated, each part with where it is from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from amin.engine.step_time import StepTime
from amin.engine.vllm.versions import TESTED
from amin.experiment.setting import STEP_TIME, UNIT_TIME, Setting
from amin.workload.served import Served


class Assumption(NamedTuple):
    """A part of the server: its name, what it was taken to be, and why."""

    name: str
    value: str
    source: str


def assumed(setting: Setting, served: Served | None = None) -> list[Assumption]:
    """Everything about the server that a simulation of this setting rests on.

    `served` is what a log says of it, so that what is the log's is named as such.
    """
    config, blocks = setting.config, setting.config.num_blocks
    batch = f"{config.max_num_seqs:,} requests and {config.max_num_batched_tokens:,} tokens a step"
    is_default = setting.max_num_seqs is None and setting.max_num_batched_tokens is None
    by_default = "the paper's" if setting.is_unit_time else "vLLM's default"
    server = served.server if served else None

    def source(otherwise: str, *names: str) -> str:
        same = server and all(getattr(server, n) == getattr(setting, n) for n in names)
        return "the log" if same else otherwise

    return [
        _step_time(setting, served),
        Assumption(
            "KV memory",
            f"{setting.kv_tokens:,} tokens, {blocks:,} blocks of {config.block_size}",
            source("given", "kv_tokens", "block_size"),
        ),
        Assumption(
            "batch",
            "no limit" if setting.is_unit_time else batch,
            source(by_default if is_default else "given", "max_num_seqs", "max_num_batched_tokens"),
        ),
        Assumption(
            "prefix caching",
            _switch(config.enable_prefix_caching),
            source("vLLM's default is on", "enable_prefix_caching"),
        ),
        Assumption(
            "preemption", config.eviction, source("vLLM's default is recompute", "eviction")
        ),
        Assumption(
            "engine",
            "the paper's model"
            if setting.is_unit_time
            else f"decides as vLLM {_minor(TESTED[0])} to {_minor(TESTED[-1])}",
            "simulated",
        ),
    ]


def rests_on_a_guess(setting: Setting) -> bool:
    """Whether nobody has said how long a step takes on the server that is asked about."""
    return setting.step_time == STEP_TIME


def in_words(setting: Setting, served: Served | None = None) -> list[str]:
    """Two sentences; that nobody has said how long steps take comes first, and by itself."""
    step, *others = assumed(setting, served)
    rest = "; ".join(f"{one.name} {one.value}" for one in others)
    if not rests_on_a_guess(setting):
        return [f"Assumed: a step takes {step.value} ({step.source}); {rest}."]
    return [
        f"Assumed, since nothing else was said: a step takes {step.value}. That is no GPU's in "
        "particular, and all loads and seconds follow from it: say yours with --step-time.",
        f"Assumed, too: {rest}.",
    ]


def _step_time(setting: Setting, served: Served | None) -> Assumption:
    fit = served.steps.fit() if served else None
    source = "the default, no GPU's in particular" if rests_on_a_guess(setting) else "given"
    if setting.step_time == UNIT_TIME:
        source = "the paper's"
    elif isinstance(setting.step_time, str) and Path(setting.step_time).is_file():
        source = setting.step_time
    elif fit and isinstance(setting.step_time, StepTime) and setting.step_time.points == fit.points:
        source = f"the log, {fit.num_steps:,} steps, explained to within {fit.residual:.0%}"
    return Assumption("step time", _time_in_words(setting.config.step_time), source)


def _time_in_words(time: StepTime) -> str:
    if time.points:
        (fewest, first), (most, last) = time.points[0], time.points[-1]
        said = f"{_seconds(first)} for {fewest:,g} tokens to {_seconds(last)} for {most:,g}"
    else:
        said = _seconds(time.seconds_per_step)
        if time.seconds_per_token:
            said += f" and {_seconds(time.seconds_per_token)} for each token computed"
    if time.seconds_per_kv_token:
        said += f" and {_seconds(time.seconds_per_kv_token)} for each token in memory"
    return said


def _seconds(seconds: float) -> str:
    for least, size, unit in ((1, 1.0, "s"), (1e-3, 1e-3, "ms"), (0, 1e-6, "us")):
        if seconds >= least:
            return f"{seconds / size:.3g} {unit}"
    raise AssertionError("a time is never negative")


def _switch(is_on: bool) -> str:
    return "on" if is_on else "off"


def _minor(version: str) -> str:
    return version.rsplit(".", 1)[0]
