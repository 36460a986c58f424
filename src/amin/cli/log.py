"""``amin log``: what a server's log has."""

from __future__ import annotations

from pathlib import Path

import click

from amin.cli import options

EXAMPLES = """
\b
Examples:
  amin serve MODEL --log traffic.jsonl                  # write one; nothing personal
  amin serve MODEL --log traffic.jsonl --log-prompts    # with texts, to train on
  amin log traffic.jsonl
  amin simulate --trace traffic.jsonl --kv-tokens 65536
  amin advise --trace traffic.jsonl --kv-tokens 65536
  amin predictor train traffic.jsonl
\b
A line for each request when it ends: arrival, tokens of prompt and reply, the cap, whether it was
cut, class and client (hashed), where prompts begin alike (hashed). The salt of the hashes is
forgotten when the server stops. Lines may be appended by several runs, and cut off by others.
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@options.skip_broken
def log(file: Path, skip_broken: bool) -> None:
    """Say what is in a log that ``amin serve --log FILE`` writes."""
    import numpy as np

    from amin.workload.log import read_log

    found = read_log(file, skip_broken)
    trace = found.trace
    hours = float(trace.arrival_time[-1]) / 3600
    click.echo(f"{len(trace):,} requests in {hours:.2f} hours, {found.num_broken:,} broken lines")
    for name, lengths in (("prompt", trace.num_prompt_tokens), ("reply", found.num_made)):
        low, middle, high = np.quantile(lengths, [0.05, 0.5, 0.95])
        click.echo(
            f"{name}: {lengths.mean():.0f} tokens on average, median {middle:.0f}, "
            f"nine tenths between {low:.0f} and {high:.0f}"
        )
    click.echo(f"cut short (max_tokens, aborted): {found.is_cut.mean():.1%} of the replies")
    for name, values in (("classes", trace.predicted_class), ("clients", trace.client)):
        click.echo(f"{name}: {len({value for value in values if value is not None}):,}")
    num_texts = sum(prompt is not None for prompt in trace.prompt)
    click.echo(f"prompts with their text: {num_texts:,}")
