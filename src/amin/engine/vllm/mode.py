"""Whether amin decides, looks on, or is off; and how a running server is told otherwise.

on      amin decides
shadow  vLLM decides, as it does without amin; amin keeps its books, learns, and counts how often
        it would have chosen somebody else
off     vLLM decides, and amin but keeps its books, so that it can be switched on again

The API's process writes what the operator asks for into a file, each engine looks at it a few times
a second on a thread of its own, changes at its next step, and writes beside it what it does.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amin.engine.vllm.server_folder import MODE_VARIABLE
from amin.errors import ConfigError

ON, SHADOW, OFF = MODES = ("on", "shadow", "off")
SECONDS_BETWEEN_LOOKS = 0.2


def check_mode(mode: Any) -> None:
    """Raise `ConfigError` unless it is one of `MODES`."""
    if mode not in MODES:
        raise ConfigError(f"mode: got {mode!r:.60}, allowed: {', '.join(MODES)}")


class ModeFile:
    """The file that `MODE_VARIABLE` names; nothing is asked for where there is none."""

    def __init__(self, path: Path | None = None) -> None:
        named = os.environ.get(MODE_VARIABLE)
        self._path = path if path is not None else Path(named) if named else None

    @property
    def is_there(self) -> bool:
        """Whether a mode can be asked for."""
        return self._path is not None

    def ask(self, mode: object) -> None:
        """Ask all engines of the server; raises `ConfigError`, `OSError`."""
        check_mode(mode)
        self._write(self._path, {"mode": mode})

    def asked(self) -> str | None:
        """What was asked for; None where nothing was, or nothing that can be read."""
        mode = self._read(self._path).get("mode")
        return mode if mode in MODES else None

    def tell(self, rank: int, mode: str) -> None:
        """An engine has changed its mode."""
        if self._path is not None:
            told = {"engine": rank, "mode": mode, "since": time.time()}
            self._write(self._path.with_name(f"{self._path.name}.engine-{rank}"), told)

    def told(self) -> list[dict[str, Any]]:
        """What each engine does, and since when."""
        if self._path is None:
            return []
        found = sorted(self._path.parent.glob(f"{self._path.name}.engine-*"))
        return [self._read(path) for path in found if not path.name.endswith(".new")]

    def _write(self, path: Path | None, value: dict[str, Any]) -> None:
        """Whole or not at all."""
        if path is not None:
            staging = path.with_name(f"{path.name}.{os.getpid()}.new")
            staging.write_text(json.dumps(value), encoding="utf-8")
            staging.replace(path)

    def _read(self, path: Path | None) -> dict[str, Any]:
        try:
            value = json.loads(path.read_text("utf-8")) if path is not None else {}
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


class ModeWatch:
    """What the engine with number `rank` is to do: `mode`, kept up to date by a thread."""

    def __init__(self, mode: str, rank: int, file: ModeFile) -> None:
        self.mode = mode
        self._rank, self._file = rank, file
        if file.is_there:
            threading.Thread(target=self._run, name="amin-mode", daemon=True).start()

    def does(self, mode: str) -> None:
        """The engine does what is asked, from now on."""
        if self._file.is_there:
            threading.Thread(target=_quietly, args=(self._file.tell, self._rank, mode)).start()

    def _run(self) -> None:
        while True:
            self.mode = self._file.asked() or self.mode
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _quietly(call: Callable[..., None], *args: Any) -> None:
    try:
        call(*args)
    except OSError:
        return  # a full disk must not be a fault of the scheduler's
