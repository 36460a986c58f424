"""A trace from a CSV file, plain or gzipped.

The numbers are read by numpy's own parser, 100,000 rows in some tenths of a second; only where it
stumbles are the rows looked at one by one, to name the first that is wrong.
"""

from __future__ import annotations

import csv
import gzip
import logging
import math
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats, Ints
from amin.errors import ConfigError
from amin.workload.columns import OPTIONAL_NUMBERS, OPTIONAL_TEXTS, Columns, columns_of
from amin.workload.trace import Texts, Trace

MAX_ROWS = 20_000_000
"""What fits into memory with the state of a simulation, some 6 GB."""

_logger = logging.getLogger(__name__)

_LONGEST_HEADER = 2**16

_CHUNK = 2**22
"""Bytes: more than any row has."""


def read_csv_trace(path: Path, skip_broken: bool = False) -> Trace:
    """Read and check a file; its columns may be any that `amin.workload.columns` knows.

    Raises `ConfigError` naming file, row (the header is row 1), column and value. With
    `skip_broken`, rows that cannot be read are left out, and a warning says how many.
    """
    _check_size(path)
    with opened(path) as file:
        start = file.readline(_LONGEST_HEADER)
    header = [name.strip() for name in next(csv.reader([start]), [])]
    columns = columns_of(header, str(path))
    numbers = {name for name in OPTIONAL_NUMBERS if name in header}
    numbers |= {columns.num_prompt_tokens, columns.num_output_tokens}
    if columns.arrival_time and not columns.dated:
        numbers.add(columns.arrival_time)
    texts = {name for name in OPTIONAL_TEXTS if name in header}
    if columns.arrival_time and columns.dated:
        texts.add(columns.arrival_time)
    if not skip_broken:
        read = _numbers(path, header, sorted(numbers))
        return _Checked(path, columns, read, _texts(path, header, sorted(texts))).trace()
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder, path.name.removesuffix(".gz"))
        num_broken = _copy_sound_rows(path, sound, header, columns, numbers)
        if num_broken:
            _logger.warning("%s: %d broken rows are left out", path, num_broken)
        return read_csv_trace(sound)


def _copy_sound_rows(
    path: Path, sound: Path, header: list[str], columns: Columns, numbers: set[str]
) -> int:
    """Write the rows that can be read to the file `sound`; returns how many cannot."""
    num_broken = 0
    counts = {columns.num_prompt_tokens, columns.num_output_tokens, "max_tokens", "lower", "upper"}
    with opened(path) as file, sound.open("w", encoding="utf-8", newline="") as kept:
        rows, writer = csv.reader(file), csv.writer(kept)
        next(rows)
        writer.writerow(header)
        for row in rows:
            if row and _is_sound(dict(zip(header, row, strict=False)), header, numbers, counts):
                writer.writerow(row)
            else:
                num_broken += bool(row)
    return num_broken


def _is_sound(row: dict[str, str], header: list[str], numbers: set[str], counts: set[str]) -> bool:
    """Whether every cell is there, and every number is one that may be."""
    if len(row) < len(header):
        return False
    for name in numbers:
        try:
            value = float(row[name])
        except ValueError:
            return False
        is_count = name in counts and not (value >= 1 and value == int(value))
        if not math.isfinite(value) or is_count:
            return False
    return True


