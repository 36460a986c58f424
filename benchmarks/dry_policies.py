"""What each policy brings on vLLM's real scheduler, without a model (vllm-dry, simulated clock).

1,500 LMSYS-like requests, Poisson 11/s (far above capacity), 512 blocks of 16 tokens, a step of
30 ms + 0.15 ms per scheduled token, 5 seeds. All figures are ratios to vLLM's own FCFS on the same
requests: mean over the seeds, smallest and largest in brackets.

    python -m benchmarks dry_policies [--replies FILE.csv.gz] [--rate R] [--seeds N]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from rich.progress import track

from amin.engine.vllm.config import AminConfig
from amin.metrics.summary import Summary, summarize
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.workload.lmsys_like import (
    NOMINAL_FLOORS,
    Replies,
    embedded_replies,
    lmsys_like,
    read_replies,
)

Found = dict["Row", list[Summary]]

COLUMNS = ("mean_e2e_latency", "p99_e2e_latency", "num_recomputed_tokens", "makespan")


@dataclass(frozen=True)
class Row:
    """A line of the table: a scheduler, what it is told, how far it forecasts, what it keeps free.

    `watermark` is vLLM's own headroom: the share of blocks kept free at admission.
    """

    scheduler: str
    bounds: str = "-"
    forecast_floor: int | None = None
    watermark: float = 0.0

    def configure(self, tables: dict[str, str]) -> str | AminConfig:
        """The dry engine's scheduler argument; `tables` has the class tables by name."""
        if self.scheduler.startswith("vllm-"):
            return self.scheduler
        return AminConfig(
            policy=self.scheduler,
            predictor=tables.get(self.bounds, "constant:1"),
            client_hints=True,
            forecast_floor=self.forecast_floor or BLOCK,
            tail_promise=None,
        )


STOCK = Row("vllm-fcfs")

BLOCK = 16
"""The forecast floor of rows that say nothing else."""


def rows() -> list[Row]:
    """Baselines, then both readings of A_min by bounds and by forecast."""
    table = [
        STOCK,
        Row("vllm-fcfs", watermark=0.1),
        Row("vllm-priority", "class"),
        *(Row("vllm-priority", "class", watermark=share) for share in (0.05, 0.1, 0.2)),
        Row("fcfs"),
        Row("least-computed-first"),
        Row("retract"),
        Row("amax", "511 for all", 1),
    ]
    for reading in ("static", "dynamic"):
        for bounds in ("floors", "5 % quantiles", "1 for all"):
            table += [
                Row(f"benchmarks.variants:{reading.upper()}_NO_FORECAST", bounds),
                Row(f"amin-{reading}", bounds, 1),
                Row(f"amin-{reading}", bounds, 16),
            ]
    return table


def class_tables(measured: Replies, directory: Path) -> dict[str, str]:
    """Predictor specifications: nominal floors, and 5 % quantiles of the half that is not run."""
    bounds = {"floors": NOMINAL_FLOORS, "5 % quantiles": measured.class_quantiles(0.05)}
    tables = {}
    for name, lowers in bounds.items():
        classes = {str(c): ClassBounds(lower) for c, lower in enumerate(lowers)}
        tables[name] = write_class_table(directory / f"{name[0]}.json", classes)
    return tables


def measure(replies: Replies, table: Sequence[Row], rate: float, seeds: Sequence[int]) -> Found:
    """Every row of the table on the same workloads, one for each seed."""
    from amin.engine.vllm.dry import DryEngine
    from amin.engine.vllm.dry_config import DryConfig

    run, measured = replies.halves()
    found: Found = {row: [] for row in table}
    with tempfile.TemporaryDirectory() as directory:
        tables = class_tables(measured, Path(directory))
        cells = [(seed, row) for seed in seeds for row in table]
        for seed, row in track(cells, description="vllm-dry"):
            jobs = lmsys_like(
                run, num_requests=1500, requests_per_second=rate, seed=seed, class_priorities=True
            )
            result = DryEngine(DryConfig(watermark=row.watermark), row.configure(tables)).run(jobs)
            summary = summarize(result)
            assert summary.num_finished == len(jobs), (row, summary)
            found[row].append(summary)
    return found


def ratios(found: Found, row: Row, column: str) -> np.ndarray:
    """This row's figure ÷ stock FCFS's, seed by seed."""
    stock = found[STOCK]
    pairs = zip(found[row], stock, strict=True)
    return np.array([getattr(mine, column) / getattr(base, column) for mine, base in pairs])


def report(found: Found) -> str:
    """The Markdown table."""
    lines = [
        "| scheduler | bounds | forecast_floor | mean | p99 | recomputed tokens | makespan "
        "| coverage |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row, summaries in found.items():
        cells = []
        for column in COLUMNS:
            r = ratios(found, row, column)
            cells.append(f"{r.mean():.2f} ({r.min():.2f}-{r.max():.2f})")
        coverage = np.mean([s.bound_coverage for s in summaries])
        cells.append("-" if np.isnan(coverage) else f"{coverage:.0%}")
        name = row.scheduler.rpartition(":")[2].lower().replace("_", "-")
        floor = row.forecast_floor or "-"
        name += f", watermark {row.watermark:g}" if row.watermark else ""
        lines.append(f"| {name} | {row.bounds} | {floor} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def targets(found: Found) -> str:
    """Whether A_min with nominal floors reaches what it was built for."""
    lines = []
    for policy, floor in product(("amin-static", "amin-dynamic"), (1, BLOCK)):
        row = Row(policy, "floors", floor)
        for column, limit in (("mean_e2e_latency", 0.60), ("num_recomputed_tokens", 0.90)):
            value = ratios(found, row, column).mean()
            verdict = "reached" if value <= limit else "MISSED"
            which = f"{policy}, class floors, forecast_floor {floor}"
            lines.append(f"{which}: {column} {value:.3f} (target <= {limit}): {verdict}")
    return "\n".join(lines)


def run(table: Sequence[Row], description: str, arguments: Sequence[str]) -> Found:
    """Measure the table as the command line says and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=description)
    parser.add_argument("--replies", type=Path, help="CSV of real replies and predicted classes")
    parser.add_argument("--rate", type=float, default=11.0, help="requests per second")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    replies = read_replies(options.replies) if options.replies else embedded_replies(80_000, 0)
    found = measure(replies, table, options.rate, range(1, options.seeds + 1))
    source = options.replies.name if options.replies else "amin's own table of quantiles"
    print(f"replies: {source}; {options.rate:g} requests/s; {options.seeds} seeds; vllm-dry\n")
    print(report(found))
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure every policy, print the table and whether the targets are reached."""
    found = run(rows(), __doc__, arguments)
    print("\n" + targets(found))
