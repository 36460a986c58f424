"""A trace from a file of JSON, lines or documents, of any format that is listed here.

And of a table in JSON lines, whose columns `amin.workload.columns` knows or the user names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from amin.errors import ConfigError
from amin.workload.benchmarks import BENCHMARKS
from amin.workload.columns import ARRIVAL, OUTPUT, PROMPT, columns_of
from amin.workload.files import MAX_ROWS, json_values
from amin.workload.gateways import GATEWAYS
from amin.workload.json_format import Entry, Found, JsonFormat
from amin.workload.published import PUBLISHED
from amin.workload.reading import Reading, Understood
from amin.workload.row import LeftOut, Row, Rows, count
from amin.workload.times import seconds_of

FORMATS = (*BENCHMARKS, *PUBLISHED, *GATEWAYS)


def read_json(path: Path, reading: Reading, num_requests: int | None = None) -> Understood:
    """Read and check; raises `ConfigError` naming file, line or entry, field and value."""
    return read_values(json_values(path), path, reading, num_requests)


def read_values(
    values: Iterable[tuple[str, Any]], path: Path, reading: Reading, num_requests: int | None
) -> Understood:
    """The same of values that were read already, and where each is."""
    rows, form, first_error = Rows(), None, ""
    for number, (where, value) in enumerate(values, start=1):
        try:
            entry = _object(value)
            form = form or _format_of(entry, reading)
            for found in _found(form, entry, number, reading):
                rows.add(found)
        except ConfigError as error:
            first_error = first_error or f"{where}: {error}"
            if not reading.skip_broken:
                raise ConfigError(f"{path}: {first_error}") from error
            rows.left_out["broken"] += 1
        if num_requests is not None and len(rows.rows) >= num_requests:
            break
        if len(rows.rows) > MAX_ROWS:
            raise ConfigError(f"{path}: more than {MAX_ROWS:,} requests: --num-requests N")
    if form is None:
        raise ConfigError(f"{path}: {first_error or 'no lines, allowed: one request per line'}")
    rows.rows, said = form.review(rows.rows, reading)
    trace, notes = rows.trace(reading.run, str(path))
    left_out = tuple(rows.left_out.items())
    return Understood(trace, form.name, left_out, (*filter(None, [said]), *notes))


def _found(
    form: JsonFormat, entry: Entry, number: int, reading: Reading
) -> Iterator[Row | LeftOut]:
    try:
        yield from form.rows(entry, number, reading)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ConfigError(f"not as {form.name} writes it ({error!r:.80})") from error


def _object(value: Any) -> Entry:
    if isinstance(value, ConfigError):
        raise value
    if not isinstance(value, dict):
        raise ConfigError(f"got a {type(value).__name__}, allowed: an object")
    return value


def _format_of(entry: Entry, reading: Reading) -> JsonFormat:
    if not reading.columns:
        for form in FORMATS:
            if form.has(entry):
                return form
    known = ", ".join(form.name for form in FORMATS)
    if not entry:
        raise ConfigError(f"an empty object, allowed: {known}")
    try:
        columns = columns_of(list(entry), "as a table", reading)
    except ConfigError as error:
        raise ConfigError(f"no format that is known ({known}); {error}") from error

    def rows(entry: Entry, number: int, reading: Reading) -> Found:
        given = {name: entry.get(theirs) for name, theirs in columns.of.items()}

        def optional(name: str, least: int = 1) -> int:
            return count(given, name, least=least) if given.get(name) is not None else 0

        yield Row(
            count(given, PROMPT, least=0),
            count(given, OUTPUT, least=0),
            None if given.get(ARRIVAL) is None else seconds_of(given[ARRIVAL], reading.unit),
            max_tokens=optional("max_tokens") or None,
            client=_text(given.get("client")),
            request_id=_text(given.get("request_id")),
            predicted_class=_text(given.get("predicted_class")),
            lower=optional("lower"),
            upper=optional("upper"),
            priority=optional("priority", -(2**53)),
        )

    return JsonFormat(columns.source, lambda entry: True, rows)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
