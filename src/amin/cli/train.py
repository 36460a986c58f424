"""``amin predictor train``: a predictor of reply lengths from a log of prompts."""

from __future__ import annotations

from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from amin.cli import options

EXAMPLES = """
\b
Examples:
  amin predictor train log.jsonl
  amin predictor train log.jsonl.gz --out chat.npz --skip-broken
  amin serve MODEL --predictor text:chat.npz
\b
A line of the log is a request that ended:
  {"prompt": "Why is the sky blue?", "num_output_tokens": 212}
Messages in place of a prompt are read as the API has them. Several replies to one prompt are
several labels; where lines name a "model", each model's habit is taken out first; "is_cut": true
says that a reply would have gone on. amin serve MODEL --log FILE --log-prompts writes such a log.
\b
Needs scikit-learn: pip install 'amin[train]'. What serves needs numpy alone.
"""


@click.command(epilog=EXAMPLES)
@click.argument("log", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("text-model.npz"),
    show_default=True,
    help="the model's file",
)
@options.skip_broken
def train(log: Path, out: Path, skip_broken: bool) -> None:
    """Train a predictor that reads prompts, on a LOG in JSON lines.

    Says how well it puts prompts that it has not seen in order, next to their length alone.
    """
    from amin.errors import ConfigError
    from amin.experiment.replies import replies_of
    from amin.predictor.training import NUM_FOLDS
    from amin.predictor.training import train as fit
    from amin.report.terminal import console, progress
    from amin.workload.log import read_log

    found = read_log(log, skip_broken)
    replies = replies_of(found, log)
    with progress(Console(stderr=True)) as track:
        advance = track("training", NUM_FOLDS + 1)
        model = fit(replies, advance)
    try:
        model.write(out)
    except OSError as error:
        raise ConfigError(f"--out: {out}: cannot be written ({error.strerror})") from error
    about, screen = model.about, console()
    if found.num_broken:
        screen.print(f"{found.num_broken:,} broken lines left out", highlight=False)
    screen.print(
        f"{about['num_prompts']:,} prompts, {about['num_replies']:,} replies. Rank correlation "
        f"with the length of replies, on prompts not seen: {about['rank_correlation']:.2f}; of "
        f"the prompt's length alone: {about['rank_correlation_of_prompt_length']:.2f}",
        highlight=False,
    )
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    for title in ("class", "5 % shorter than", "median", "5 % longer than"):
        table.add_column(title, justify="right")
    for number, row in enumerate(model.quantiles):
        table.add_row(str(number), *(f"{row[i]:.0f}" for i in (0, len(row) // 2, -1)))
    screen.print(table)
    screen.print(f"model: {out}", soft_wrap=True)
