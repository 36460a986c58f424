"""A table in a text file: its delimiter, its header, and its columns as numbers or as texts.

The numbers are read by numpy's own parser, 100,000 rows in some tenths of a second; only where it
stumbles are the rows looked at one by one, to read ``8,192`` or to name the first that is wrong.
"""

from __future__ import annotations

import csv
import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats
from amin.errors import ConfigError
from amin.workload.files import MAX_ROWS, opened
from amin.workload.trace import Texts

_LONGEST_HEADER = 2**16

_CHUNK = 2**22
"""Bytes: more than any row has."""

_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d*)?")


@dataclass(frozen=True)
class TableFile:
    """A file, and how its rows are to be read: so many at most, where that is said."""

    path: Path
    header: list[str]
    delimiter: str
    num_rows: int | None

    @classmethod
    def of(cls, path: Path, num_rows: int | None) -> TableFile:
        """Look at the header; of what has no comma, semicolon, tab or bar the only column."""
        with opened(path) as file:
            start = file.readline(_LONGEST_HEADER)
        delimiter = max(",;\t|", key=start.count)
        header = next(csv.reader([start], delimiter=delimiter), [])
        return cls(path, [name.strip() for name in header], delimiter, num_rows)

    def rows(self, file: TextIO) -> Iterator[list[str]]:
        """The rows of the open file, cell by cell, the header's not among them."""
        rows = csv.reader(file, delimiter=self.delimiter)
        next(rows, None)
        return itertools.islice(rows, self.num_rows)

    def is_dated(self, column: str) -> bool:
        """Whether the first cell of this column is no number."""
        place = self.header.index(column)
        with opened(self.path) as file:
            for row in self.rows(file):
                if len(row) == len(self.header) and row[place].strip():
                    return number(row[place]) is None
        return False

    def numbers(self, columns: Sequence[str]) -> npt.NDArray[np.float64]:
        """A row of numbers for each row of the file, none of which may be anything else."""
        places = [self.header.index(column) for column in columns]
        with opened(self.path) as file, warnings.catch_warnings():
            # Of a file without rows, which is said below.
            warnings.simplefilter("ignore", UserWarning)
            file.readline(_LONGEST_HEADER)
            try:
                found = np.loadtxt(
                    file, np.float64, comments=None, delimiter=self.delimiter, usecols=places,
                    ndmin=2, quotechar='"', max_rows=self.num_rows,
                )  # fmt: skip
            except ValueError:
                found = self._one_by_one(places)
        if not len(found):
            raise ConfigError(f"{self.path}: no rows, allowed: one request per row")
        return found

    def texts(self, columns: Sequence[str]) -> list[Texts]:
        """The cells of each of these columns."""
        places = [self.header.index(column) for column in columns]
        cells = []
        with opened(self.path) as file:
            for row_number, row in enumerate(self.rows(file) if places else (), start=2):
                if row and len(row) <= max(places):
                    raise ConfigError(
                        f"{self.path}: row {row_number}: {len(row)} cells, allowed: "
                        f"{len(self.header)}, as the header"
                    )
                if row:
                    cells.append([row[place] for place in places])
        found = np.empty((len(cells), len(columns)), np.object_)
        found[:] = cells
        return list(found.T)

    def check_size(self) -> None:
        """Refuse what would not fit into memory, before any of it is parsed."""
        num_rows = 0
        with opened(self.path) as file:
            while chunk := file.buffer.read(_CHUNK):
                ends = chunk.count(b"\n")
                if not ends and len(chunk) == _CHUNK:
                    raise ConfigError(
                        f"{self.path}: row {num_rows + 1}: longer than {_CHUNK:,} bytes, allowed: "
                        "a CSV file"
                    )
                num_rows += ends
                if num_rows > MAX_ROWS + 1:
                    raise ConfigError(
                        f"{self.path}: more than {MAX_ROWS:,} rows, allowed: at most so many. "
                        "Fewer are read with --num-requests N"
                    )

    def _one_by_one(self, places: Sequence[int]) -> Floats:
        """Cell by cell, also those that numpy does not read; names the first that is no number."""
        found = []
        with opened(self.path) as file:
            for row_number, row in enumerate(self.rows(file), start=2):
                values = []
                for place in places if row else ():
                    cell = row[place] if place < len(row) else None
                    value = None if cell is None else number(cell)
                    if value is None:
                        raise ConfigError(
                            f"{self.path}: row {row_number}: {self.header[place]}: got "
                            f"{cell!r:.60}, allowed: a number"
                        )
                    values.append(value)
                if row:
                    found.append(values)
        return np.array(found, np.float64).reshape(-1, len(places))


def number(cell: str) -> float | None:
    """A number, which may have commas between its thousands; None where it is none."""
    cell = cell.strip()
    if _THOUSANDS.fullmatch(cell):
        cell = cell.replace(",", "")
    try:
        return float(cell)
    except ValueError:
        return None
