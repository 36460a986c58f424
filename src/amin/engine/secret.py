"""The server's own secret: names and API keys are hashed with it, never bare.

Whoever reads a file of lengths, or sees a hash pass by, can then not find out a name by hashing
guesses. All processes of a server must have the same one, and where lengths are kept across
restarts it must be the same after them: so it comes from the environment, else from a file beside
the file of lengths, else it is made up and forgotten when the server stops.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path

ENVIRONMENT_VARIABLE = "AMIN_SECRET"


def server_secret(
    lengths_file: str = "", environment: MutableMapping[str, str] = os.environ
) -> str:
    """The secret as text; if `environment` has none, one is found or made and put there.

    Beside `lengths_file` it is kept in a file that its owner alone may read. Where that cannot be
    written or read, one is made up.
    """
    secret = environment.get(ENVIRONMENT_VARIABLE, "")
    if lengths_file and not secret:
        with contextlib.suppress(OSError):
            secret = _kept(Path(f"{lengths_file}.secret"))
    environment[ENVIRONMENT_VARIABLE] = secret or secrets.token_hex(32)
    return environment[ENVIRONMENT_VARIABLE]


def _kept(path: Path) -> str:
    """What is in the file; the first process to come writes it, and all others read that."""
    if not path.exists():
        staging = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        descriptor = os.open(staging, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):
                os.link(staging, path)
        finally:
            staging.unlink()
    return path.read_text().strip()
