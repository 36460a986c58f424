"""``amin simulate``: one policy on one trace."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from amin.cli import options
from amin.engine.settings import (
    DEFAULT_POLICY,
    READING_PACE,
    SCHEDULING_POLICIES,
    TAIL_PROMISE,
    parse_fair_share,
    parse_stream_promise,
    parse_tail_promise,
    parse_ttft_target,
)
from amin.errors import ConfigError

if TYPE_CHECKING:
    from amin.experiment.explanation import Explanation
    from amin.experiment.run import Run
    from amin.experiment.traffic import Traffic
    from amin.workload.reading import Reading

EXAMPLES = """
\b
Examples:
  amin simulate --trace azure.csv.gz --kv-tokens 65536 --step-time linear:0.0052,0.000019
  amin simulate --trace azure.csv.gz --kv-tokens 65536 --policy vllm-fcfs --json
  amin simulate --trace export.csv --kv-tokens 65536 --records records.csv \\
      --columns arrival_time=ts,num_prompt_tokens=in,num_output_tokens=out,unit=ms
  amin simulate --workload sessions --load 1.2 --kv-tokens 16384
  amin simulate --workload lmsys-like --load 1.5 --kv-tokens 8176 --explain 700
  amin simulate --trace trace.csv --kv-tokens 16492 --paper --policy amin-static
\b
A trace is a table with arrival_time, num_prompt_tokens, num_output_tokens and, where known, lower,
upper, max_tokens, priority, predicted_class, client, request_id; or any other table, by --columns.
Results of vllm bench serve, guidellm, aiperf, inference-perf, genai-perf and LLMPerf, traces of
Azure, BurstGPT, ServeGen, Mooncake and Qwen, conversations, logs of LiteLLM, OpenTelemetry, vLLM
and amin serve --log are told apart by themselves (docs/traffic.md). The first line of the answer
says what the file was taken for.
\b
Defaults are those of amin serve beside a vLLM with nothing set. That step time is one of 8 billion
weights on an H200, measured (docs/vllm.md).
"""


@click.command(epilog=EXAMPLES)
@click.option("--trace", help="a file of traffic of nearly any kind: see below")
@options.reading
@options.workload
@click.option("--num-requests", type=int, help="[default: of a trace all, of a workload 1000]")
@click.option("--load", type=float, help="arrival rate as a multiple of capacity")
@options.closed_loop
@options.think_time
@click.option(
    "--kv-tokens",
    type=options.Tokens(),
    help="tokens that the KV memory holds  [default: what a log of amin serve says]",
)
@options.paper
@click.option(
    "--policy",
    help="see: amin policies; vllm-fcfs, vllm-priority or module:ATTRIBUTE  [default: "
    f"{DEFAULT_POLICY}, as amin serve; with --paper amin-static]",
)
@options.server
@click.option(
    "--tail-promise",
    help="a number: nobody takes longer than so many times what the worst-off request present "
    f"would have taken under FCFS; or off  [default: {TAIL_PROMISE:g}, as amin serve]",
)
@click.option(
    "--stream-promise",
    help="once a reply has begun, its reader, who takes so many tokens a second, does not wait; or "
    f"off  [default: {READING_PACE:g}, as amin serve]",
)
@options.ttft_target
@options.fair_share
@options.reading_pace
@click.option(
    "--scheduling-policy",
    type=click.Choice(SCHEDULING_POLICIES),
    default="fcfs",
    show_default=True,
    help="priority: the trace's priorities come first, smaller is more urgent, and the policy "
    "orders within a class",
)
@click.option("--watermark", default=0.0, show_default=True, help="share kept free at admission")
@click.option("--seed", default=0, show_default=True, help="draws the workload, breaks ties")
@click.option(
    "--records", type=click.Path(path_type=Path), help="write a CSV with a row per request"
)
@click.option(
    "--explain",
    metavar="REQUEST",
    help="say of one request, by its id (where there are no ids, its number from 0 on), who passed "
    "it, why it went when it did, and what stock FCFS would have done with it",
)
@click.option("--json", "as_json", is_flag=True, help="print all numbers as JSON")
def simulate(
    trace: str | None,
    reading: Reading,
    workload: str | None,
    num_requests: int | None,
    load: float | None,
    closed_loop: int | None,
    think_time: float,
    paper: bool,
    policy: str | None,
    server: dict[str, Any],
    tail_promise: str | None,
    stream_promise: str | None,
    ttft_target: str,
    fair_share: str,
    records: Path | None,
    explain: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Simulate a policy on a trace: what would it do with this traffic and this KV memory?"""
    from amin.experiment.assumed import assumed
    from amin.experiment.run import Run
    from amin.experiment.served_setting import as_told
    from amin.experiment.setting import Setting
    from amin.experiment.traffic import Traffic

    if (trace is None) == (workload is None):
        raise ConfigError(
            f"--trace: got {trace!r} and --workload {workload!r}, allowed: one of the two"
        )
    loop = closed_loop, think_time
    traffic = Traffic(str(trace or workload), num_requests, load, None, None, reading, *loop)
    kv_tokens = settings.pop("kv_tokens")
    said = server | {"kv_tokens": kv_tokens} if paper else as_told(traffic, kv_tokens, server)
    said |= settings
    if policy is not None:
        said["policy"] = policy
    if tail_promise is not None:
        said["tail_promise"] = parse_tail_promise(tail_promise)
    if stream_promise is not None:
        said["stream_promise"] = parse_stream_promise(stream_promise)
    said["ttft_target"] = parse_ttft_target(ttft_target)
    said["fair_share"] = parse_fair_share(fair_share)
    setting = (Setting.paper if paper else Setting)(**said)
    setting.check_policy()
    requests = traffic.trace(setting.seed, setting.config)
    engine = setting.engine()
    start = time.perf_counter()
    simulation = engine.simulate(requests)
    seconds = time.perf_counter() - start
    run = Run(setting, simulation)
    if records is not None:
        _write_records(run, records)
    told = None
    if explain is not None:
        from amin.experiment.explanation import explain as explained

        told = explained(simulation, explain)
    if as_json:
        numbers = {
            "assumed": [one._asdict() for one in assumed(setting, traffic.served)],
            "traffic": traffic.understood,
            **run.as_dict(),
            "wall_time_s": seconds,
        }
        if told is not None:
            numbers["explanation"] = told.as_dict()
        click.echo(json.dumps(numbers, indent=2))
        return
    _print(run, traffic, seconds)
    if told is not None:
        _print_explanation(told, run)


