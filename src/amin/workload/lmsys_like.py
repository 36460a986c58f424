"""Requests like those of LMSYS-Chat-1M: short prompts, replies of 2-511 tokens, Poisson arrivals.

Reply lengths and predicted classes come together, either from a CSV of real ones (columns
output_token_length and predicted_length, as published with SSJF, Qiu et al., arXiv 2404.08509), or
from a table of quantiles per predicted class that was measured on that file and ships with amin.
Prompt lengths are lognormal: median 28 tokens, sigma 1.36, cap 660.
"""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from amin.arrays import Ints
from amin.errors import ConfigError
from amin.workload.trace import Trace

NOMINAL_FLOORS = (2, 42, 141, 294, 503)
"""Lowest length of each class by its definition (the cut points of SSJF's classifier)."""

_CLASS_NAMES = np.array([str(c) for c in range(len(NOMINAL_FLOORS))], np.object_)

MAX_TOKENS = 511


@dataclass(frozen=True)
class Replies:
    """Pairs of a true reply length in tokens and the class (0-4) that a real BERT predicted."""

    lengths: Ints
    classes: Ints

    def __len__(self) -> int:
        return len(self.lengths)

    def halves(self) -> tuple[Replies, Replies]:
        """The even rows and the odd rows: one to run, the other to measure class bounds on."""
        return (
            Replies(self.lengths[::2], self.classes[::2]),
            Replies(self.lengths[1::2], self.classes[1::2]),
        )

    def class_quantiles(self, q: float) -> tuple[int, ...]:
        """The q-quantile of the true length in each predicted class, rounded down, at least 1."""
        return tuple(
            max(int(np.quantile(self.lengths[self.classes == c], q)), 1)
            for c in range(len(NOMINAL_FLOORS))
        )


def read_replies(path: Path) -> Replies:
    """Read the CSV (gzip allowed); raises `ConfigError` naming file, row, column and value."""
    lengths: list[int] = []
    classes: list[int] = []
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            for column, into, allowed in (
                ("output_token_length", lengths, range(1, 10**9)),
                ("predicted_length", classes, range(len(NOMINAL_FLOORS))),
            ):
                value = row.get(column) or ""
                number_read = int(value) if value.isdecimal() else -1
                if number_read not in allowed:
                    raise ConfigError(
                        f"{path}: row {number}: {column}: got {value!r}, "
                        f"allowed: {allowed.start} to {allowed.stop - 1}"
                    )
                into.append(number_read)
    if not lengths:
        raise ConfigError(f"{path}: no rows")
    return Replies(np.array(lengths), np.array(classes))


def class_table() -> tuple[list[float], list[list[int]]]:
    """(share of each predicted class, quantiles of its true lengths from 0 to 1), as shipped."""
    text = resources.files("amin.workload").joinpath("lmsys_like.json").read_text("utf-8")
    table = json.loads(text)
    return table["class_share"], table["length_quantiles"]


def embedded_replies(num_replies: int, seed: int) -> Replies:
    """Draw pairs from the shipped table: a class by its share, a length by its quantiles."""
    shares, tables = class_table()
    rng = np.random.default_rng(seed)
    classes = rng.choice(len(NOMINAL_FLOORS), size=num_replies, p=shares)
    levels = np.linspace(0.0, 1.0, len(tables[0]))
    uniform = rng.random(num_replies)
    lengths = np.empty(num_replies, np.int64)
    for c, quantiles in enumerate(tables):
        chosen = classes == c
        lengths[chosen] = np.interp(uniform[chosen], levels, quantiles).round()
    return Replies(lengths, classes)


def lmsys_like(
    replies: Replies,
    *,
    num_requests: int,
    requests_per_second: float,
    seed: int,
    class_priorities: bool = False,
    max_tokens: int = MAX_TOKENS,
) -> Trace:
    """A Poisson stream of requests whose reply and predicted class are drawn from `replies`.

    `requests_per_second` may be infinite: then all arrive at 0. With `class_priorities` the
    predicted class is the request's priority too, as a gateway would set it for vLLM's own policy.
    """
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(replies), num_requests)
    prompts = np.minimum(rng.lognormal(np.log(28.0), 1.36, num_requests), 660).round()
    arrivals = np.cumsum(rng.exponential(1.0, num_requests)) / requests_per_second
    lengths, classes = replies.lengths[rows], replies.classes[rows]
    trace = Trace.of_lengths(np.maximum(prompts, 1), np.minimum(lengths, max_tokens), arrivals)
    return replace(
        trace,
        max_tokens=np.full(num_requests, max_tokens),
        priority=classes if class_priorities else trace.priority,
        predicted_class=_CLASS_NAMES[classes],
    )
