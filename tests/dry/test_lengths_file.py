"""A server that restarts knows what the one before it learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amin.errors import ConfigError
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


def test_a_foreign_file_stops_the_start(engine_of: Callable[..., Any], tmp_path: Path) -> None:
    """It is not overwritten."""
    path = tmp_path / "lengths.npz"
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"lengths_file: .*lengths\.npz: not a file of lengths"):
        engine_of("amin-dynamic", lengths_file=str(path))
    assert path.read_text() == "mine"
