"""What is shown while somebody waits, and how wide.

Progress of long work is bars in a terminal and a line now and then anywhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[], None]
Track = Callable[[str, int], Advance]
"""``track(what, total)`` begins a piece of work; what it returns is called `total` times."""

SECONDS_BETWEEN_LINES = 10.0


WIDTH_OF_A_LOG = 120


def console() -> Console:
    """Standard output; where it is no terminal, as wide as tables need it."""
    out = Console()
    if not out.is_terminal:
        out.width = WIDTH_OF_A_LOG
    return out


def plain(text: str) -> str:
    """A stranger's text as it may be printed: what would steer a terminal is written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def progress(out: Console) -> Iterator[Track]:
    """Show what is tracked within."""
    if not out.is_terminal:
        yield lambda what, total: _lines(out, what, total)
        return
    columns = (
        TextColumn("{task.description:36}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out) as bars:

        def track(what: str, total: int) -> Advance:
            task = bars.add_task(what, total=total)
            return lambda: bars.advance(task)

        yield track


def _lines(out: Console, what: str, total: int) -> Advance:
    start = last = time.monotonic()
    done = 0
    out.print(f"{what}: 0/{total}", highlight=False, soft_wrap=True)

    def advance() -> None:
        nonlocal done, last
        done += 1
        now = time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            out.print(
                f"{what}: {done}/{total} after {now - start:.0f} s", highlight=False, soft_wrap=True
            )

    return advance
