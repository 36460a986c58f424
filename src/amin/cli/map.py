"""``amin map``: where a policy helps and where it does not."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from amin.cli import options

EXAMPLES = """
\b
Examples:
  amin map --quick
  amin map
  amin map --config mine.toml --backend ray
"""


@click.command(name="map", epilog=EXAMPLES)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="a TOML file of policies, workloads, loads and memory [default: the one that ships]",
)
@click.option("--quick", is_flag=True, help="fewer loads, requests and seeds: a minute")
@click.option(
    "--backend",
    type=click.Choice(["threads", "ray"]),
    default="threads",
    show_default=True,
    help="all cores of this machine, or a Ray cluster",
)
@click.option(
    "--out",
    type=options.OutputFolder(),
    default=Path("results/map"),
    show_default=True,
    help="folder for the page, the table and the finished runs",
)
def map_(config: Path | None, quick: bool, backend: str, out: Path) -> None:
    """Every policy on every traffic, at every load, with little and ample memory.

    In the simulator, which decides as vLLM does. Interrupted, the same command goes on.
    """
    from amin.errors import ConfigError
    from amin.experiment.map import MapConfig, run_map, shipped_map
    from amin.experiment.map_page import as_markdown, as_page, summary
    from amin.report.terminal import console, progress

    try:
        text = config.read_text("utf-8") if config else shipped_map()
    except OSError as error:
        raise ConfigError(f"--config: {config}: cannot be read ({error.strerror})") from error
    chosen = MapConfig.parse(text, str(config or "map.toml"), is_quick=quick)
    with progress(Console(stderr=True)) as track:
        found = run_map(chosen, folder=out / "cells", backend=backend, track=track)
    out.mkdir(parents=True, exist_ok=True)
    (out / "map.md").write_text(as_markdown(found), encoding="utf-8")
    (out / "index.html").write_text(as_page(found), encoding="utf-8")
    screen = console()
    screen.print(summary(found), highlight=False, markup=False)
    screen.print(f"page: {out / 'index.html'}", soft_wrap=True)
