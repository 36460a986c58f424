"""Where the processes of one server leave their metrics for its ``/metrics``.

prometheus_client writes a file for each process into the folder that `METRICS_VARIABLE` names, and
vLLM's page is made of all of them. Imports neither.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_NAME = "amin-metrics-"


def new_metrics_folder() -> str:
    """An empty folder for the server that this process becomes, with its number in the name.

    Folders of servers that run no longer are removed.
    """
    everywhere = Path(tempfile.gettempdir())
    for folder in everywhere.glob(f"{_NAME}*"):
        if not _is_alive(folder.name.removeprefix(_NAME)):
            shutil.rmtree(folder, ignore_errors=True)
    own = everywhere / f"{_NAME}{os.getpid()}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(mode=0o700)
    return str(own)


def _is_alive(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True  # no folder of ours, or somebody else's process
    return True
