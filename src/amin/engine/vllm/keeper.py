"""Keeps what is learned of lengths on disk while the server runs, without holding it up."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np

from amin.engine.vllm import seam
from amin.predictor.lengths import LearnedLengths
from amin.predictor.saved import restore, save, snapshot
from amin.predictor.worker import Worker

INTERVAL = 60.0
"""Seconds between two saves."""


class Keeper:
    """Restores at once, if there is a file; saves now and then on a thread, and at the end.

    Raises `ConfigError` where the file is there and is none of ours: it is not overwritten.
    """

    def __init__(self, lengths: LearnedLengths, path: Path) -> None:
        self._lengths = lengths
        self._path = path
        self._worker = Worker("amin-keeper", max_waiting=1)
        self._next = time.monotonic() + INTERVAL
        if path.exists():
            restore(lengths, path)
            seam.logger.info("amin: lengths restored from %s: %s", path, lengths.in_words())

    def learned(self) -> None:
        """Something was learned: save it, if the last time was long ago."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL
            self._worker.submit(partial(self._save, snapshot(self._lengths)))

    def close(self) -> None:
        """Save, here and now."""
        self._save(snapshot(self._lengths))

    def _save(self, arrays: dict[str, np.ndarray]) -> None:
        try:
            save(arrays, self._path)
        except OSError as error:
            seam.logger.warning("amin: lengths cannot be saved to %s: %s", self._path, error)
