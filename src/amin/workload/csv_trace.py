"""A trace from a table of text: CSV or any other delimiter, plain or gzipped."""

from __future__ import annotations

import csv
import math
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats, Ints
from amin.errors import ConfigError
from amin.workload.columns import (
    ARRIVAL,
    OPTIONAL_NUMBERS,
    OPTIONAL_TEXTS,
    OUTPUT,
    PROMPT,
    Columns,
    columns_of,
)
from amin.workload.files import opened
from amin.workload.reading import AS_IT_SAYS, SECONDS, Reading, Understood
from amin.workload.row import NO_REPLY, both_bounds
from amin.workload.table_file import TableFile, number
from amin.workload.times import dates, is_since_1970, unit_of
from amin.workload.trace import Trace


def read_csv(
    path: Path, reading: Reading = AS_IT_SAYS, num_requests: int | None = None
) -> Understood:
    """Read and check a file; its columns may be any that `amin.workload.columns` knows.

    Raises `ConfigError` naming file, row (the header is row 1), column and value. Rows whose reply
    has no tokens are left out and counted, as are rows that cannot be read where that is asked for;
    of a file with more rows than `num_requests` the first so many are looked at.
    """
    table = TableFile.of(path, num_requests)
    if num_requests is None:
        table.check_size()
    columns = columns_of(table.header, str(path), reading)
    numbers = columns.known((PROMPT, OUTPUT, *OPTIONAL_NUMBERS))
    texts = columns.known(OPTIONAL_TEXTS)
    if ARRIVAL in columns.of:
        (texts if table.is_dated(columns.of[ARRIVAL]) else numbers).append(ARRIVAL)
    if reading.skip_broken:
        with tempfile.TemporaryDirectory() as folder:
            sound = TableFile(Path(folder, path.name.removesuffix(".gz")), table.header, ",", None)
            num_broken = _copy_sound_rows(table, sound.path, columns, numbers)
            return _Checked(sound, columns, reading, numbers, texts).understood(num_broken)
    return _Checked(table, columns, reading, numbers, texts).understood(0)


def _copy_sound_rows(table: TableFile, sound: Path, columns: Columns, numbers: list[str]) -> int:
    """Write the rows that can be read to the file `sound`; returns how many cannot."""
    num_broken = 0
    places = {name: table.header.index(columns.of[name]) for name in numbers}
    with opened(table.path) as file, sound.open("w", encoding="utf-8", newline="") as kept:
        writer = csv.writer(kept)
        writer.writerow(table.header)
        for row in table.rows(file):
            if row and len(row) >= len(table.header) and _is_sound(row, places):
                writer.writerow(row)
            else:
                num_broken += bool(row)
    return num_broken


def _is_sound(row: list[str], places: dict[str, int]) -> bool:
    """Whether every number is one that may be; a reply without tokens is, and is left out later."""
    values = {name: number(row[place]) for name, place in places.items()}
    for name, value in values.items():
        if value is None or not math.isfinite(value):
            return False
        least = -math.inf if name in ("priority", ARRIVAL) else int(name not in (PROMPT, OUTPUT))
        if value < least or (name != ARRIVAL and value != int(value)):
            return False
    return bool(values[PROMPT] or not values[OUTPUT])


