"""Options that several commands have, so that they are called and explained alike."""

from __future__ import annotations

import click

skip_broken = click.option(
    "--skip-broken", is_flag=True, help="leave out the lines of a log that cannot be read"
)
