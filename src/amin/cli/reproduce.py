"""``amin reproduce``: what the paper claims, run and judged."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from amin.cli import options

EXAMPLES = """
\b
Examples:
  amin reproduce
  amin reproduce --quick
  amin reproduce two-point geometric
  amin reproduce my-claim.toml
"""


@click.command(epilog=EXAMPLES)
@click.argument("claims", nargs=-1)
@click.option("--quick", is_flag=True, help="fewer settings and seeds: a minute")
@click.option(
    "--out",
    type=options.OutputFolder(),
    default=Path("results/reproduce"),
    show_default=True,
    help="folder for the report",
)
def reproduce(claims: tuple[str, ...], quick: bool, out: Path) -> None:
    """Run the experiments behind the paper's claims: which hold, and where?

    CLAIMS are names or TOML files of your own; without any, all that ship with amin.
    """
    from amin.experiment.reproduce import as_markdown, as_page, chosen_claims
    from amin.experiment.reproduce import reproduce as run
    from amin.report.terminal import console, progress

    chosen = chosen_claims(claims)
    with progress(Console(stderr=True)) as track:
        found = run(chosen, is_quick=quick, track=track)
    screen = console()
    table = Table(show_lines=True)
    for title in ("claim", "verdict", "our figures"):
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(one.claim.claim, one.verdict.word, one.verdict.figures)
    screen.print(table)
    out.mkdir(parents=True, exist_ok=True)
    (out / "claims.md").write_text(as_markdown(found), encoding="utf-8")
    (out / "index.html").write_text(as_page(found, quick), encoding="utf-8")
    screen.print(f"page: {out / 'index.html'}", soft_wrap=True)
