"""One thread for calls that may hang, and that never keeps the process from exiting.

An executor of the standard library would: at exit it joins its threads, hanging ones too.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Call = Callable[[], None]


class Worker:
    """Makes calls one after the other; at most `max_waiting` wait. A call must not raise."""

    def __init__(self, name: str, max_waiting: int = 10_000) -> None:
        self._calls: queue.Queue[Call] = queue.Queue(max_waiting)
        threading.Thread(target=_run, args=(self._calls,), name=name, daemon=True).start()

    def submit(self, call: Call) -> bool:
        """Have the call made in its turn; False, at once, if too many wait already."""
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            return False
        return True


def _run(calls: queue.Queue[Call]) -> None:
    while True:
        call = calls.get()
        call()
        del call  # a request is not to be kept until the next one comes