def _write_records(run: Run, path: Path) -> None:
    """A row per request in the order of the trace; the file appears whole or not at all."""
    from amin.record import RequestRecord
    from amin.report.rows import write_rows

    staging = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        with staging.open("x", encoding="utf-8", newline="") as file:
            write_rows(file, RequestRecord, run.result.records)
        os.replace(staging, path)
    except OSError as error:
        raise ConfigError(f"--records: {path}: cannot be written ({error.strerror})") from error
    finally:
        staging.unlink(missing_ok=True)


def _print_explanation(told: Explanation, run: Run) -> None:
    from amin.cli.explanation import life_table, sentences
    from amin.report.terminal import console

    out = console()
    out.print()
    out.print(life_table(told, run.simulation.policy))
    for sentence in sentences(told, run.setting.tail_promise):
        out.print(sentence, highlight=False)


def _print(run: Run, traffic: Traffic, seconds: float) -> None:
    from amin.experiment.assumed import in_words
    from amin.report.table import as_table
    from amin.report.terminal import console

    out = console()
    for line in (*in_words(run.setting, traffic.served), traffic.understood):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    out.print(as_table([run.result]))
    numbers = run.as_dict()
    out.print(
        f"load {traffic.load_in_words(numbers['rho'])}; at most {numbers['peak_kv_tokens']:,} of "
        f"{numbers['kv_tokens']:,} KV tokens in use; {numbers['num_rejected']:,} rejected; "
        f"simulated in {seconds:.2f} s",
        highlight=False,
    )
