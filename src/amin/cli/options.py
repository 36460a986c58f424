"""Options that several commands have, so that they are called and explained alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from amin.engine.settings import READING_PACE
from amin.predictor.catalog import ALLOWED

skip_broken = click.option(
    "--skip-broken", is_flag=True, help="leave out the lines of a file that cannot be read"
)


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is said of a file that does not say it itself: ``reading``, a `Reading`."""

    @click.option(
        "--columns",
        metavar="NAME=COLUMN,...",
        help="of any table: arrival_time=ts,num_prompt_tokens=in,num_output_tokens=out[,unit=ms]; "
        "unit alone also for files that are known",
    )
    @click.option(
        "--hash-block-size",
        type=int,
        help="prompt tokens that one of a file's hash_ids stands for [default: the format's]",
    )
    @click.option("--run", type=int, help="of a file with several runs of a benchmark, from 1 on")
    @skip_broken
    @wraps(command)
    def with_reading(
        *args: Any,
        columns: str | None,
        hash_block_size: int | None,
        run: int | None,
        skip_broken: bool,
        **others: Any,
    ) -> Any:
        from amin.workload.reading import Reading

        said = Reading.of(columns, skip_broken, hash_block_size, run)
        return command(*args, reading=said, **others)

    return with_reading


_SERVER = {
    "block_size": click.option(
        "--block-size", type=int, help="tokens per block of KV memory  [default: 16]"
    ),
    "step_time": click.option(
        "--step-time",
        help="how long a step takes: linear:C,T[,K] (C seconds, T per token computed, K per token "
        "in memory), a CSV file of measured steps, or unit  [default: linear:0.03,0.00015, which "
        "is no GPU's in particular]",
    ),
    "max_num_seqs": click.option("--max-num-seqs", type=int, help="[default: 256]"),
    "max_num_batched_tokens": click.option(
        "--max-num-batched-tokens", type=int, help="[default: 2048]"
    ),
    "enable_prefix_caching": click.option(
        "--enable-prefix-caching/--no-enable-prefix-caching",
        default=None,
        help="blocks keep what they hold until they are used again  [default: on, as in vLLM]",
    ),
    "eviction": click.option(
        "--eviction",
        help="what becomes of a preempted request: recompute (vLLM), swap (an offloading "
        "connector) or restart (the paper)  [default: recompute]",
    ),
    "forecast_floor": click.option(
        "--forecast-floor", type=int, help="[default: 15, with eviction swap 1]"
    ),
    "predictor": click.option(
        "--predictor",
        help=f"bounds of requests whose row has none: {', '.join(ALLOWED)}  [default: online]",
    ),
}


def server(command: Callable[..., Any]) -> Callable[..., Any]:
    """The shape of a server, by default as vLLM starts it: ``server``, what of it was given."""

    @wraps(command)
    def with_server(*args: Any, **given: Any) -> Any:
        said = {name: given.pop(name) for name in _SERVER}
        said = {name: value for name, value in said.items() if value is not None}
        return command(*args, server=said, **given)

    for option in reversed(_SERVER.values()):
        with_server = option(with_server)
    return with_server


paper = click.option(
    "--paper",
    is_flag=True,
    help="the model of arXiv 2508.14544 in place of a server: a step takes 1, blocks of one token, "
    "no limit but memory, no prefix cache, preempted requests restart, no promises, bounds of 1",
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


class Tokens(click.ParamType):  # type: ignore[type-arg]
    """A number of tokens, which may be written as vLLM prints it: ``65,536``."""

    name = "tokens"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Fail where it is no number."""
        try:
            return int(str(value).replace(",", ""))
        except ValueError:
            self.fail(f"got {value!r}, allowed: a number like 65536 or 65,536", param, ctx)


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
