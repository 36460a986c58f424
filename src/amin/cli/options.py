"""Options that several commands have, so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from amin.engine.settings import READING_PACE

skip_broken = click.option(
    "--skip-broken", is_flag=True, help="leave out the lines of a file that cannot be read"
)

reading_pace = click.option(
    "--reading-pace",
    default=READING_PACE,
    show_default=True,
    help="tokens that a reader takes in a second: what pauses are measured by, where there is no "
    "stream promise",
)

workload = click.option(
    "--workload",
    help="where there is no trace: lmsys-like, templates, sessions, agents, outliers, ...",
)

ttft_target = click.option(
    "--ttft-target",
    default="off",
    show_default=True,
    help="2s, 500ms, ...: who waits and can still have its first token by then goes before all "
    "others, the cheapest first",
)

fair_share = click.option(
    "--fair-share",
    default="off",
    show_default=True,
    help="client: each client has an equal share of the server, and who floods it waits behind "
    "himself",
)

closed_loop = click.option(
    "--closed-loop",
    type=int,
    metavar="USERS",
    help="in place of times of arrival: so many users, each of whom asks when a reply has ended",
)

think_time = click.option(
    "--think-time",
    default=0.0,
    show_default=True,
    help="seconds between a reply and the next question of a user of --closed-loop",
)


class OutputFolder(click.Path):
    """A folder that is there or can be made: said at once, and not after minutes of work."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Fail where something above it is a file."""
        folder = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]
        above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not above.is_dir():
            self.fail(f"{folder}: {above} is a file, allowed: a folder", param, ctx)
        return folder
