"""A trace from a JSON document: ShareGPT's conversations, or the results of ``vllm bench serve``.

Conversations are an array of objects with ``conversations``, turns of ``from`` and ``value``. As
vLLM's own benchmark does, the first turn is the prompt and the second the reply. Their tokens are
not counted but estimated from the characters, and all arrive at 0.

Results (``--save-result --save-detailed``) are an object with ``start_times``, ``input_lens`` and
``output_lens``. Requests that failed are left out: nobody knows how long their replies would be.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from amin.errors import ConfigError
from amin.workload.csv_trace import opened
from amin.workload.trace import Trace

CHARACTERS_PER_TOKEN = 3.8
"""As in the 2,998 replies to arena-hard-auto that come with a count of their tokens."""

MAX_CHARACTERS = 2**31
"""Of a document, which is read at once, unpacked."""

_DETAILED = "start_times", "input_lens", "output_lens"


def read_json_trace(path: Path) -> Trace:
    """Read and check; raises `ConfigError` naming file, entry, field and value."""
    with opened(path) as file:
        text = file.read(MAX_CHARACTERS + 1)
        if len(text) > MAX_CHARACTERS:
            raise ConfigError(f"{path}: more than {MAX_CHARACTERS:,} characters, allowed: so many")
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{path}: not JSON ({error})") from error
    if isinstance(document, dict):
        return _results(document, path)
    return _conversations(document, path)


def num_tokens(text: str) -> int:
    """About how many tokens a text has, 1 at least."""
    return max(round(len(text) / CHARACTERS_PER_TOKEN), 1)


def _conversations(entries: list[Any], path: Path) -> Trace:
    lengths = []
    for number, entry in enumerate(entries):
        turns = entry.get("conversations") if isinstance(entry, dict) else None
        if not isinstance(turns, list):
            raise ConfigError(f"{path}: entry {number}: no conversations, allowed: a list of turns")
        texts = [turn.get("value") if isinstance(turn, dict) else None for turn in turns[:2]]
        tokens = [num_tokens(text) for text in texts if isinstance(text, str)]
        if len(tokens) < len(texts):
            raise ConfigError(f"{path}: entry {number}: value: allowed: a text in every turn")
        if len(tokens) == 2:
            lengths.append(tokens)
    if not lengths:
        raise ConfigError(f"{path}: no conversations of two turns, allowed: one or more")
    prompt, output = np.array(lengths).T
    return Trace.of_lengths(prompt, output, np.zeros(len(prompt)))


def _results(document: dict[str, Any], path: Path) -> Trace:
    columns = [document.get(name) for name in _DETAILED]
    for name, column in zip(_DETAILED, columns, strict=True):
        if not isinstance(column, list):
            raise ConfigError(
                f"{path}: no list {name}, allowed: what vllm bench serve --save-detailed writes"
            )
    if len({len(column) for column in columns if column is not None}) != 1:
        raise ConfigError(f"{path}: {', '.join(_DETAILED)}: lists of unequal length")
    try:
        start, prompt, output = (np.array(column, float) for column in columns)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {', '.join(_DETAILED)}: not all numbers ({error})") from error
    done = output > 0
    for name, column in zip(_DETAILED[1:], (prompt[done], output[done]), strict=True):
        wrong = column[(column < 1) | (column % 1 != 0)]
        if len(wrong):
            raise ConfigError(f"{path}: {name}: got {wrong[0]:g}, allowed: integers >= 1")
    if not done.any() or not np.isfinite(start[done]).all():
        raise ConfigError(f"{path}: no request that ended, allowed: one or more")
    order = np.argsort(start[done], kind="stable")
    first = start[done].min()
    return Trace.of_lengths(prompt[done][order], output[done][order], start[done][order] - first)
