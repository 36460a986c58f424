"""Instances of the paper's analysis: one interval [lower, upper] for all, all at time 0.

The families are named in secondary sources of arXiv 2508.14544 and not defined there: what is here
is our reading. All prompts are equally long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from amin.arrays import Ints
from amin.errors import ConfigError, UnknownNameError
from amin.workload.trace import Trace


def two_point(lower: int, upper: int, share_short: float, rng: np.random.Generator, n: int) -> Ints:
    """`lower` with probability `share_short`, else `upper`."""
    return np.where(rng.random(n) < share_short, lower, upper)


def geometric(lower: int, upper: int, share_short: float, rng: np.random.Generator, n: int) -> Ints:
    """lower + k with probability falling by (1 - share_short) with each k, cut at `upper`."""
    return np.minimum(lower - 1 + rng.geometric(share_short, n), upper)


def linear_geometric(
    lower: int, upper: int, share_short: float, rng: np.random.Generator, n: int
) -> Ints:
    """As geometric, each length's probability weighted by its place: 1, 2, 3, ..."""
    # The sum of two geometrics less one has just these weights: k p^2 (1 - p)^(k - 1).
    twice = rng.geometric(share_short, n) + rng.geometric(share_short, n)
    lengths: Ints = np.minimum(lower - 2 + twice, upper)
    return lengths


def inverse_tail(
    lower: int, upper: int, share_short: float, rng: np.random.Generator, n: int
) -> Ints:
    """Longer than t with probability (1 - share_short) · lower/t, at least `lower`; longest first.

    Of all distributions, this shape makes A_max worst against H-SF when memory is short and many
    wait: A_max serves equal intervals in the order of arrival and holds `upper` for each, so its
    total grows with the mean of the longer of two replies, H-SF's with the mean square of the
    shorter; (1 - share_short) = 1/sqrt(2 ln(upper/lower)) makes their quotient largest.
    """
    tail = 1 - share_short
    draws = np.maximum(rng.random(n), 1e-12)
    lengths = np.where(draws < tail, lower * tail / draws, lower)
    ordered: Ints = np.sort(np.clip(np.round(lengths), lower, upper).astype(np.int64))[::-1]
    return ordered


FAMILIES: dict[str, Callable[[int, int, float, np.random.Generator, int], Ints]] = {
    "two-point": two_point,
    "geometric": geometric,
    "linear-geometric": linear_geometric,
    "inverse-tail": inverse_tail,
}


def instance(
    family: str,
    num_requests: int,
    *,
    seed: int,
    lower: int,
    upper: int,
    share_short: float,
    prompt: int = 1,
) -> Trace:
    """`num_requests` of a family; raises `ConfigError` naming field, value and what is allowed."""
    if family not in FAMILIES:
        raise UnknownNameError("family", family, FAMILIES)
    if not 1 <= lower <= upper:
        raise ConfigError(f"lower, upper: got {lower}, {upper}, allowed: 1 <= lower <= upper")
    if not 0 < share_short <= 1:
        raise ConfigError(f"share_short: got {share_short}, allowed: 0 < share <= 1")
    rng = np.random.default_rng(seed)
    output = FAMILIES[family](lower, upper, share_short, rng, num_requests)
    trace = Trace.of_lengths(np.full(num_requests, prompt), output, np.zeros(num_requests))
    cap = np.full(num_requests, upper)
    return replace(trace, lower=np.full(num_requests, lower), upper=cap, max_tokens=cap)
