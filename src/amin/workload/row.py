"""One request as a file tells of it, on its way into a `Trace`, and the trace of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from amin.arrays import Ints
from amin.errors import ConfigError
from amin.workload.trace import Texts, Trace, as_objects

CHARACTERS_PER_TOKEN = 3.8
"""As in the 2,998 replies to arena-hard-auto that come with a count of their tokens."""

NO_REPLY = "without a reply"
FAILED = "failed"


class LeftOut(NamedTuple):
    """A request of which nobody knows how long its reply would be."""

    reason: str


class Row(NamedTuple):
    """A request; times in seconds since a moment that is the same for all of the file.

    arrival_time     None where the file has no times
    prompt_token_ids, max_tokens, client, request_id, predicted_class   as in `Request`
    session          the rows of one come one after another, each `think_time` seconds after the
                     reply before it; None for a row by itself
    run              which of the file's runs, from 1 on
    """

    num_prompt_tokens: int
    num_output_tokens: int
    arrival_time: float | None = None
    max_tokens: int | None = None
    client: str | None = None
    request_id: str | None = None
    predicted_class: str | None = None
    lower: int = 0
    upper: int = 0
    priority: int = 0
    prompt_token_ids: Sequence[int] = ()
    session: str | None = None
    think_time: float = 0.0
    run: int = 1


def num_tokens(text: str) -> int:
    """About how many tokens a text has, 1 at least."""
    return max(round(len(text) / CHARACTERS_PER_TOKEN), 1)


def count(entry: Mapping[str, Any], *names: str, least: int = 1) -> int:
    """The first of these fields that the entry has, as an integer >= `least`."""
    for name in names:
        if entry.get(name) is not None:
            return integer(entry[name], name, least)
    raise ConfigError(f"{names[0]}: missing, allowed: an integer >= {least}")


def integer(value: Any, name: str, least: int) -> int:
    """A whole number, which may be written as ``8,192`` or ``8192.0``."""
    shown = value
    if isinstance(value, str):
        try:
            value = float(value.replace(",", ""))
        except ValueError:
            value = None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value < 2**53 or value != int(value):
        raise ConfigError(f"{name}: got {shown!r:.60}, allowed: an integer >= {least}")
    return int(value)


@dataclass
class Rows:
    """What is gathered of a file, in its order."""

    rows: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, found: Row | LeftOut) -> None:
        """Keep it, or count why not."""
        if isinstance(found, LeftOut):
            self.left_out[found.reason] += 1
        elif not found.num_output_tokens:
            self.left_out[NO_REPLY] += 1
        elif not found.num_prompt_tokens:
            raise ConfigError("num_prompt_tokens: got 0, allowed: an integer >= 1")
        else:
            self.rows.append(found)

    def trace(self, run: int | None, where: str) -> tuple[Trace, list[str]]:
        """The requests by arrival from 0 on, and what else there is to say of it.

        Raises `ConfigError` where there are none, or several runs and none is named.
        """
        rows, notes = self._of_run(run, where), []
        if not rows:
            why = "".join(f", {n:,} left out: {reason}" for reason, n in self.left_out.items())
            raise ConfigError(f"{where}: no request that ended{why}, allowed: one or more")
        times = np.array([np.nan if row.arrival_time is None else row.arrival_time for row in rows])
        followed, times = _sessions(rows, times)
        if np.isnan(times).all():
            times[:] = 0.0
            notes.append("without times of arrival")
        elif np.isnan(times).any():
            raise ConfigError(f"{where}: some requests have a time of arrival and some have none")
        order = np.argsort(times, kind="stable")
        if (np.diff(order) < 0).any():
            notes.append("sorted by arrival")
        return _trace([rows[i] for i in order], times[order], _moved(followed, order)), notes

    def _of_run(self, run: int | None, where: str) -> list[Row]:
        runs = Counter(map(itemgetter(Row._fields.index("run")), self.rows))
        if len(runs) > 1 and run is None:
            told = ", ".join(f"{number}: {size:,} requests" for number, size in runs.items())
            raise ConfigError(f"{where}: holds {len(runs)} runs ({told}); say which: --run 1")
        if run is not None and run not in runs:
            raise ConfigError(f"run: got {run}, allowed: {', '.join(map(str, runs)) or 'none'}")
        return [row for row in self.rows if run is None or row.run == run]


def _sessions(rows: list[Row], times: np.ndarray[Any, Any]) -> tuple[Ints, np.ndarray[Any, Any]]:
    """The row that each one follows, or -1; who follows arrives with its session's first."""
    last: dict[str, int] = {}
    followed = np.full(len(rows), -1)
    for i, row in enumerate(rows):
        if row.session is not None:
            if row.session in last:
                followed[i] = last[row.session]
                times[i] = times[followed[i]]
            last[row.session] = i
    return followed, times


def _moved(followed: Ints, order: Ints) -> Ints:
    """The same by the rows' new places; nothing where nobody follows anybody."""
    if (followed < 0).all():
        return np.empty(0, np.int64)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    moved = followed[order]
    return np.where(moved < 0, -1, places[moved])


def _trace(rows: list[Row], times: np.ndarray[Any, Any], followed: Ints) -> Trace:
    columns = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))

    def ints(name: str) -> Ints:
        return np.array(columns[name], np.int64)

    def texts(name: str) -> Texts:
        has_any = any(value is not None for value in columns[name])
        return np.array(columns[name] if has_any else [], np.object_)

    output = ints("num_output_tokens")
    longest = max(map(max, (columns[name] for name in ("num_output_tokens", "lower", "upper"))))
    cap = np.array([cap or longest for cap in columns["max_tokens"]], np.int64)
    lower, upper = both_bounds(ints("lower"), ints("upper"), cap)
    return Trace(
        arrival_time=times - times[0],
        num_prompt_tokens=ints("num_prompt_tokens"),
        num_output_tokens=output,
        max_tokens=cap,
        lower=lower,
        upper=upper,
        priority=ints("priority"),
        request_id=_ids(texts("request_id")),
        predicted_class=texts("predicted_class"),
        client=texts("client"),
        prompt_token_ids=as_objects(columns["prompt_token_ids"]),
        follows=followed,
        think_time=np.where(followed < 0, 0.0, columns["think_time"] if len(followed) else []),
    )


def both_bounds(lower: Ints, upper: Ints, cap: Ints) -> tuple[Ints, Ints]:
    """Of what was predicted, 0 standing for nothing: one bound alone is as far off as can be."""
    open_above = np.where(lower > 0, np.maximum(cap, lower), 0)
    return np.where((upper > 0) & (lower == 0), 1, lower), np.where(upper > 0, upper, open_above)


def _ids(ids: Texts) -> Texts:
    """The same where every request has its own; else none, and they are numbered."""
    is_known = len(set(ids)) == len(ids) and None not in set(ids)
    return ids if is_known else np.empty(0, np.object_)