def _check_size(path: Path) -> None:
    """Refuse what would not fit into memory, before any of it is parsed."""
    num_rows = 0
    with opened(path) as file:
        while chunk := file.buffer.read(_CHUNK):
            ends = chunk.count(b"\n")
            if not ends and len(chunk) == _CHUNK:
                raise ConfigError(
                    f"{path}: row {num_rows + 1}: longer than {_CHUNK:,} bytes, allowed: a CSV file"
                )
            num_rows += ends
            if num_rows > MAX_ROWS + 1:
                raise ConfigError(f"{path}: more than {MAX_ROWS:,} rows, allowed: at most so many")


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The file as text; whatever is wrong with it is one line."""
    try:
        with path.open("rb") as binary:
            zipped = binary.read(2) == b"\x1f\x8b"
        opener = gzip.open if zipped else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a CSV file in UTF-8 ({error.reason})") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read ({reason})") from error
    except csv.Error as error:
        raise ConfigError(f"{path}: not a CSV file ({error})") from error


def _numbers(path: Path, header: list[str], names: list[str]) -> dict[str, Floats]:
    where = [header.index(name) for name in names]
    with opened(path) as file, warnings.catch_warnings():
        # Of a file without rows, which is said below.
        warnings.simplefilter("ignore", UserWarning)
        file.readline(_LONGEST_HEADER)
        try:
            table = np.loadtxt(
                file, np.float64, comments=None, delimiter=",", usecols=where, ndmin=2,
                quotechar='"',
            )  # fmt: skip
        except ValueError as error:
            _explain(path, header, names)
            raise ConfigError(f"{path}: {error}") from error
    if not len(table):
        raise ConfigError(f"{path}: no rows, allowed: one request per row")
    return dict(zip(names, table.T, strict=True))


def _explain(path: Path, header: list[str], names: list[str]) -> None:
    """Name the first cell that is no number."""
    with opened(path) as file:
        for number, row in enumerate(csv.DictReader(file, fieldnames=header), start=1):
            if number == 1:
                continue
            for name in names:
                value = row.get(name)
                try:
                    float(value or "")
                except ValueError as error:
                    raise ConfigError(
                        f"{path}: row {number}: {name}: got {value!r:.60}, allowed: a number"
                    ) from error


def _texts(path: Path, header: list[str], names: list[str]) -> dict[str, Texts]:
    if not names:
        return {}
    with opened(path) as file:
        rows = csv.reader(file)
        next(rows)
        where = [header.index(name) for name in names]
        cells = []
        for number, row in enumerate(rows, start=2):
            if row and len(row) <= max(where):
                raise ConfigError(
                    f"{path}: row {number}: {len(row)} cells, allowed: {len(header)}, as the header"
                )
            if row:
                cells.append([row[i] for i in where])
    table = np.empty((len(cells), len(names)), np.object_)
    table[:] = cells
    return dict(zip(names, table.T, strict=True))


class _Checked:
    """The columns of a file on their way into a `Trace`."""

    def __init__(
        self, path: Path, columns: Columns, numbers: dict[str, Floats], texts: dict[str, Texts]
    ) -> None:
        self._path, self._columns = path, columns
        self._numbers, self._texts = numbers, texts
        self._size = len(next(iter(numbers.values())))

    def trace(self) -> Trace:
        """Check everything; the first cell that is wrong ends it."""
        columns, none = self._columns, np.empty(0, np.object_)
        prompt = self._counts(columns.num_prompt_tokens, 1)
        output = self._counts(columns.num_output_tokens, 1)
        lower, upper = self._bounds()
        zero = np.zeros(self._size, np.int64)
        cap = np.full(self._size, max(int(output.max()), int(upper.max()), int(lower.max())))
        if "max_tokens" in self._numbers:
            cap = self._counts("max_tokens", 1)
        ids = self._texts.get("request_id", none)
        _, first = np.unique(ids.astype(str), return_index=True)
        again = np.setdiff1d(np.arange(len(ids)), first)
        if len(again):
            self._fail(int(again[0]), "request_id", ids[again[0]], "each one once")
        has_priority = "priority" in self._numbers
        return Trace(
            arrival_time=self._arrivals(),
            num_prompt_tokens=prompt,
            num_output_tokens=output,
            max_tokens=cap,
            lower=lower,
            upper=np.where(upper > 0, upper, np.where(lower > 0, np.maximum(cap, lower), 0)),
            priority=self._counts("priority", -(2**62)) if has_priority else zero,
            request_id=ids,
            predicted_class=self._texts.get("predicted_class", none),
            client=self._texts.get("client", none),
        )

    def _arrivals(self) -> Floats:
        name = self._columns.arrival_time
        if name is None:
            return np.zeros(self._size)
        is_dated = self._columns.dated
        times = self._dates(name) if is_dated else self._numbers[name]
        shown = self._texts[name] if is_dated else times
        self._must(np.isfinite(times) & (times >= 0), name, shown, "seconds >= 0")
        ascending = np.concatenate([[True], times[1:] >= times[:-1]])
        self._must(ascending, name, shown, "ascending times")
        return times

    def _dates(self, name: str) -> Floats:
        """Seconds since the first."""
        cells = self._texts[name]
        try:
            dates = cells.astype("datetime64[ns]")
        except ValueError:
            for index, cell in enumerate(cells):
                try:
                    np.datetime64(cell, "ns")
                except ValueError:
                    self._fail(index, name, cell, "a date and time")
            raise
        return (dates - dates[0]) / np.timedelta64(1, "s")  # type: ignore[no-any-return]

    def _bounds(self) -> tuple[Ints, Ints]:
        zero = np.zeros(self._size, np.int64)
        lower = self._counts("lower", 1) if "lower" in self._numbers else zero
        upper = self._counts("upper", 1) if "upper" in self._numbers else zero
        if len(self._numbers.keys() & {"lower", "upper"}) == 2:
            self._must(lower <= upper, "lower", lower, "<= upper")
        elif "upper" in self._numbers:
            lower = zero + 1
        return lower, upper

    def _counts(self, name: str, least: int) -> Ints:
        values = self._numbers[name]
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
        raise ConfigError(f"{self._path}: row {index + 2}: {name}: got {shown}, allowed: {allowed}")
