"""A server that restarts knows what the one before it learned."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.keeper import Keeper
from amin.predictor.features import FEATURES
from amin.predictor.lengths import LearnedLengths
from amin.predictor.saved import restore, save, snapshot
from amin.predictor.survival import FINISHED
from amin.workload.interface import Job

pytestmark = pytest.mark.dry


def test_what_was_learned_outlives_the_scheduler(
    engine_of: Callable[..., Any], job: Callable[..., Job], tmp_path: Path
) -> None:
    """Saved at the end; the next one bounds replies by it from the first request on."""
    path = tmp_path / "lengths.npz"
    settings = {"predictor": "online:0.5", "lengths_file": str(path)}
    first = engine_of("amin-dynamic", **settings)
    first.run([job(f"r{i}", 4, 30, at=float(i), max_tokens=60) for i in range(50)])
    first.scheduler.shutdown()
    second = engine_of("amin-dynamic", **settings)
    (record,) = second.run([job("new", 4, 30, max_tokens=60)]).records
    assert record.lower == 30


@pytest.mark.parametrize("content", [b"mine", b"", b"PK\x03\x04 cut off"])
def test_a_file_that_cannot_be_read_is_kept_aside(
    engine_of: Callable[..., Any], job: Callable[..., Job], tmp_path: Path, content: bytes
) -> None:
    """The server starts, what was in the file stays under another name, and a new one is begun."""
    path = tmp_path / "lengths.npz"
    path.write_bytes(content)
    engine = engine_of("amin-dynamic", predictor="online", lengths_file=str(path))
    (aside,) = tmp_path.glob("lengths.npz.unreadable-*")
    assert aside.read_bytes() == content
    engine.run([job("r", 4, 30)])
    engine.scheduler.shutdown()
    assert path.stat().st_size > 100


def test_a_server_that_is_killed_has_saved_before(
    engine_of: Callable[..., Any], job: Callable[..., Job], tmp_path: Path
) -> None:
    """Seconds after the first replies ended, off the engine's thread, with nobody closing it."""
    path = tmp_path / "lengths.npz"
    engine = engine_of("amin-dynamic", predictor="online", lengths_file=str(path))
    engine.run([job(f"r{i}", 4, 30, at=float(i)) for i in range(20)])
    assert _eventually_saved(path) == pytest.approx(20, rel=0.01)


def _eventually_saved(path: Path) -> float:
    """Replies in the file, once it is there and as many as it will ever have."""
    deadline, found = time.monotonic() + 60, 0.0
    while found < 19.5 and time.monotonic() < deadline:
        time.sleep(0.05)
        if path.exists():
            lengths = LearnedLengths()
            restore(lengths, path)
            found = float(lengths.survival[FINISHED, 0].sum())
    return found


def test_each_engine_of_a_server_has_files_of_its_own(tmp_path: Path) -> None:
    """The first one those that are named. A new one begins with what the first one knows."""
    config = AminConfig(lengths_file=str(tmp_path / "l.npz"), log_file=str(tmp_path / "log.jsonl"))
    assert config.of_rank(0) == config
    second = config.of_rank(1)
    assert second.lengths_file == str(tmp_path / "l-rank1.npz")
    assert second.log_file == str(tmp_path / "log-rank1.jsonl")
    assert AminConfig().of_rank(3) == AminConfig()
    known = LearnedLengths()
    for _ in range(9):
        known.learn((0,) * len(FEATURES), 40, is_censored=False)
    known.refresh(np.zeros((1, len(FEATURES)), np.int64))
    first, own = Path(config.lengths_file), Path(second.lengths_file)
    save(snapshot(known), first)
    before, found = first.read_bytes(), LearnedLengths()
    Keeper(found, own, first).close()
    assert found.survival[FINISHED, 0].sum() == pytest.approx(9, rel=0.01)
    assert own.exists()
    assert first.read_bytes() == before
