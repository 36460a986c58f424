"""``amin policies``: what there is, in words."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from amin.policy.catalog import POLICIES, get_policy


@click.command()
@click.argument("name", required=False)
def policies(name: str | None) -> None:
    """List the policies, each with its rules in words.

    For each: whose turn is next, how much memory is reserved, who leaves first when it runs out.
    """
    chosen = [get_policy(name)] if name else POLICIES.values()
    console = Console()
    for policy in chosen:
        console.print(f"[bold]{policy.name}[/]", policy.summary, sep="\n", highlight=False)
        rules = Table.grid(padding=(0, 2))
        rules.add_column(no_wrap=True)
        for question, rule in (
            ("  next", policy.order),
            ("  reserved", policy.forecast),
            ("  leaves first", policy.preemption_order),
        ):
            words = (rule.__doc__ or "(undocumented)").strip().split("\n")[0]
            rules.add_row(question, words)
        console.print(rules)
        console.print()
