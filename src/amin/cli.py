"""The command line: ``amin serve``, ``amin policies``, ``amin demo``."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from amin import __version__
from amin.engine.vllm.config import AminConfig
from amin.errors import AminError
from amin.policy.catalog import POLICIES, get_policy

SERVE_EXAMPLES = """
\b
Examples:
  amin serve Qwen/Qwen3-8B
  amin serve Qwen/Qwen3-8B --policy amin-dynamic --predictor class:classes.json \\
      --client-hints --port 8000 --gpu-memory-utilization 0.9
\b
The same on a plain vLLM server:
  vllm serve MODEL --scheduler-cls amin.engine.vllm.AminScheduler \\
      --additional-config '{"amin": {"policy": "amin-dynamic"}}'
\b
With --client-hints a request may say what is known of its length:
  {"prompt": "...", "vllm_xargs": {"amin_lower": 40, "amin_upper": 300}}
  {"prompt": "...", "vllm_xargs": {"amin_class": "summary"}}
"""

DEMO_EXAMPLES = """\
\b
Examples:
  amin demo
  amin demo --minutes 20 --load 1.5
  amin demo --schedulers vllm-priority-watermark,amin-dynamic,your.module:POLICY
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="amin")
def cli() -> None:
    """Schedule LLM requests by the lower bound of their predicted length."""


@cli.command(
    epilog=SERVE_EXAMPLES,
    # No -h: vLLM has short options of several letters with an h among them.
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("model")
@click.option("--policy", default=AminConfig.policy, show_default=True, help="see: amin policies")
@click.option(
    "--predictor",
    default=AminConfig.predictor,
    show_default=True,
    help="constant:N, class:PATH or module:factory",
)
@click.option(
    "--client-hints/--no-client-hints",
    default=False,
    show_default=True,
    help="believe amin_lower, amin_upper, amin_class in a request's vllm_xargs",
)
@click.option(
    "--forecast-floor",
    type=int,
    default=AminConfig.forecast_floor,
    show_default=True,
    help="forecast at least so many more tokens of every request",
)
@click.option("--amin-seed", type=int, default=0, show_default=True, help="breaks preemption ties")
@click.option("--dry-run", is_flag=True, help="print the vLLM command instead of running it")
@click.argument("vllm_options", nargs=-1, type=click.UNPROCESSED)
def serve(
    model: str,
    policy: str,
    predictor: str,
    client_hints: bool,
    forecast_floor: int,
    amin_seed: int,
    dry_run: bool,
    vllm_options: tuple[str, ...],
) -> None:
    """Serve MODEL with vLLM's OpenAI-compatible server, scheduled by amin.

    Every option that is not listed here goes to vLLM unchanged.
    """
    from amin.engine.vllm.serve import server_command
    from amin.engine.vllm.versions import require_supported_version

    require_supported_version()
    config = AminConfig(
        policy=policy,
        predictor=predictor,
        client_hints=client_hints,
        forecast_floor=forecast_floor,
        seed=amin_seed,
    )
    command, environment = server_command(model, config, vllm_options)
    if dry_run:
        click.echo(f"AMIN_CONFIG={shlex.quote(environment['AMIN_CONFIG'])} {shlex.join(command)}")
        return
    os.execve(command[0], command, environment)


@cli.command()
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


@cli.command(epilog=DEMO_EXAMPLES)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
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


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error, exit 2."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except AminError as error:
        click.echo(f"amin: {error}", err=True)
        sys.exit(2)
