"""An interval per class of request, read from a table.

The class comes with the request (a gateway's classifier, the kind of job, a template's name); the
table says what lengths such requests had. File format, JSON::

    {"classes": {"yes-no": {"lower": 2, "upper": 24}, "essay": {"lower": 310}},
     "default": {"lower": 1}}

`upper` may be left out: then it is the request's max_tokens. `default` serves requests of no or of
an unknown class, and is {"lower": 1} where it is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amin.errors import ConfigError
from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request


@dataclass(frozen=True, slots=True)
class ClassBounds:
    """A row of the table: bounds in tokens, `upper` None where only max_tokens limits it."""

    lower: int
    upper: int | None = None

    def __post_init__(self) -> None:
        LengthEstimate(self.lower, self.lower if self.upper is None else self.upper)


class ClassTablePredictor(Predictor):
    """Looks the request's class up in a table of bounds."""

    is_instant = True
    needs_class = True

    def __init__(
        self, classes: Mapping[str, ClassBounds], default: ClassBounds = ClassBounds(1)
    ) -> None:
        self.name = "class"
        self._classes = dict(classes)
        self._default = default

    def predict(self, request: Request) -> LengthEstimate:
        """The bounds of the request's class, clamped to its max_tokens."""
        name = request.predicted_class if request.predicted_class in self._classes else None
        bounds = self._default if name is None else self._classes[name]
        limit = max(request.max_tokens, 1)
        upper = limit if bounds.upper is None else bounds.upper
        return LengthEstimate(bounds.lower, max(upper, bounds.lower), name).clamp(limit)

    @classmethod
    def from_file(cls, path: Path) -> ClassTablePredictor:
        """Read the JSON table at `path`; raises `ConfigError` naming file, field and value."""
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise ConfigError(f"{path}: not JSON ({error})") from error
        if not isinstance(table, dict) or not isinstance(table.get("classes"), dict):
            raise ConfigError(f'{path}: allowed: an object with "classes" (and "default")')
        unknown = sorted(set(table) - {"classes", "default"})
        if unknown:
            raise ConfigError(f"{path}: unknown field {unknown[0]!r}; allowed: classes, default")
        classes = {
            name: _read_bounds(f"{path}: classes.{name}", row)
            for name, row in table["classes"].items()
        }
        return cls(classes, _read_bounds(f"{path}: default", table.get("default", {"lower": 1})))


def write_class_table(path: Path, classes: Mapping[str, ClassBounds]) -> str:
    """Write a table that `ClassTablePredictor` reads; returns its specification, class:PATH."""
    rows = {
        name: {"lower": row.lower} | ({} if row.upper is None else {"upper": row.upper})
        for name, row in classes.items()
    }
    path.write_text(json.dumps({"classes": rows}), encoding="utf-8")
    return f"class:{path}"


def _read_bounds(where: str, row: Any) -> ClassBounds:
    if not isinstance(row, dict) or not {"lower"} <= set(row) <= {"lower", "upper"}:
        raise ConfigError(f'{where}: got {row!r}, allowed: {{"lower": N}} or with "upper"')
    try:
        return ClassBounds(row["lower"], row.get("upper"))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
