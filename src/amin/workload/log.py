"""A server's log, as amin writes it or anybody else: JSON lines, a request each, when it ended.

``num_output_tokens`` is all that is needed, and ``prompt`` or ``messages`` (as in OpenAI's API)
where a predictor is to be trained on texts. Understood beside: ``arrival_time`` (seconds),
``num_prompt_tokens`` (else estimated from the text), ``max_tokens``, ``is_cut`` (the reply would
have gone on), ``predicted_class``, ``client``, ``model``, ``priority``, and ``prompt_hashes`` with
``hashed_tokens``: a number for each so many tokens of the prompt, the same wherever all tokens up
to there are; ``e2e_latency`` (seconds). Other fields are left alone. Two kinds of line are no
requests: what the server was, and how long its steps took (`amin.workload.served`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amin.arrays import Ints
from amin.errors import ConfigError
from amin.prompt_text import prompt_text
from amin.workload.files import MAX_ROWS, opened
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.row import num_tokens
from amin.workload.served import Served, Server
from amin.workload.served_steps import ServedSteps
from amin.workload.trace import Texts, Trace, as_objects

_LONGEST_LINE = 2**24


@dataclass(frozen=True, slots=True)
class _Row:
    arrival_time: float
    num_prompt_tokens: int
    num_output_tokens: int
    max_tokens: int | None
    is_cut: bool
    priority: int
    predicted_class: str | None
    client: str | None
    model: str | None
    prompt: str | None
    prompt_token_ids: HashedPrompt | tuple[()]
    e2e_latency: float


@dataclass(frozen=True)
class Log:
    """What was read: the requests in the order of arrival, and of each whether the reply was cut.

    A reply that was cut has one token more in `trace` than was made of it, and a cap where it was
    cut. `model` names who replied, "" where the log does not; `num_broken` lines were skipped.
    `served` is the server that wrote the log last, with the steps that it took; None where somebody
    else wrote it.
    """

    trace: Trace
    is_cut: npt.NDArray[np.bool_]
    model: Texts
    num_broken: int
    served: Served | None = None

    @property
    def num_made(self) -> Ints:
        """Tokens that were made of each reply."""
        return self.trace.num_output_tokens - self.is_cut


def is_log(start: str) -> bool:
    """Whether a file that starts so is one."""
    # Any of its first lines: the very first may be broken.
    marks = '"num_output_tokens"', '{"server": '
    return any(x.startswith("{") and any(m in x for m in marks) for x in start.split("\n"))


def read_log(path: Path, skip_broken: bool = False) -> Log:
    """Read and check; raises `ConfigError` naming file, line, field and value.

    Broken lines are counted, and skipped only where that is asked for.
    """
    rows: list[_Row] = []
    server, steps = None, ServedSteps()
    num_lines, num_broken, first = 0, 0, ""
    with opened(path) as file:
        while line := file.readline(_LONGEST_LINE):
            num_lines += 1
            if num_lines > MAX_ROWS:
                raise ConfigError(f"{path}: more than {MAX_ROWS:,} lines, allowed: so many at most")
            try:
                entry = _entry(line)
                if "server" in entry:
                    read = Server.parse(_object(entry["server"]))
                    # The steps of another server say nothing of this one.
                    steps = steps if read == server else ServedSteps()
                    server = read
                elif "steps" in entry:
                    steps.merge(_object(entry["steps"]))
                elif entry or line.strip():
                    rows.append(_row(entry))
            except ConfigError as error:
                num_broken += 1
                first = first or f"line {num_lines}: {error}"
    if num_broken and not skip_broken:
        raise ConfigError(
            f"{path}: {first} ({num_broken:,} of {num_lines:,} lines are broken; "
            "--skip-broken leaves them out)"
        )
    if not rows:
        raise ConfigError(f"{path}: no lines that can be read, allowed: one request per line")
    rows.sort(key=lambda row: row.arrival_time)
    took = np.array([row.e2e_latency for row in rows])
    return _log(rows, num_broken, Served(server, steps, took) if server else None)


def _log(rows: list[_Row], num_broken: int, served: Served | None) -> Log:
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields(_Row)}
    is_cut = np.array(columns["is_cut"], bool)
    made = np.maximum(np.array(columns["num_output_tokens"], np.int64), 1)
    longest = int(made.max())
    cap = np.array([cap or longest for cap in columns["max_tokens"]], np.int64)
    cap = np.where(is_cut, made, np.maximum(cap, made))
    time = np.array(columns["arrival_time"], np.float64)

    def texts(name: str) -> Texts:
        has_any = any(value is not None for value in columns[name])
        return np.array(columns[name] if has_any else [], np.object_)

    zero = np.zeros(len(rows), np.int64)
    trace = Trace(
        arrival_time=time - time[0],
        num_prompt_tokens=np.array(columns["num_prompt_tokens"], np.int64),
        num_output_tokens=made + is_cut,
        max_tokens=cap,
        lower=zero,
        upper=zero,
        priority=np.array(columns["priority"], np.int64),
        request_id=np.empty(0, np.object_),
        predicted_class=texts("predicted_class"),
        client=texts("client"),
        prompt=texts("prompt"),
        prompt_token_ids=as_objects(columns["prompt_token_ids"]),
    )
    model = np.array([name or "" for name in columns["model"]], np.object_)
    return Log(trace, is_cut, model, num_broken, served)


def _entry(line: str) -> dict[str, Any]:
    """The object of a line, an empty one of an empty line."""
    if not line.strip():
        return {}
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON ({error})") from error
    return _object(entry)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"got a {type(value).__name__}, allowed: an object")
    return value


def _row(entry: dict[str, Any]) -> _Row:
    """One request."""
    prompt = prompt_text(entry)
    estimated = None if prompt is None else num_tokens(prompt)
    num_prompt_tokens = _count(entry, "num_prompt_tokens", 1, estimated)
    if num_prompt_tokens is None:
        raise ConfigError("num_prompt_tokens: missing, allowed: an integer >= 1, or a prompt")
    num_output_tokens = _count(entry, "num_output_tokens", 0)
    if num_output_tokens is None:
        raise ConfigError("num_output_tokens: missing, allowed: an integer >= 0")
    is_cut = entry.get("is_cut", False)
    if type(is_cut) is not bool:
        raise ConfigError(f"is_cut: got {is_cut!r:.60}, allowed: true or false")
    return _Row(
        arrival_time=_seconds(entry, "arrival_time", 0.0),
        num_prompt_tokens=num_prompt_tokens,
        num_output_tokens=num_output_tokens,
        max_tokens=_count(entry, "max_tokens", 1),
        is_cut=is_cut,
        priority=_count(entry, "priority", -(2**62), 0) or 0,
        predicted_class=_text(entry, "predicted_class"),
        client=_text(entry, "client"),
        model=_text(entry, "model"),
        prompt=prompt,
        prompt_token_ids=_hashed(entry, num_prompt_tokens),
        e2e_latency=_seconds(entry, "e2e_latency", math.nan),
    )


def _seconds(entry: dict[str, Any], name: str, otherwise: float) -> float:
    value: Any = entry.get(name)
    if name not in entry:
        return otherwise
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ConfigError(f"{name}: got {value!r:.60}, allowed: seconds >= 0")
    return float(value)


def _count(
    entry: dict[str, Any], name: str, least: int, otherwise: int | None = None
) -> int | None:
    value = entry.get(name)
    if value is None:
        return otherwise
    if type(value) is not int or not least <= value < 2**53:
        raise ConfigError(f"{name}: got {value!r:.60}, allowed: an integer >= {least}")
    return value


def _text(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{name}: got {value!r:.60}, allowed: a text")
    return value


def _hashed(entry: dict[str, Any], length: int) -> HashedPrompt | tuple[()]:
    hashes = entry.get("prompt_hashes") or []
    if not isinstance(hashes, list) or any(type(value) is not int for value in hashes):
        raise ConfigError(f"prompt_hashes: got {hashes!r:.60}, allowed: a list of integers")
    if not hashes:
        return ()
    size = _count(entry, "hashed_tokens", 1)
    if size is None:
        raise ConfigError("hashed_tokens: missing, allowed: an integer >= 1")
    # A last part that is not full has no hash: it is like no other.
    if len(hashes) == length // size and length % size:
        hashes = [*hashes, -1 - hash((tuple(hashes), length)) % 2**60]
    return HashedPrompt(tuple(hashes), size, length)
