"""Cells as Ray tasks give the rows that they give here, though a worker dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amin.experiment.cell import Cell
from amin.experiment.comparison import cells_of
from amin.experiment.setting import Setting
from amin.experiment.sweep import sweep
from amin.experiment.traffic import Traffic

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'amin[ray]'")
pytestmark = pytest.mark.timeout(300)

TRAFFIC = Traffic("lmsys-like", num_requests=60, load=1.5)
SETTING = Setting(2048)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A local cluster of two workers."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


class MortalCell(Cell):
    """Kills the worker that runs it, once."""

    def row(self) -> dict[str, Any]:
        """As any cell's, at the second try."""
        tombstone = Path(self.label)
        if not tombstone.exists():
            tombstone.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().row()


def test_rows_are_those_of_threads() -> None:
    """All of them, in the order of the cells."""
    cells = cells_of(["vllm-fcfs", "amin-static"], TRAFFIC, SETTING, [1, 2])
    assert sweep(cells, backend="ray") == sweep(cells)


def test_a_killed_worker_costs_a_retry(tmp_path: Path) -> None:
    """The cell is run again, and no other is lost."""
    cells = cells_of(["vllm-fcfs"], TRAFFIC, SETTING, [1, 2, 3])
    mortal = MortalCell(str(tmp_path / "tombstone"), TRAFFIC, cells[1].setting)
    rows = sweep([cells[0], mortal, cells[2]], backend="ray")
    assert (tmp_path / "tombstone").exists()
    expected = sweep(cells)
    assert [row["mean_e2e_latency"] for row in rows] == [r["mean_e2e_latency"] for r in expected]