class _Checked:
    """The columns of a file on their way into a `Trace`, by amin's names."""

    def __init__(
        self,
        table: TableFile,
        columns: Columns,
        reading: Reading,
        numbers: list[str],
        texts: list[str],
    ) -> None:
        self._path, self._columns, self._unit = table.path, columns, reading.unit
        found = table.numbers([columns.of[name] for name in numbers])
        self._numbers = dict(zip(numbers, found.T, strict=True))
        cells = table.texts([columns.of[name] for name in texts])
        self._texts = dict(zip(texts, cells, strict=True))
        # The rows of the file that are kept, as they are numbered there, the header being row 1.
        self._rows: Ints = np.arange(len(self._numbers[OUTPUT])) + 2

    def understood(self, num_broken: int) -> Understood:
        """Check everything; the first cell that is wrong ends it."""
        output = self._counts(OUTPUT, 0)
        num_silent = self._keep(output > 0)
        if not len(self._rows):
            raise ConfigError(f"{self._path}: no rows with a reply, allowed: one or more")
        times = self._arrivals()
        notes = [] if ARRIVAL in self._columns.of else ["without times of arrival"]
        if (np.diff(times) < 0).any():
            notes.append("sorted by arrival")
        trace = self._trace(times)[np.argsort(times, kind="stable")]
        counted = ("broken", num_broken), (NO_REPLY, num_silent)
        left_out = tuple((reason, number) for reason, number in counted if number)
        return Understood(trace, self._columns.source, left_out, tuple(notes))

    def _keep(self, is_kept: npt.NDArray[np.bool_]) -> int:
        """Leave out the rest; returns how many."""
        self._rows = self._rows[is_kept]
        self._numbers = {name: column[is_kept] for name, column in self._numbers.items()}
        self._texts = {name: column[is_kept] for name, column in self._texts.items()}
        return int((~is_kept).sum())

    def _trace(self, times: Floats) -> Trace:
        none, zero = np.empty(0, np.object_), np.zeros(len(self._rows), np.int64)
        output, prompt = self._counts(OUTPUT, 1), self._counts(PROMPT, 1)
        given = {
            name: self._counts(name, 1) if name in self._numbers else zero
            for name in ("lower", "upper", "max_tokens")
        }
        lower, upper = given["lower"], given["upper"]
        if self._numbers.keys() >= {"lower", "upper"}:
            self._must(lower <= upper, "lower", lower, "<= upper")
        longest = max(int(column.max()) for column in (output, lower, upper))
        cap = given["max_tokens"] if "max_tokens" in self._numbers else zero + longest
        lower, upper = both_bounds(lower, upper, cap)
        ids = self._texts.get("request_id", none)
        _, first = np.unique(ids.astype(str), return_index=True)
        again = np.setdiff1d(np.arange(len(ids)), first)
        if len(again):
            self._fail(int(again[0]), "request_id", ids[again[0]], "each one once")
        has_priority = "priority" in self._numbers
        return Trace(
            arrival_time=times,
            num_prompt_tokens=prompt,
            num_output_tokens=output,
            max_tokens=cap,
            lower=lower,
            upper=upper,
            priority=self._counts("priority", -(2**62)) if has_priority else zero,
            request_id=ids,
            predicted_class=self._texts.get("predicted_class", none),
            client=self._texts.get("client", none),
        )

    def _arrivals(self) -> Floats:
        """Seconds; amin's own count from 0, others from the first request."""
        if ARRIVAL not in self._columns.of:
            return np.zeros(len(self._rows))
        if ARRIVAL in self._texts:
            return self._dates()
        times = self._numbers[ARRIVAL]
        self._must(np.isfinite(times) & (times >= 0), ARRIVAL, times, "seconds >= 0")
        unit = self._unit or unit_of(float(times[0]))
        is_since_some_moment = not self._columns.is_amins or is_since_1970(float(times[0]))
        start = times.min() if is_since_some_moment else 0.0
        return (times - start) * SECONDS[unit]  # type: ignore[no-any-return]

    def _dates(self) -> Floats:
        cells = self._texts[ARRIVAL]
        try:
            times = dates(cells)
        except ConfigError:
            for index, cell in enumerate(cells):
                try:
                    dates(cells[index : index + 1])
                except ConfigError:
                    self._fail(index, ARRIVAL, cell, "a date and time")
            raise
        return times - times.min()  # type: ignore[no-any-return]

    def _counts(self, name: str, least: int) -> Ints:
        values: Floats = self._numbers[name]
        is_whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**53)
        self._must(is_whole & (values >= least), name, values, f"an integer >= {least}")
        return values.astype(np.int64)

    def _must(
        self, is_right: npt.NDArray[np.bool_], name: str, shown: object, allowed: str
    ) -> None:
        wrong = np.flatnonzero(~is_right)
        if len(wrong):
            self._fail(int(wrong[0]), name, shown[wrong[0]], allowed)  # type: ignore[index]

    def _fail(self, index: int, name: str, value: object, allowed: str) -> None:
        shown = f"{value:g}" if isinstance(value, int | float | np.number) else f"{value!r:.60}"
        column = self._columns.of[name]
        raise ConfigError(
            f"{self._path}: row {self._rows[index]}: {column}: got {shown}, allowed: {allowed}"
        )
