"""Published traces in JSON lines: Mooncake's and what is written in its shape; conversations.

Mooncake's lines (github.com/kvcache-ai/Mooncake) have timestamp, input_length, output_length and,
where prefixes are to be shared, hash_ids: a number for each block of prompt tokens, the same
wherever all tokens up to the block's end are. Others write the same with another unit of time or
another size of the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amin.errors import ConfigError
from amin.prompt_text import prompt_text
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.json_format import Entry, Found, JsonFormat, keys
from amin.workload.reading import Reading
from amin.workload.row import LeftOut, Row, count, num_tokens
from amin.workload.times import seconds_of

MOONCAKE_BLOCK, BAILIAN_BLOCK = 512, 16
"""Prompt tokens that one hash stands for."""

BLOCK_SIZES = tuple(2**power for power in range(3, 13))

MOST_PER_SECOND = 200.0
"""More requests a second than that: fractions of a unit were fractions of a second."""


def _mooncake(entry: Entry, number: int, reading: Reading) -> Found:
    """Mooncake, guidellm's replay traces, Dynamo's with sessions and delays between their turns."""
    time, delay = entry.get("timestamp", entry.get("created_time")), entry.get("delay")
    delay = entry.get("delay_ms") if delay is None else delay
    unit, session = reading.unit or "ms", entry.get("session_id")
    if time is None and session is None and delay is not None:
        raise ConfigError("delay: without a session_id, allowed: both or none")
    length = _prompt_length(entry)
    yield Row(
        length,
        count(entry, "output_length", "output_tokens", least=0),
        None if time is None else seconds_of(time, unit),
        prompt_token_ids=_prompt(entry, length, reading.hash_block_size or MOONCAKE_BLOCK),
        session=None if session is None else str(session),
        think_time=0.0 if delay is None else seconds_of(delay, unit),
    )


def _prompt_length(entry: Entry) -> int:
    if "input_length" not in entry and "input_tokens" not in entry:
        text = entry.get("text_input") or prompt_text(entry)
        if isinstance(text, str):
            return num_tokens(text)
    return count(entry, "input_length", "input_tokens")


def _as_seconds(rows: list[Row], reading: Reading) -> tuple[list[Row], str]:
    """Mooncake's milliseconds are whole numbers; guidellm writes the same fields in seconds."""
    times = [row.arrival_time for row in rows if row.arrival_time is not None]
    span = max(times, default=0.0) - min(times, default=0.0)
    has_fractions = any(abs(time * 1000 - round(time * 1000)) > 1e-6 for time in times)
    if reading.unit or not span or not has_fractions or len(times) / span < MOST_PER_SECOND:
        return rows, ""
    scaled = [
        row._replace(arrival_time=(row.arrival_time or 0.0) * 1000, think_time=row.think_time * 1e3)
        for row in rows
    ]
    return scaled, f"times taken for seconds (as milliseconds: {len(times) / span:,.0f} a second)"


def _bailian(entry: Entry, number: int, reading: Reading) -> Found:
    """Qwen-Bailian's usage traces (github.com/alibaba-edu/qwen-bailian-usagetraces-anon)."""
    length = count(entry, "input_length")
    yield Row(
        length,
        count(entry, "output_length", least=0),
        seconds_of(entry.get("timestamp"), reading.unit or "s"),
        predicted_class=entry.get("type"),
        prompt_token_ids=_prompt(entry, length, reading.hash_block_size or BAILIAN_BLOCK),
    )


def _prompt(entry: Entry, length: int, block_size: int) -> Sequence[int]:
    hashes = entry.get("hash_ids") or []
    if not hashes:
        return ()
    if not isinstance(hashes, list) or any(type(value) is not int for value in hashes):
        raise ConfigError(f"hash_ids: got {str(hashes)[:40]}, allowed: a list of integers")
    expected = -(-length // block_size)
    if len(hashes) != expected:
        fitting = [size for size in BLOCK_SIZES if -(-length // size) == len(hashes)]
        other = f"; for other blocks: --hash-block-size {fitting[0]}" if fitting else ""
        raise ConfigError(
            f"hash_ids: got {len(hashes)} of them, allowed: {expected}, one for every "
            f"{block_size} of {length} tokens{other}"
        )
    return HashedPrompt(tuple(hashes), block_size, length)


def _conversation(entry: Entry, number: int, reading: Reading) -> Found:
    """ShareGPT, LMSYS-Chat-1M, WildChat: the first turn is the prompt, the second the reply.

    As vLLM's own benchmark takes them; tokens are estimated from the characters.
    """
    turns: Any = entry.get("conversations", entry.get("conversation"))
    if not isinstance(turns, list):
        raise ConfigError("no conversations, allowed: a list of turns")
    texts = []
    for turn in turns[:2]:
        text = turn.get("value", turn.get("content")) if isinstance(turn, dict) else None
        if not isinstance(text, str):
            raise ConfigError("value: allowed: a text in every turn")
        texts.append(text)
    if len(texts) < 2:
        yield LeftOut("conversations without a reply")
        return
    time = entry.get("timestamp", entry.get("tstamp"))
    arrival = None if time is None else seconds_of(time, reading.unit)
    yield Row(num_tokens(texts[0]), num_tokens(texts[1]), arrival)


def _is_mooncakes(entry: Entry) -> bool:
    names = entry.keys()
    return bool("output_length" in names or ("session_id" in names and "output_tokens" in names))


PUBLISHED = (
    JsonFormat("Qwen-Bailian", keys("chat_id", "input_length"), _bailian),
    JsonFormat("Mooncake", _is_mooncakes, _mooncake, _as_seconds),
    JsonFormat(
        "conversations", lambda e: "conversations" in e or "conversation" in e, _conversation
    ),
)
