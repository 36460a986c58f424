"""A folder that the processes of one server share: for metrics, and for what the operator asks.

prometheus_client writes a file for each process into the folder that `METRICS_VARIABLE` names, and
vLLM's ``/metrics`` is made of all of them. The file that `MODE_VARIABLE` names says in which mode
amin is to be (`amin.engine.vllm.mode`). Imports neither vLLM nor prometheus_client.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MODE_VARIABLE = "AMIN_MODE_FILE"

_NAME = "amin-server-"


def share_a_folder(environment: dict[str, str]) -> None:
    """Name the files of a new folder in the server's environment, but for what is named there.

    The folder has the number of this process in its name, which the server will have. Folders of
    servers that run no longer are removed.
    """
    everywhere = Path(tempfile.gettempdir())
    for folder in everywhere.glob(f"{_NAME}*"):
        if not _is_alive(folder.name.removeprefix(_NAME)):
            shutil.rmtree(folder, ignore_errors=True)
    own = everywhere / f"{_NAME}{os.getpid()}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(mode=0o700)
    for variable, name in ((METRICS_VARIABLE, "."), (MODE_VARIABLE, "mode.json")):
        environment[variable] = environment.get(variable) or str(own / name)


def _is_alive(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True  # no folder of ours, or somebody else's process
    return True
