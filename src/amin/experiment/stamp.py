"""What a result depends on beyond its settings: what is in the files and modules they name."""

from __future__ import annotations

import hashlib
import inspect
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amin.jit import sources_digest


def stamp(*values: Any) -> str:
    """A digest of amin's sources and of what `values` lead to.

    A text leads to the file that it names, alone or after a colon, or to the module before its
    colon; a policy or a predictor to the module that it was made in. Others are what they are.
    """
    digest = hashlib.sha256(sources_digest().encode())
    for value in values:
        path = _file_of(value)
        if path is not None and path.is_file():
            status = path.stat()
            digest.update(_contents(path, status.st_mtime_ns, status.st_size))
    return digest.hexdigest()


@cache
def _contents(path: Path, changed: int, size: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _file_of(value: Any) -> Path | None:
    if not isinstance(value, str):
        function = getattr(value, "order", None) or type(value)
        try:
            return Path(inspect.getfile(function))
        except (TypeError, OSError):
            return None
    module, _, argument = value.partition(":")
    for path in (Path(value), Path(argument)):
        if path.is_file():
            return path
    if not argument:
        return None
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin else None
