"""The files that traces come in: text, maybe gzipped, and the JSON objects in it."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from amin.errors import ConfigError

MAX_ROWS = 20_000_000
"""What fits into memory with the state of a simulation, some 6 GB."""

MAX_CHARACTERS = 2**31
"""Of a JSON document, which is read at once, unpacked; and of a line."""


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
        raise ConfigError(f"{path}: not a text file in UTF-8 ({error.reason})") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read ({reason})") from error
    except csv.Error as error:
        raise ConfigError(f"{path}: not a CSV file ({error})") from error


def json_values(path: Path) -> Iterator[tuple[str, Any]]:
    """The values in a file of JSON and where each is: ``line 3``, ``entry 3`` of an array.

    JSON lines are read one by one, and one that is not JSON is given as the error, for the caller
    to raise or to count. Anything else is one document, or several one after the other.
    """
    with opened(path) as file:
        begun = [_line(file, path), _line(file, path)]
        # The very first line may be broken.
        if any(isinstance(_parsed(line), dict) for line in begun):
            number = 0
            while line := begun.pop(0) if begun else _line(file, path):
                number += 1
                if line.strip():
                    yield f"line {number}", _parsed(line)
            return
        text = "".join(begun) + file.read(MAX_CHARACTERS + 1)
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{path}: more than {MAX_CHARACTERS:,} characters, allowed: so many")
    yield from _documents(text, path)


def _line(file: TextIO, path: Path) -> str:
    line = file.readline(MAX_CHARACTERS + 1)
    if len(line) > MAX_CHARACTERS:
        raise ConfigError(f"{path}: a line of more than {MAX_CHARACTERS:,} characters")
    return line


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return ConfigError(f"not JSON ({error})")


def _documents(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    decoder, start, number = json.JSONDecoder(), 0, 0
    while start < len(text):
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not JSON ({error})") from error
        values = value if isinstance(value, list) else [value]
        for entry in values:
            yield f"entry {number}", entry
            number += 1
        start = end
        while start < len(text) and text[start].isspace():
            start += 1
