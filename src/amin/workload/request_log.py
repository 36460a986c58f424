"""vLLM's own log lines, where it was started with ``--enable-log-requests --enable-log-outputs``.

``Received request ID`` and ``Generated response ID`` are paired by the id. Where token ids are not
written (they are by old versions and at the level DEBUG), tokens are estimated from the texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from amin.errors import ConfigError
from amin.workload.row import FAILED, LeftOut, Row, num_tokens

_LINE = re.compile(
    r"(?P<date>\d\d-\d\d \d\d:\d\d:\d\d)[^\]]*\] "
    r"(?:Received request|Request|Generated response) (?P<id>[^\s:]+)"
    r"(?P<stream> \(streaming \w+\))?(?P<details> details)?: (?P<rest>.*)"
)
_TOKENS = re.compile(r"(prompt|output)_token_ids: [(\[](?P<ids>[^\])]*)[\])]")
_TEXT = re.compile(r"(?:prompt|output): (?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_CAP = re.compile(r"max_tokens=(\d+)")

_SOME_LEAP_YEAR = 2024
"""The lines have no year."""


def is_request_log(start: str) -> bool:
    """Whether a file that starts so has lines of this kind among others."""
    return _LINE.search(start) is not None


def rows_of_log(lines: Iterable[str]) -> Iterator[Row | LeftOut]:
    """The requests whose replies are there, as they end; those without a reply at last."""
    asked: dict[str, dict[str, Any]] = {}
    num_output: dict[str, int] = {}
    for line in lines:
        found = _LINE.search(line)
        if found is None or found["stream"] == " (streaming delta)":
            continue
        name, rest = found["id"], found["rest"]
        length = _length(rest)
        if "Generated response" in found[0]:
            if found["details"]:
                num_output[name] = length or 0
            elif name in asked:
                yield _row(name, asked.pop(name), num_output.pop(name, length or 0))
            continue
        facts = asked.setdefault(name, {"time": _seconds(found["date"])})
        if length is not None:
            facts["length"] = length
        if cap := _CAP.search(rest):
            facts["max_tokens"] = int(cap[1])
    for _ in asked:
        yield LeftOut(FAILED)


def _row(name: str, facts: dict[str, Any], num_output_tokens: int) -> Row:
    if "length" not in facts:
        raise ConfigError(
            f"request {name}: no prompt in the log, allowed: lines that have one (vLLM's level "
            "DEBUG, or amin serve --log)"
        )
    cap = facts.get("max_tokens")
    return Row(facts["length"], num_output_tokens, facts["time"], cap, request_id=name)


def _length(rest: str) -> int | None:
    """Tokens of the prompt or the output that a line has."""
    if tokens := _TOKENS.search(rest):
        return len(tokens["ids"].split(",")) if tokens["ids"].strip() else 0
    text = _TEXT.search(rest)
    return num_tokens(text["text"][1:-1]) if text else None


def _seconds(date: str) -> float:
    moment = datetime.strptime(f"{_SOME_LEAP_YEAR}-{date}", "%Y-%m-%d %H:%M:%S")
    return moment.replace(tzinfo=UTC).timestamp()
