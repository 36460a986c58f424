"""How a file of traffic is to be read, and what was understood of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amin.errors import ConfigError
from amin.workload.served import Served
from amin.workload.trace import Trace

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""What a unit of time is in seconds."""

NAMES = (
    "arrival_time",
    "num_prompt_tokens",
    "num_output_tokens",
    "max_tokens",
    "lower",
    "upper",
    "priority",
    "request_id",
    "predicted_class",
    "client",
)
"""The columns that a table of requests may have, by amin's names."""

SHORTEST, LONGEST = 1e-3, 10 * 366 * 86_400.0
"""Seconds from the first request to the last: outside of that the unit must have been another."""

MOST_TOKENS = 1_000_000_000
"""Of a prompt: more are a time or an id that was taken for tokens."""


@dataclass(frozen=True)
class Reading:
    """What the user says of a file that does not say it itself.

    skip_broken      leave out what cannot be read, and say how much
    columns          pairs of one of `NAMES` and what the file calls it
    unit             of the times of arrival, one of `SECONDS`; None: what the format says
    hash_block_size  prompt tokens that a hash stands for; None: what the format says
    run              of a file with several runs of a benchmark, this one, from 1 on
    """

    skip_broken: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    unit: str | None = None
    hash_block_size: int | None = None
    run: int | None = None

    def __post_init__(self) -> None:
        for name, _ in self.columns:
            if name not in NAMES:
                raise ConfigError(f"columns: got {name!r}, allowed: {', '.join(NAMES)}, unit")
        if self.unit is not None and self.unit not in SECONDS:
            raise ConfigError(f"columns: unit: got {self.unit!r}, allowed: {', '.join(SECONDS)}")
        for name in ("hash_block_size", "run"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}: got {value}, allowed: an integer >= 1")

    @classmethod
    def of(
        cls,
        columns: str | None = None,
        skip_broken: bool = False,
        hash_block_size: int | None = None,
        run: int | None = None,
    ) -> Reading:
        """From a command line: `columns` as ``arrival_time=ts,num_prompt_tokens=in,unit=ms``."""
        pairs = [pair.partition("=") for pair in (columns or "").split(",") if pair.strip()]
        for name, equals, theirs in pairs:
            if not equals or not theirs.strip():
                raise ConfigError(f"columns: got {name!r}, allowed: NAME=COLUMN,...[,unit=ms]")
        said = {name.strip(): theirs.strip() for name, _, theirs in pairs}
        unit = said.pop("unit", None)
        return cls(skip_broken, tuple(said.items()), unit, hash_block_size, run)


AS_IT_SAYS = Reading()
"""Nothing is said beside what the file says."""


@dataclass(frozen=True)
class Understood:
    """What a file was taken for: a trace, the format, and what else there is to say.

    `left_out` counts, by reason, what of the file is not in the trace. `served` is the server that
    wrote it down, where that says what it was.
    """

    trace: Trace
    format: str
    left_out: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    served: Served | None = None

    def __str__(self) -> str:
        """Like ``Azure: 7,412 requests over 58 min, 2.1/s, prompts of 12-8,104 tokens, ...``."""
        trace = self.trace
        prompts, replies = trace.num_prompt_tokens, trace.num_output_tokens
        parts = [
            f"{self.format}: {len(trace):,} requests {self._when()}, prompts of {_range(prompts)} "
            f"tokens, replies of {_range(replies)}"
        ]
        parts += [f"{count:,} left out: {reason}" for reason, count in self.left_out]
        return "; ".join([*parts, *self.notes])

    def _when(self) -> str:
        times = self.trace.arrival_time
        span = float(times[-1] - times[0])
        if not span:
            return "all at once"
        return f"over {in_words(span)}, {(len(times) - 1) / span:.2g}/s"


def check(understood: Understood, where: str) -> Understood:
    """The same; raises `ConfigError` where what was understood cannot be meant."""
    trace = understood.trace
    span = float(trace.arrival_time[-1] - trace.arrival_time[0])
    if 0 < span < SHORTEST or span > LONGEST:
        raise ConfigError(
            f"{where}: taken for {understood.format}, {len(trace):,} requests come within "
            f"{in_words(span)}; allowed: between 1 ms and ten years. Say the unit of the times: "
            "--columns unit=s, ms, us or ns"
        )
    most = int(trace.num_prompt_tokens.max())
    if most > MOST_TOKENS:
        raise ConfigError(
            f"{where}: num_prompt_tokens: got {most:,}, allowed: at most {MOST_TOKENS:,}. Is that "
            "a column of tokens?"
        )
    return understood


def in_words(seconds: float) -> str:
    """As ``350 ms``, ``12 s``, ``58 min``, ``7 h`` or ``9 days``."""
    for least, size, unit in (
        (2 * 86_400, 86_400, "days"),
        (2 * 3_600, 3_600, "h"),
        (120, 60, "min"),
        (1, 1, "s"),
    ):
        if seconds >= least:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1000:.3g} ms"


def _range(values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    least, most = int(values.min()), int(values.max())
    return f"{least:,}" if least == most else f"{least:,}-{most:,}"
