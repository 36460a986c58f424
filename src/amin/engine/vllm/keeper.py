"""Keeps what is learned of lengths on disk while the server runs, without holding it up."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from amin.engine.vllm import seam
from amin.errors import ConfigError
from amin.predictor.lengths import LearnedLengths
from amin.predictor.saved import restore, save, snapshot

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two saves. The first comes early, since a server that is killed (vLLM's default
at SIGTERM) saves nothing at its end; then each pause is twice as long as the one before."""


class Keeper:
    """Restores at once, if there is a file; saves on a thread while there is news, and at the end.

    A file that cannot be read is moved aside, with a warning, and never overwritten. Where there is
    none, `others` is read in its place, which another engine of the same server writes.
    """

    def __init__(self, lengths: LearnedLengths, path: Path, others: Path | None = None) -> None:
        self._lengths = lengths
        self._path = path
        self._has_news = False
        self._is_closed = threading.Event()
        source = path if path.exists() or others is None else others
        if source.exists():
            self._restore(source)
        threading.Thread(target=self._run, name="amin-keeper", daemon=True).start()

    def learned(self) -> None:
        """Something was learned, which is to be saved soon."""
        self._has_news = True

    def close(self) -> None:
        """Save, here and now."""
        self._is_closed.set()
        self._save()

    def _restore(self, source: Path) -> None:
        try:
            restore(self._lengths, source)
        except ConfigError as error:
            if source != self._path:
                return  # whose it is will say so
            aside = source.with_name(f"{source.name}.unreadable-{time.time_ns()}")
            seam.logger.warning("amin: %s; it is kept as %s", error, aside)
            source.rename(aside)
        else:
            words = self._lengths.in_words()
            seam.logger.info("amin: lengths restored from %s: %s", source, words)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._is_closed.wait(pause):
            if self._has_news:
                self._has_news = False
                # A reply that ends in this very moment is in the copy, or it is in the next.
                self._save()
                pause = min(2 * pause, LONGEST_PAUSE)

    def _save(self) -> None:
        try:
            save(snapshot(self._lengths), self._path)
        except OSError as error:
            seam.logger.warning("amin: lengths cannot be saved to %s: %s", self._path, error)
