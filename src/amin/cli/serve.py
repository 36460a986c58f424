"""``amin serve``: vLLM's server with amin as its scheduler."""

from __future__ import annotations

import os
import shlex

import click

from amin.cli import options
from amin.engine.settings import (
    READING_PACE,
    TAIL_PROMISE,
    parse_fair_share,
    parse_stream_promise,
    parse_tail_promise,
    parse_ttft_target,
)
from amin.engine.vllm.config import AminConfig
from amin.predictor.catalog import ALLOWED

SERVE_EXAMPLES = """
\b
Examples:
  amin serve Qwen/Qwen3-8B
  amin serve Qwen/Qwen3-8B --tail-promise off         # lowest mean, no promise
  amin serve Qwen/Qwen3-8B --policy amin-dynamic --predictor class:classes.json \\
      --client-hints --port 8000 --gpu-memory-utilization 0.9
\b
The same on a plain vLLM server:
  vllm serve MODEL --scheduler-cls amin.engine.vllm.AminScheduler \\
      --additional-config '{"amin": {"policy": "amin-dynamic"}}'
\b
With --client-hints a request may say what is known of its length:
  {"prompt": "...", "vllm_xargs": {"amin_lower": 40, "amin_upper": 300}}
  {"prompt": "...", "vllm_xargs": {"amin_class": "summary", "amin_client": "app-7"}}
"""


@click.command(
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
    help=", ".join(ALLOWED),
)
@click.option(
    "--client-hints/--no-client-hints",
    default=False,
    show_default=True,
    help="believe amin_lower, amin_upper, amin_class, amin_client, amin_reading_pace in a "
    "request's vllm_xargs",
)
@click.option(
    "--forecast-floor",
    type=int,
    help="forecast at least so many more tokens of every request  [default: 15; 1 with an "
    "offloading connector]",
)
@click.option(
    "--tail-promise",
    default=str(TAIL_PROMISE),
    show_default=True,
    help="a number: nobody takes longer than so many times what the worst-off request present "
    "would have taken under FCFS; or off",
)
@click.option(
    "--stream-promise",
    default=f"{READING_PACE:g}",
    show_default=True,
    help="tokens that a reader takes in a second: once a streamed reply has begun, its reader does "
    "not wait; or off",
)
@options.ttft_target
@options.fair_share
@click.option(
    "--lengths-file",
    type=click.Path(dir_okay=False),
    default="",
    help="keep what is learned of lengths here across restarts [default: nowhere]",
)
@click.option(
    "--log",
    "log_file",
    type=click.Path(dir_okay=False),
    default="",
    help="append each request that ended to this file, to train and to replay: see amin log "
    "[default: nowhere]",
)
@click.option("--log-prompts", is_flag=True, help="write the prompts' texts there, too")
@click.option("--amin-seed", type=int, default=0, show_default=True, help="breaks preemption ties")
@click.option(
    "--shadow",
    is_flag=True,
    help="vLLM decides as it does without amin, and amin learns and counts what it would have done",
)
@click.option("--dry-run", is_flag=True, help="print the vLLM command instead of running it")
@click.argument("vllm_options", nargs=-1, type=click.UNPROCESSED)
def serve(
    model: str,
    policy: str,
    predictor: str,
    client_hints: bool,
    forecast_floor: int | None,
    tail_promise: str,
    stream_promise: str,
    ttft_target: str,
    fair_share: str,
    lengths_file: str,
    log_file: str,
    log_prompts: bool,
    amin_seed: int,
    shadow: bool,
    dry_run: bool,
    vllm_options: tuple[str, ...],
) -> None:
    """Serve MODEL with vLLM's OpenAI-compatible server, scheduled by amin.

    Every option that is not listed here goes to vLLM unchanged.
    """
    from amin.engine.vllm.serve import server_command
    from amin.engine.vllm.server_folder import share_a_folder
    from amin.engine.vllm.versions import require_supported_version

    require_supported_version()
    config = AminConfig(
        policy=policy,
        predictor=predictor,
        client_hints=client_hints,
        forecast_floor=forecast_floor,
        tail_promise=parse_tail_promise(tail_promise),
        stream_promise=parse_stream_promise(stream_promise),
        ttft_target=parse_ttft_target(ttft_target),
        fair_share=parse_fair_share(fair_share),
        lengths_file=lengths_file,
        log_file=log_file,
        log_prompts=log_prompts,
        seed=amin_seed,
        mode="shadow" if shadow else "on",
    )
    command, environment = server_command(model, config, vllm_options)
    if dry_run:
        click.echo(f"AMIN_CONFIG={shlex.quote(environment['AMIN_CONFIG'])} {shlex.join(command)}")
        return
    share_a_folder(environment)
    os.execve(command[0], command, environment)
