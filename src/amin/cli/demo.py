"""``amin demo``: schedulers compared, on a real model."""

from __future__ import annotations

from pathlib import Path

import click

from amin.cli import options

DEMO_EXAMPLES = """\
\b
Examples:
  amin demo
  amin demo --minutes 20 --load 1.5
  amin demo --schedulers vllm-priority-watermark,amin-dynamic,your.module:POLICY
"""


@click.command(epilog=DEMO_EXAMPLES)
@click.option(
    "--out",
    type=options.OutputFolder(),
    default=Path("results/demo"),
    show_default=True,
    help="folder for the page and the tables",
)
@click.option(
    "--minutes",
    default=8.0,
    show_default=True,
    help="how long it may take: the machine's speed decides how many prompts are served",
)
@click.option(
    "--load", default=4.0, show_default=True, help="arrival rate as a multiple of capacity"
)
@click.option("--seed", default=0, show_default=True, help="arrivals, sampling and ties")
@click.option("--schedulers", default="", help="comma-separated [default: all of the demo]")
def demo(out: Path, minutes: float, load: float, seed: int, schedulers: str) -> None:
    """Compare schedulers: first without a model, in seconds, then on a small real model.

    Needs the engine (make demo installs it) and no GPU. Stock FCFS runs always, and twice: it is
    what the others are compared with.
    """
    from amin.demo.run import DemoConfig, run_demo

    names = [name.strip() for name in schedulers.split(",") if name.strip()]
    run_demo(DemoConfig(minutes=minutes, load=load, seed=seed), out, names)
