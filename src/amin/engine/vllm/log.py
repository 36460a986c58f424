"""What is needed to train a predictor and to replay traffic, written down as requests end.

A line of JSON each, as `amin.workload.log` reads them: when it came, how long prompt and reply
were, the cap, where other prompts begin alike, how long it took. The first says what the server is
like, and one a minute how long its steps took. Nothing personal: names and tokens are hashed
with a salt that is forgotten when the server stops, and the prompt itself is written only where the
operator asks for it. Written on a thread: the engine waits for no disk.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from amin.engine.vllm import seam
from amin.errors import ConfigError
from amin.predictor.seldom import Seldom
from amin.predictor.worker import Worker
from amin.request import LengthEstimate, Request

HASHED_TOKENS = 64
"""Tokens of a prompt that one hash stands for; of whole ones only."""

SECONDS_TO_CLOSE = 5.0


class RequestLog:
    """Appends to the file at `path`; raises `ConfigError` where that cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._salt = secrets.token_bytes(16)
        self._worker = Worker("amin-log")
        self._seldom = Seldom()
        self.num_lost = 0
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"log_file: {path}: cannot be written ({error.strerror})") from error

    def ended(
        self,
        facts: Request,
        estimate: LengthEstimate,
        num_output_tokens: int,
        is_cut: bool,
        seconds: float,
    ) -> None:
        """A request has ended, `seconds` after it arrived."""

        def write() -> None:
            row = self._row(facts, num_output_tokens, is_cut)
            row["e2e_latency"] = round(seconds, 4)
            # What was believed at the end, to see later how good it was.
            row |= {"believed_lower": estimate.lower, "believed_upper": estimate.upper}
            self._write(row)

        self._submit(write)

    def note(self, row: dict[str, Any]) -> None:
        """Write a row that is no request: what the server is, how its steps went."""
        self._submit(partial(self._write, row))

    def close(self) -> None:
        """Write what waits, for some seconds at most."""
        done = Event()
        if self._worker.submit(done.set):
            done.wait(SECONDS_TO_CLOSE)

    def _submit(self, call: Callable[[], None]) -> None:
        """One more than can wait to be written is lost."""
        if not self._worker.submit(call):
            self.num_lost += 1
            self._warn("more lines wait than can be written")

    def _write(self, row: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except (OSError, ValueError) as error:
            self.num_lost += 1
            self._warn(str(error))

    def _row(self, facts: Request, num_output_tokens: int, is_cut: bool) -> dict[str, Any]:
        row: dict[str, Any] = {
            "arrival_time": round(facts.arrival_time, 4),
            "num_prompt_tokens": facts.num_prompt_tokens,
            "num_output_tokens": num_output_tokens,
            "max_tokens": facts.max_tokens,
            "is_cut": is_cut,
            "priority": facts.priority,
        }
        for name in ("predicted_class", "client"):
            value = getattr(facts, name)
            if value is not None:
                row[name] = self._hash(value.encode(errors="surrogatepass")).hex()
        hashes = self._prompt_hashes(facts.prompt_token_ids)
        if hashes:
            row |= {"prompt_hashes": hashes, "hashed_tokens": HASHED_TOKENS}
        if facts.prompt is not None:
            row["prompt"] = facts.prompt
        return row

    def _prompt_hashes(self, tokens: Sequence[int]) -> list[int]:
        """Of each whole part of the prompt, with all that is before it."""
        raw = np.array(tokens, np.int64).tobytes()
        hashes, before, size = [], b"", HASHED_TOKENS * 8
        for start in range(0, len(raw) - size + 1, size):
            before = self._hash(before + raw[start : start + size])
            hashes.append(int.from_bytes(before, "big") >> 12)
        return hashes

    def _hash(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=8, key=self._salt).digest()

    def _warn(self, what: str) -> None:
        if self._seldom.is_due():
            seam.logger.warning(
                "amin: log %s: %s (%d lines lost so far)", self._path, what, self.num_lost
            )
