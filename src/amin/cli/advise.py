"""``amin advise``: which setting for your traffic, what it gains and what it costs."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from amin.cli import options

if TYPE_CHECKING:
    from amin.workload.reading import Reading

EXAMPLES = """
\b
Examples:
  amin advise --trace log.jsonl                     # a log of amin serve --log says the rest
  amin advise --trace azure.csv.gz --kv-tokens 65536
  amin advise --trace lengths.csv --kv-tokens 65536 --load 1.2
  amin advise --trace t.csv --kv-tokens 65536 --step-time measured.csv
  amin advise --trace t.csv --kv-tokens 65536 --step-time linear:0.0052,0.000019

\b
KV tokens: vLLM prints them at its start ("GPU KV cache size: ... tokens"). Traces: as for amin
simulate; a column client or predicted_class is used where there is one. The last step time is what
8 billion weights took on an H200 (docs/vllm.md).
"""


@click.command(epilog=EXAMPLES)
@click.option("--trace", required=True, help="a file of traffic, as for amin simulate")
@options.reading
@click.option(
    "--kv-tokens",
    type=options.Tokens(),
    help="tokens that the KV cache holds  [default: what a log of amin serve says]",
)
@click.option("--num-requests", type=int, help="of the trace, the first so many [default: all]")
@click.option("--load", type=float, help="multiple of capacity [default: the trace's own]")
@options.server
@click.option(
    "--out",
    type=options.OutputFolder(),
    default=Path("results/advise"),
    show_default=True,
    help="folder for the page",
)
@click.option("--json", "as_json", is_flag=True, help="print all numbers as JSON")
def advise(
    trace: str,
    reading: Reading,
    num_requests: int | None,
    load: float | None,
    kv_tokens: int | None,
    server: dict[str, Any],
    out: Path,
    as_json: bool,
) -> None:
    """Which setting for this traffic on this memory, in a dozen lines and a page.

    Simulates vLLM's own settings and amin's on your trace, on days like it, and on half as much
    traffic again. What that rests on comes first.
    """
    from amin.experiment.advice import as_dict, as_page, in_words
    from amin.experiment.advise import advise as run
    from amin.experiment.served_setting import as_told
    from amin.experiment.setting import Setting
    from amin.experiment.traffic import Traffic
    from amin.report.terminal import console, progress

    traffic = Traffic(trace, num_requests, load, reading=reading)
    with progress(Console(stderr=True)) as track:
        advice = run(traffic, Setting(**as_told(traffic, kv_tokens, server)), track=track)
    command = shlex.join(["amin", *sys.argv[1:]])
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(as_page(advice, command), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(as_dict(advice, command), indent=2))
        return
    screen = console()
    for line in in_words(advice):
        screen.print(line, highlight=False, markup=False, soft_wrap=True)
    screen.print(f"page: {out / 'index.html'}", soft_wrap=True)
