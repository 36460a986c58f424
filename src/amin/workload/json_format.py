"""The contract of a format of JSON: how it is recognised, and how a value becomes requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from amin.workload.reading import Reading
from amin.workload.row import LeftOut, Row

Entry = dict[str, Any]
Found = Iterator[Row | LeftOut]
"""The requests of an object, one after the other."""


@dataclass(frozen=True)
class JsonFormat:
    """A format, told by an object of the file, mostly its first.

    name    as users know it
    has     whether an object is one of this format
    rows    the requests of the object that comes as number so-and-so, from 1 on, `LeftOut` for one
            whose reply nobody knows; raises `ConfigError` where a field is wrong. One whose reply
            has no tokens is left out by whoever gathers them
    review  looks at all rows of a file at last; gives them, and what is to be said of it, or ""
    """

    name: str
    has: Callable[[Entry], bool]
    rows: Callable[[Entry, int, Reading], Found]
    review: Callable[[list[Row], Reading], tuple[list[Row], str]] = lambda rows, reading: (rows, "")


def keys(*names: str) -> Callable[[Entry], bool]:
    """Told by having all of these fields."""
    return lambda entry: all(name in entry for name in names)


def at(entry: Any, path: str) -> Any:
    """What is at ``a.b.c`` in objects within objects; None where there is nothing."""
    for name in path.split("."):
        if not isinstance(entry, dict):
            return None
        entry = entry.get(name)
    return entry
