"""A run on disk: a directory of ``meta.json``, ``records.csv`` and ``samples.csv``.

Reading gives back what was written, to the last bit. A directory appears whole or not at all.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

from amin.errors import ConfigError
from amin.record import RequestRecord, RunResult, StepSample
from amin.report.rows import read_rows, write_rows

FORMAT = 3
_META: dict[str, type] = {
    "policy": str,
    "engine": str,
    "seed": int,
    "num_blocks": int,
    "block_size": int,
    "schedule_time": float,
    "num_steps": int,
}
_COUNTS = {"format": int, "num_records": int, "num_samples": int}


def write_result(result: RunResult, directory: Path) -> None:
    """Writes `result` to `directory`, which must be new or empty; its parents are made.

    Raises `ConfigError` if something is there: results are never overwritten.
    """
    directory = directory.absolute()
    staging = directory.with_name(f".{directory.name}-{uuid4().hex}")
    staging.mkdir(parents=True)
    try:
        with _durable(staging / "records.csv") as file:
            write_rows(file, RequestRecord, result.records)
        with _durable(staging / "samples.csv") as file:
            write_rows(file, StepSample, result.samples)
        with _durable(staging / "meta.json") as file:
            json.dump(_meta(result), file, indent=2)
        _rename(staging, directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_result(directory: Path) -> RunResult:
    """The run in `directory`.

    Raises `ConfigError` if files are missing or damaged; it names the file and, where there is
    one, the row, column and value.
    """
    meta = _read_meta(directory / "meta.json")
    with _opened(directory / "records.csv") as file:
        records = read_rows(file, RequestRecord, meta["num_records"])
    with _opened(directory / "samples.csv") as file:
        samples = read_rows(file, StepSample, meta["num_samples"])
    return RunResult(**{name: meta[name] for name in _META}, records=records, samples=samples)


def _meta(result: RunResult) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **{name: kind(getattr(result, name)) for name, kind in _META.items()},
        "num_records": len(result.records),
        "num_samples": len(result.samples),
    }


def _read_meta(path: Path) -> dict[str, Any]:
    with _opened(path) as file:
        try:
            meta = json.load(file)
        except ValueError as error:
            raise ConfigError(f"{path}: not a JSON file in UTF-8 ({error})") from error
    if not isinstance(meta, dict):
        raise ConfigError(f"{path}: got a {type(meta).__name__}, allowed: an object")
    for name, kind in (_META | _COUNTS).items():
        value = meta.get(name)
        if type(value) is not kind:
            raise ConfigError(f"{path} {name}: got {value!r}, allowed: {kind.__name__}")
    if meta["format"] != FORMAT:
        raise ConfigError(f"{path} format: got {meta['format']}, allowed: {FORMAT}")
    return meta


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        file = path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    with file:
        yield file


@contextmanager
def _durable(path: Path) -> Iterator[TextIO]:
    # Without fsync a crash after the rename could leave a whole directory of empty files.
    with path.open("x", encoding="utf-8", newline="") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _rename(staging: Path, directory: Path) -> None:
    try:
        staging.rename(directory)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise ConfigError(f"{directory}: exists, allowed: a new or empty directory") from error
