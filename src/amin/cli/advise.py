"""``amin advise``: which setting for your traffic, what it gains and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from amin.cli import options
from amin.experiment import example

if TYPE_CHECKING:
    from amin.workload.reading import Reading

EXAMPLES = """
\b
Examples:
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
    "--kv-tokens", type=options.Tokens(), required=True, help="tokens that the KV cache holds"
)
@click.option("--num-requests", type=int, help="of the trace, the first so many [default: all]")
@click.option("--load", type=float, help="multiple of capacity [default: the trace's own]")
@click.option("--block-size", default=example.BLOCK_SIZE, show_default=True)
@click.option("--step-time", default=example.STEP_TIME, show_default=True)
@click.option("--max-num-seqs", type=int, help="[default: 256]")
@click.option("--max-num-batched-tokens", type=int, help="[default: 2048]")
@click.option(
    "--enable-prefix-caching/--no-enable-prefix-caching",
    default=True,
    show_default=True,
    help="as your vLLM server has it",
)
@click.option(
    "--out",
    type=options.OutputFolder(),
    default=Path("results/advise"),
    show_default=True,
    help="folder for the page",
)
def advise(
    trace: str,
    reading: Reading,
    num_requests: int | None,
    load: float | None,
    out: Path,
    **engine: Any,
) -> None:
    """Which setting for this traffic on this memory, in ten lines and a page.

    Simulates vLLM's own settings and amin's on your trace, and on half as much again.
    """
    from amin.experiment.advise import advise as run
    from amin.experiment.advise import as_page, in_words
    from amin.experiment.setting import Setting
    from amin.experiment.traffic import Traffic
    from amin.report.terminal import console, progress

    traffic = Traffic(trace, num_requests, load, reading=reading)
    with progress(Console(stderr=True)) as track:
        advice = run(traffic, Setting(**engine), track=track)
    screen = console()
    for line in in_words(advice):
        screen.print(line, highlight=False, markup=False, soft_wrap=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(as_page(advice), encoding="utf-8")
    screen.print(f"page: {out / 'index.html'}", soft_wrap=True)
