"""Many policies, settings and seeds: run in parallel, kept on disk, resumed where they stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from uuid import uuid4

from amin.experiment.cell import Cell, Row


def sweep(
    cells: Sequence[Cell],
    *,
    folder: Path | None = None,
    backend: str = "threads",
    num_workers: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> list[Row]:
    """The rows of all cells, in their order.

    Each finished row is kept in `folder`, where one that is there already is not run again.
    `backend`: threads (all cores, since kernels hold no lock) or ray (a cluster; each cell is a
    task, tried again where its worker dies). `advance` is called after each cell.
    """
    rows: dict[int, Row] = {}
    todo = []
    for number, cell in enumerate(cells):
        kept = _read(folder, cell) if folder else None
        if kept is None:
            todo.append(number)
        else:
            rows[number] = kept
            advance()
    for number, row in _run(backend, [(n, cells[n]) for n in todo], num_workers):
        rows[number] = row
        if folder:
            _write(folder, cells[number], row)
        advance()
    return [rows[number] for number in range(len(cells))]


def _run(
    backend: str, cells: Iterable[tuple[int, Cell]], num_workers: int | None
) -> Iterator[tuple[int, Row]]:
    if backend == "ray":
        from amin.experiment.on_ray import run_on_ray

        yield from run_on_ray(cells, num_workers)
        return
    cells = list(cells)
    if cells:
        cells[0][1].setting.engine()  # Compiles what all share, once.
    pool = ThreadPoolExecutor(num_workers or os.cpu_count())
    try:
        futures = {pool.submit(cell.row): number for number, cell in cells}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        # Ctrl-C: what has not begun never does.
        pool.shutdown(cancel_futures=True)


def _read(folder: Path, cell: Cell) -> Row | None:
    try:
        row = json.loads((folder / f"{cell.key}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return {**row, "label": cell.label} if isinstance(row, dict) else None


def _write(folder: Path, cell: Cell, row: Row) -> None:
    """Whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    staging = folder / f".{cell.key}-{uuid4().hex}"
    staging.write_text(json.dumps(row), encoding="utf-8")
    staging.replace(folder / f"{cell.key}.json")
