"""A list of flat dataclasses as CSV: one row each, one column per field.

Text is quoted and numbers are not; floats keep every bit and NaN is ``nan``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, TextIO, TypeVar, get_args

from amin.errors import ConfigError
from amin.record import RequestRecord, Status, StepSample

Row = TypeVar("Row", RequestRecord, StepSample)


def write_rows(file: TextIO, kind: type[Row], rows: Iterable[Row]) -> None:
    """Writes a header and `rows` to a file opened with ``newline=""``."""
    names = [field.name for field in fields(kind)]
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows)


def read_rows(file: TextIO, kind: type[Row], count: int) -> list[Row]:
    """The `count` rows of a file opened with ``newline=""``.

    Raises `ConfigError`, naming file, row (the first after the header is 1), column and value,
    if any of it is not what `write_rows` writes.
    """
    lines = _lines(file)
    names = [field.name for field in fields(kind)]
    header = next(lines, [])
    if header != names:
        raise ConfigError(f"{file.name} header: got {header}, allowed: {names}")
    rows = [_row(kind, line, f"{file.name} row {i}") for i, line in enumerate(lines, 1)]
    if len(rows) != count:
        raise ConfigError(f"{file.name}: got {len(rows)} rows, allowed: {count}, as in meta.json")
    return rows


def _lines(file: TextIO) -> Iterator[list[str]]:
    try:
        yield from csv.reader(file, strict=True)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{file.name}: not a CSV file in UTF-8 ({error})") from error


def _row(kind: type[Row], cells: Sequence[str], where: str) -> Row:
    columns = fields(kind)
    if len(cells) != len(columns):
        raise ConfigError(f"{where}: got {len(cells)} cells, allowed: {len(columns)}")
    values: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        parse, allowed = _CELLS[str(column.type)]
        try:
            values[column.name] = parse(cell)
        except ValueError as error:
            raise ConfigError(
                f"{where} column {column.name}: got {cell!r}, allowed: {allowed}"
            ) from error
    return kind(**values)


def _count(cell: str) -> int:
    if not (cell.isascii() and cell.isdecimal()):
        raise ValueError
    return int(cell)


def _seconds(cell: str) -> float:
    seconds = float(cell)
    if math.isinf(seconds):
        raise ValueError
    return seconds


def _status(cell: str) -> str:
    if cell not in get_args(Status):
        raise ValueError
    return cell


# Annotations are strings here, as record.py postpones their evaluation.
_CELLS: dict[str, tuple[Callable[[str], object], str]] = {
    "str": (str, "text"),
    "int": (_count, "an integer >= 0"),
    "float": (_seconds, "finite seconds or nan"),
    "Status": (_status, ", ".join(get_args(Status))),
}
