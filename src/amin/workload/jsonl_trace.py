"""A trace from a file of JSON lines, as Mooncake publishes it (github.com/kvcache-ai/Mooncake).

Each line has timestamp (milliseconds), input_length, output_length and, where prefixes are to be
shared, hash_ids: a number for each block of 512 prompt tokens, the same wherever all tokens up to
the block's end are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from amin.errors import ConfigError
from amin.workload.csv_trace import MAX_ROWS, opened
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.trace import Trace, as_objects

HASHED_TOKENS = 512
"""Prompt tokens that one of Mooncake's hashes stands for."""

_LONGEST_LINE = 2**22


def read_jsonl_trace(path: Path) -> Trace:
    """Read and check; raises `ConfigError` naming file, line, field and value."""
    rows: list[tuple[float, int, int]] = []
    prompts: list[Sequence[int]] = []
    last = 0.0
    with opened(path) as file:
        while line := file.readline(_LONGEST_LINE):
            if not line.strip():
                continue
            where = f"{path}: line {len(rows) + 1}"
            entry = _parsed(line, where)
            counts = []
            for name in ("input_length", "output_length"):
                value = entry.get(name)
                if type(value) is not int or value < 1:
                    raise ConfigError(f"{where}: {name}: got {value!r}, allowed: an integer >= 1")
                counts.append(value)
            time: Any = entry.get("timestamp")
            if type(time) not in (int, float) or not last <= time < float("inf"):
                raise ConfigError(
                    f"{where}: timestamp: got {time!r}, allowed: milliseconds >= {last:g}"
                )
            last = time
            rows.append((time / 1000, counts[0], counts[1]))
            prompts.append(_prompt(entry.get("hash_ids", []), counts[0], where))
            if len(rows) > MAX_ROWS:
                raise ConfigError(f"{path}: more than {MAX_ROWS:,} lines, allowed: so many at most")
    if not rows:
        raise ConfigError(f"{path}: no lines, allowed: one request per line")
    times, lengths, outputs = (np.array(column) for column in zip(*rows, strict=True))
    trace = Trace.of_lengths(lengths, outputs, times.astype(float))
    return replace(trace, prompt_token_ids=as_objects(prompts))


def _prompt(hashes: Any, length: int, where: str) -> Sequence[int]:
    if hashes == []:
        return ()
    expected = -(-length // HASHED_TOKENS)
    if not isinstance(hashes, list) or any(type(value) is not int for value in hashes):
        raise ConfigError(f"{where}: hash_ids: got {str(hashes)[:40]}, allowed: a list of integers")
    if len(hashes) != expected:
        raise ConfigError(
            f"{where}: hash_ids: got {len(hashes)} of them, allowed: {expected}, one for every "
            f"{HASHED_TOKENS} of {length} tokens"
        )
    return HashedPrompt(tuple(hashes), HASHED_TOKENS, length)


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON ({error})") from error
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: got a {type(entry).__name__}, allowed: an object")
    return entry
