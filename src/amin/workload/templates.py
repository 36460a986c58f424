"""Prompts that begin alike: templates (system prompts, few-shot examples) in front of others.

A prefix cache then holds what many requests share, so that of such a prompt only the rest is
computed, and only the rest takes memory of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amin.arrays import Ints
from amin.errors import ConfigError
from amin.workload.hashed_prompt import UNIT, part_of
from amin.workload.trace import Trace


def with_templates(
    trace: Trace, sizes: Ints, seed: int, *, share: float = 1.0, skew: float = 0.0
) -> Trace:
    """The same requests, a `share` of them behind templates of these sizes, in tokens.

    Template k is in front of a request with a probability that falls as (k + 1)^-`skew`. All else
    of a prompt is its own, and longer by the template; sizes are rounded to whole units. Raises
    `ConfigError` naming field, value and what is allowed.
    """
    sizes = np.asarray(sizes, np.int64) // UNIT * UNIT
    if not len(sizes) or (sizes < UNIT).any():
        raise ConfigError(f"sizes: got {sizes.tolist()}, allowed: one or more, each >= {UNIT}")
    if not 0 < share <= 1:
        raise ConfigError(f"share: got {share}, allowed: 0 < share <= 1")
    rng = np.random.default_rng([seed, 2])
    weights = np.arange(1, len(sizes) + 1) ** -float(skew)
    which = rng.choice(len(sizes), len(trace), p=weights / weights.sum())
    which[rng.random(len(trace)) >= share] = -1
    prefix = np.where(which >= 0, sizes[which], 0)
    prompts = np.empty(len(trace), np.object_)
    for i, (template, own) in enumerate(
        zip(which.tolist(), trace.num_prompt_tokens.tolist(), strict=True)
    ):
        shared = int(prefix[i])
        prompts[i] = part_of(len(sizes) + i, 0, shared + own, template=template, num_shared=shared)
    return replace(
        trace, num_prompt_tokens=trace.num_prompt_tokens + prefix, prompt_token_ids=prompts
    )
