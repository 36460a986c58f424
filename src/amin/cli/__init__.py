"""The command line: one module for each command."""

from __future__ import annotations

import os
import sys

import click

from amin import __version__
from amin.cli.advise import advise
from amin.cli.compare import compare
from amin.cli.demo import demo
from amin.cli.doctor import doctor
from amin.cli.log import log
from amin.cli.map import map_
from amin.cli.policies import policies
from amin.cli.predictor import predictor
from amin.cli.reproduce import reproduce
from amin.cli.serve import serve
from amin.cli.simulate import simulate
from amin.errors import AminError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="amin")
def cli() -> None:
    """Schedule LLM requests by the lower bound of their predicted length."""


for command in (
    serve, simulate, advise, compare, map_, reproduce, predictor, log, policies, demo,
    doctor,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error, exit 2."""
    # A script's path begins with its own folder: modules of one's own lie in the current one.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        cli(prog_name="amin", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = f" (see: {context.command_path} --help)" if context else ""
        click.echo(f"amin: {error.format_message()}{where}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except AminError as error:
        click.echo(f"amin: {error}", err=True)
        sys.exit(2)
