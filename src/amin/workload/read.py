"""A trace from a file of any kind that is understood, told apart by how the file begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from amin.errors import ConfigError
from amin.workload.csv_trace import read_csv
from amin.workload.files import opened
from amin.workload.json_trace import read_json, read_values
from amin.workload.log import is_log, read_log
from amin.workload.reading import AS_IT_SAYS, Reading, Understood, check
from amin.workload.request_log import is_request_log, rows_of_log
from amin.workload.row import Rows
from amin.workload.trace import Trace

_LOOKED_AT = 2**16
"""Characters: a server's log has some hundred lines before the first request."""

_PARQUET = b"PAR1"


def read(path: Path, reading: Reading = AS_IT_SAYS, num_requests: int | None = None) -> Understood:
    """What a file was taken for, at most the first `num_requests` requests of it.

    A table with any delimiter, JSON of the formats in `amin.workload.json_trace.FORMATS`, amin's
    and vLLM's logs, maybe gzipped; Parquet. Raises `ConfigError` naming file, row, column and
    value, and where what was understood is absurd.
    """
    found = _read(path, reading, num_requests)
    if num_requests is not None and len(found.trace) > num_requests:
        served = found.served
        if served is not None:
            served = replace(served, e2e_latency=served.e2e_latency[:num_requests])
        found = replace(found, trace=found.trace[:num_requests], served=served)
    return check(found, str(path))


def read_trace(path: Path, reading: Reading = AS_IT_SAYS) -> Trace:
    """`read`, of which only the requests are wanted."""
    return read(path, reading).trace


def _read(path: Path, reading: Reading, num_requests: int | None) -> Understood:
    if _first_bytes(path) == _PARQUET:
        return read_values(_rows_of_parquet(path), path, reading, num_requests)
    with opened(path) as file:
        start = file.read(_LOOKED_AT)
    if is_log(start) and not reading.columns:
        log = read_log(path, reading.skip_broken)
        left_out = (("broken", log.num_broken),) if log.num_broken else ()
        return Understood(log.trace, "a server's log", left_out, served=log.served)
    if start.lstrip()[:1] in ("{", "["):
        return read_json(path, reading, num_requests)
    if is_request_log(start):
        return _of_request_log(path, reading)
    return read_csv(path, reading, num_requests)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def _of_request_log(path: Path, reading: Reading) -> Understood:
    rows = Rows()
    try:
        with opened(path) as file:
            for found in rows_of_log(file):
                rows.add(found)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    trace, notes = rows.trace(reading.run, str(path))
    left_out = tuple(rows.left_out.items())
    return Understood(trace, "vLLM's log", left_out, ("times to the second", *notes))


def _rows_of_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ConfigError(f"{path}: Parquet needs pyarrow: pip install 'amin[parquet]'") from error
    try:
        row_number = 0
        for batch in parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                row_number += 1
                yield f"row {row_number}", row
    except (ArrowException, OSError) as error:
        raise ConfigError(f"{path}: not a Parquet file ({error})") from error
