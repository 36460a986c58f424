"""Where amin keeps what it can make again: compiled kernels, the demo's model.

The user's own folder is ``$AMIN_CACHE``, else ``$XDG_CACHE_HOME/amin``, else ``~/.cache/amin``. In
a container neither that nor the package may be writable; what can do without it then uses a
folder below the system's temporary one, or none.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def user_cache() -> Path:
    """The user's folder, whether or not it exists or can be written."""
    if path := os.environ.get("AMIN_CACHE"):
        return Path(path).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "amin"
    # Not Path.home(), which raises where a container's user has no entry in the user database.
    return Path(os.path.expanduser("~")) / ".cache" / "amin"


def writable_cache() -> Path | None:
    """The user's folder if it can be written, else a private temporary one, else None."""
    if is_writable(folder := user_cache()):
        return folder
    try:
        folder = Path(tempfile.gettempdir()) / f"amin-{os.getuid()}"
    except FileNotFoundError:
        return None
    return folder if is_writable(folder) and _is_private(folder) else None


def is_writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, which is made itself if need be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_private(folder: Path) -> bool:
    # Compiled code is loaded from it: one that somebody else laid out below /tmp is not trusted.
    status = folder.lstat()
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return is_own and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
