"""Workloads that need no file: lengths like those of public traces, arrivals of a chosen kind.

The lengths come from tables that ship with amin (`scripts/length_tables.py` makes them): one of 64
equal slices of the trace's prompts, of each the mean, and one of the replies to prompts in that
fifth.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from amin.arrays import Floats
from amin.errors import ConfigError, UnknownNameError
from amin.workload.agents import agents
from amin.workload.lmsys_like import NOMINAL_FLOORS, embedded_replies, lmsys_like
from amin.workload.templates import with_templates
from amin.workload.trace import Trace
from amin.workload.turns import as_conversations

LMSYS_LIKE = "lmsys-like"
TEMPLATES = "templates"
TEMPLATE_SIZES, TEMPLATE_SHARE = (256, 512, 1024, 2048, 4096), 0.6
"""Tokens of the templates of which one is in front of so many of the requests."""

SESSIONS, AGENTS, OUTLIERS = "sessions", "agents", "outliers"
OUTLIER_EVERY, OUTLIER_TOKENS = 250, 4000
"""One reply in so many is so long, in tokens."""


@cache
def _tables() -> dict[str, Any]:
    text = resources.files("amin.workload").joinpath("lengths.json").read_text("utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def names() -> list[str]:
    """The workloads that `generate` knows."""
    return [LMSYS_LIKE, TEMPLATES, SESSIONS, AGENTS, OUTLIERS, *_tables()]


def generate(
    name: str, num_requests: int, *, seed: int, rate: float = math.inf, arrivals: str = "poisson"
) -> Trace:
    """`num_requests` requests like those of `name`, arriving at `rate` per second.

    ``templates`` is ``lmsys-like``, six of ten requests behind one of five templates
    (`amin.workload.templates`), the shorter ones more often: for runs with prefix caching; so are
    ``sessions``, its questions as turns of conversations (`amin.workload.turns`), and ``agents``
    (`amin.workload.agents`). ``outliers`` is ``lmsys-like`` with one reply in 250 of 4,000 tokens.
    `arrivals` is as for `arrival_times`. LMSYS-like requests come with the class that a real
    classifier predicted, also as their priority, and with that class's bounds: its lowest length by
    definition, which a fifth of its replies undercut, and its 95 % quantile. Raises `ConfigError`,
    naming field, value and what is allowed.
    """
    if num_requests < 1:
        raise ConfigError(f"num_requests: got {num_requests}, allowed: >= 1")
    times = arrival_times(num_requests, rate, arrivals, seed)
    if name == LMSYS_LIKE:
        replies = embedded_replies(max(num_requests, 20_000), seed)
        trace = lmsys_like(
            replies,
            num_requests=num_requests,
            requests_per_second=math.inf,
            seed=seed,
            class_priorities=True,
        )
        classes = trace.predicted_class.astype(int)
        lower, upper = np.array(NOMINAL_FLOORS), np.array(replies.class_quantiles(0.95))
        return replace(trace, arrival_time=times, lower=lower[classes], upper=upper[classes])
    if name in (TEMPLATES, SESSIONS, OUTLIERS):
        plain = generate(LMSYS_LIKE, num_requests, seed=seed, rate=rate, arrivals=arrivals)
        return _changed(plain, name, seed)
    if name == AGENTS:
        return agents(num_requests, times, seed)
    if name not in _tables():
        raise UnknownNameError("workload", name, names())
    table = _tables()[name]
    rng = np.random.default_rng(seed)
    if "clients" in table:
        return _by_client(table["clients"], rng, times)
    prompts, outputs = np.array(table["num_prompt_tokens"]), np.array(table["num_output_tokens"])
    at = rng.random(num_requests)
    prompt = prompts[(at * len(prompts)).astype(int)]
    slot = rng.integers(0, outputs.shape[1], num_requests)
    return Trace.of_lengths(prompt, outputs[(at * len(outputs)).astype(int), slot], times)


def _changed(chat: Trace, name: str, seed: int) -> Trace:
    """Chat with templates before it, in turns, or with long replies among the others."""
    if name == TEMPLATES:
        sizes = np.array(TEMPLATE_SIZES)
        return with_templates(chat, sizes, seed, share=TEMPLATE_SHARE, skew=1.0)
    if name == SESSIONS:
        return as_conversations(chat, seed)
    is_long = np.arange(len(chat)) % OUTLIER_EVERY == OUTLIER_EVERY // 2
    return replace(
        chat,
        num_output_tokens=np.where(is_long, OUTLIER_TOKENS, chat.num_output_tokens),
        max_tokens=np.maximum(chat.max_tokens, OUTLIER_TOKENS),
    )


def _by_client(clients: list[dict[str, Any]], rng: np.random.Generator, times: Floats) -> Trace:
    """Requests of clients that differ; of one client, prompt and reply are independent."""
    shares = np.array([client["share"] for client in clients])
    whose = rng.choice(len(clients), len(times), p=shares / shares.sum())
    at = rng.random((2, len(times)))
    prompt, output = np.ones((2, len(times)), np.int64)
    for number, client in enumerate(clients):
        mine = whose == number
        for lengths, column, place in (
            (prompt, "num_prompt_tokens", at[0, mine]),
            (output, "num_output_tokens", at[1, mine]),
        ):
            slices = np.array(client[column])
            lengths[mine] = slices[(place * len(slices)).astype(int)]
    trace = Trace.of_lengths(prompt, output, times)
    return replace(trace, client=whose.astype(str).astype(np.object_))


def arrival_times(num_requests: int, rate: float, kind: str, seed: int) -> Floats:
    """Seconds of so many arrivals at `rate` per second.

    poisson     independent of each other
    gamma:CV    in bursts: gaps with that coefficient of variation (1 is poisson)
    batch       all at 0, as at an infinite rate
    """
    if not rate > 0:
        raise ConfigError(f"rate: got {rate}, allowed: > 0 requests per second")
    kind, _, text = kind.partition(":")
    rng = np.random.default_rng([seed, 1])
    if kind == "batch" or math.isinf(rate):
        return np.zeros(num_requests)
    if kind == "poisson" and not text:
        return np.cumsum(rng.exponential(1.0, num_requests)) / rate
    try:
        cv = float(text)
    except ValueError:
        cv = math.nan
    if kind != "gamma" or not 0 < cv < math.inf:
        got = f"{kind}:{text}" if text else kind
        raise ConfigError(f"arrivals: got {got!r}, allowed: poisson, gamma:CV (CV > 0) or batch")
    shape = 1 / cv**2
    return np.cumsum(rng.gamma(shape, 1 / shape, num_requests)) / rate
