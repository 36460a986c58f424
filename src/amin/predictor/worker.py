"""One thread for calls that may hang, and that never keeps the process from exiting.

An executor of the standard library would: at exit it joins its threads, hanging ones too.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Worker:
    """Makes calls one after the other; at most `max_waiting` wait for their turn."""

    def __init__(self, name: str, max_waiting: int = 1000) -> None:
        self._calls: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue(max_waiting)
        threading.Thread(target=_run, args=(self._calls,), name=name, daemon=True).start()

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """The result to come; raises `TimeoutError` at once if too many calls wait already."""
        future: Future[Any] = Future()
        try:
            self._calls.put_nowait((future, call))
        except queue.Full:
            raise TimeoutError from None
        return future


def _run(calls: queue.Queue[tuple[Future[Any], Callable[[], Any]]]) -> None:
    while True:
        future, call = calls.get()
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)
        del future, call  # a request is not to be kept until the next one comes
