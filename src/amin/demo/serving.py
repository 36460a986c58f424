"""Prompts of the demo, served in a fresh process each time (`amin.demo.serve_one`)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from amin.demo.prompts import Prompt
from amin.demo.serve_one import ServeJob
from amin.errors import AminError
from amin.record import RunResult
from amin.report.results import read_result
from amin.report.terminal import Advance


def serve(
    prompts: Sequence[Prompt], model: Path, advance: Advance, **settings: object
) -> RunResult:
    """Serve the prompts in a fresh process; `settings` are the rest of a `ServeJob`.

    Raises `AminError`, with the end of its log, if the process fails.
    """
    rows = [(prompt.id, prompt.kind, prompt.text) for prompt in prompts]
    with tempfile.TemporaryDirectory() as directory:
        out, description = Path(directory, "result"), Path(directory, "job.json")
        job = ServeJob(str(model), prompts=rows, out=str(out), **settings)  # type: ignore[arg-type]
        description.write_text(json.dumps(asdict(job)))
        log = Path(directory, "log")
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "amin.demo.serve_one", str(description)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith('{"ended"'):
                    advance()
        if process.wait() != 0:
            tail = "\n".join(log.read_text().splitlines()[-15:])
            raise AminError(f"serving with {job.name} failed:\n{tail}")
        return read_result(out)
