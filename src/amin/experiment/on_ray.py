"""Cells as Ray tasks, on this machine or on a cluster that ``ray.init`` finds (RAY_ADDRESS)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from amin.errors import ConfigError
from amin.experiment.cell import Cell, Row

MAX_RETRIES = 5
"""How often a cell is run again whose worker died: cells are pure, so again is as good."""


def run_on_ray(
    cells: Iterable[tuple[int, Cell]], num_workers: int | None
) -> Iterator[tuple[int, Row]]:
    """(number, row) of each cell, as they finish; raises `ConfigError` where Ray is missing.

    `num_workers` at a time; None leaves that to Ray.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "backend: ray is not installed; allowed: threads, or pip install 'amin[ray]'"
        ) from error
    if not ray.is_initialized():
        ray.init(logging_level=logging.ERROR, log_to_driver=False)

    @ray.remote(max_retries=MAX_RETRIES)  # type: ignore[untyped-decorator]
    def run(number: int, cell: Cell) -> tuple[int, Row]:
        return number, cell.row()

    waiting = list(cells)
    at_once = num_workers or len(waiting)
    pending: list[Any] = []
    while waiting or pending:
        while waiting and len(pending) < at_once:
            pending.append(run.remote(*waiting.pop(0)))
        done, pending = ray.wait(pending)
        yield from ray.get(done)
