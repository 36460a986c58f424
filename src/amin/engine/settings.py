"""Settings that every engine has, and what they may be. Imports nothing that takes time."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from amin.errors import ConfigError

DEFAULT_POLICY = "expected-volume"
"""Of servers and of what is simulated for them."""

FORECAST_FLOOR = 15
"""Tokens that every request is forecast to make at least, with a paged cache; the paper's step is
one. docs/design.md has the sweep."""

SWAPPED_FLOOR = 1
"""The same where what a preempted request held is copied out and in again: to leave costs so little
that memory kept free against it costs more."""

LOOKUPS_PER_STEP = 8
"""Prompts that wait of which, in turn, each step looks up what the prefix cache holds."""

READING_PACE = 10.0
"""Tokens that a reader takes in a second: some seven words, faster than most people read."""

TAIL_PROMISE = 1.0
"""The default of servers: nobody takes longer than FCFS would have made the worst-off take. Of .8,
.9, 1.0, ... it is also the largest whose 99th percentile is not above stock FCFS's on the workloads
of `benchmarks/flagship.py`."""


def forecast_floor_of(floor: int | None, swaps: bool) -> int:
    """The floor that is set; where none is, the default, by whether preemption swaps."""
    return floor if floor is not None else SWAPPED_FLOOR if swaps else FORECAST_FLOOR


def check_forecast_floor(floor: int | None) -> None:
    """Raise `ConfigError` unless it is None (the default) or an integer >= 1."""
    is_integer = isinstance(floor, int) and not isinstance(floor, bool)
    if floor is not None and not (is_integer and floor >= 1):
        raise ConfigError(f"forecast_floor: got {floor!r}, allowed: an integer >= 1")


class Label(NamedTuple):
    """``NAME[@WATERMARK][+TAIL_PROMISE][~STREAM_PROMISE]`` in parts, None where it says none.

    How a policy with its promises is named in one word: ``amin-dynamic+1~10``.
    """

    policy: str
    watermark: str | None
    tail_promise: str | None
    stream_promise: str | None

    @classmethod
    def of(cls, text: str) -> Label:
        """The parts, not yet looked at."""
        rest, has_stream, stream = text.partition("~")
        name, has_tail, tail = rest.partition("+")
        policy, has_watermark, watermark = name.partition("@")
        return cls(
            policy,
            watermark if has_watermark else None,
            tail if has_tail else None,
            stream if has_stream else None,
        )

    @property
    def promises(self) -> dict[str, Any]:
        """Both promises, by the names that engines have for them; off where it says none.

        Raises `ConfigError` for what is no promise.
        """
        return {
            "tail_promise": parse_tail_promise(self.tail_promise or "off"),
            "stream_promise": parse_stream_promise(self.stream_promise or "off"),
        }


def parse_tail_promise(text: str) -> float | None:
    """A number, or ``off``; raises `ConfigError` for anything else."""
    promise: float | None = _off_or_number(text)
    check_tail_promise(promise)
    return promise


def _off_or_number(text: str) -> Any:
    """None for ``off``, else the number; of anything else the text, which no check lets pass."""
    try:
        return None if text == "off" else float(text)
    except ValueError:
        return text


def promise_in_words(promise: float | None) -> str:
    """A tail promise or a stream promise, as `parse_tail_promise` and its like read it."""
    return "off" if promise is None else f"{promise:g}"


def check_tail_promise(promise: float | None) -> None:
    """Raise `ConfigError` unless it is None (off) or a finite number >= 0."""
    is_number = isinstance(promise, int | float) and not isinstance(promise, bool)
    if promise is not None and not (is_number and 0 <= promise < math.inf):
        raise ConfigError(f"tail_promise: got {promise!r}, allowed: off or a number >= 0")


def parse_stream_promise(text: str) -> float | None:
    """A pace in tokens per second, or ``off``; raises `ConfigError` for anything else."""
    pace: float | None = _off_or_number(text)
    check_stream_promise(pace)
    return pace


def check_stream_promise(pace: float | None) -> None:
    """Raise `ConfigError` unless it is None (off) or a finite number > 0."""
    is_number = isinstance(pace, int | float) and not isinstance(pace, bool)
    if pace is not None and not (is_number and 0 < pace < math.inf):
        raise ConfigError(
            f"stream_promise: got {pace!r}, allowed: off or a number of tokens per second > 0"
        )


UNITS = {"ms": 0.001, "s": 1.0, "": 1.0}


def parse_ttft_target(text: str) -> float | None:
    """Seconds, as in ``2``, ``2s`` or ``500ms``, or ``off``; `ConfigError` for anything else."""
    number = text.rstrip("ms")
    seconds: Any = _off_or_number(number if text[len(number) :] in UNITS else text)
    if isinstance(seconds, float):
        seconds *= UNITS[text[len(number) :]]
    check_ttft_target(text if isinstance(seconds, str) else seconds)
    return None if seconds is None else float(seconds)


def check_ttft_target(seconds: Any) -> None:
    """Raise `ConfigError` unless it is None (off) or a finite number > 0."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 < seconds < math.inf):
        raise ConfigError(f"ttft_target: got {seconds!r}, allowed: off or seconds > 0")


FAIR_SHARES = ("client",)
"""Between whom the server may be shared fairly."""


def parse_fair_share(text: str) -> str | None:
    """One of `FAIR_SHARES`, or ``off``; raises `ConfigError` for anything else."""
    between = None if text == "off" else text
    check_fair_share(between)
    return between


def check_fair_share(between: Any) -> None:
    """Raise `ConfigError` unless it is None (off) or one of `FAIR_SHARES`."""
    if between is not None and between not in FAIR_SHARES:
        raise ConfigError(f"fair_share: got {between!r}, allowed: off or {', '.join(FAIR_SHARES)}")


SCHEDULING_POLICIES = "fcfs", "priority"
"""vLLM's own. With ``priority``, a request's priority comes before the order of any policy."""


def check_batch(max_num_batched_tokens: int, max_num_seqs: int) -> None:
    """Raise `ConfigError` where a batch has no token for each request in it, as vLLM wants it."""
    if max_num_batched_tokens < max_num_seqs:
        raise ConfigError(
            f"max_num_batched_tokens: got {max_num_batched_tokens}, "
            f"allowed: >= max_num_seqs ({max_num_seqs})"
        )


def check_scheduling_policy(name: str) -> None:
    """Raise `ConfigError` unless it is one of vLLM's."""
    if name not in SCHEDULING_POLICIES:
        allowed = " or ".join(SCHEDULING_POLICIES)
        raise ConfigError(f"scheduling_policy: got {name!r}, allowed: {allowed}")
