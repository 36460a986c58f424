"""What is wrong is said at start, in one line, and nothing is served by halves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.live.in_process import Prompt, StartEngine
from tests.live.server import VLLM, StartServer, fake_vllm
from tests.live.shape import Json

from amin.engine.vllm.versions import SUPPORTED
from amin.errors import AminError

pytestmark = pytest.mark.live

# Runs `amin serve` with each of the lists of options, of a model that does not exist, so that
# nothing is served by mistake. Prints for each its exit code, what it wrote on either stream, and
# which of the slow imports had been made before its end.
AMIN_SERVE_WATCHED = """
import contextlib, io, json, sys
from amin.cli import main
ended = []
for options in json.loads(sys.argv[1]):
    sys.argv = ["amin", "serve", "no-such-model", *options]
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as exit:
            code = exit.code
    slow = [name for name in ("vllm", "torch", "transformers") if name in sys.modules]
    ended.append([code, out.getvalue(), err.getvalue(), slow])
print(json.dumps(ended))
"""
TABLES = {
    "not-json.json": '{"classes": ',
    "no-classes.json": "{}",
    "unknown-field.json": '{"classes": {}, "defaults": {"lower": 1}}',
    "no-lower.json": '{"classes": {"essay": {"upper": 9}}}',
    "negative.json": '{"classes": {"essay": {"lower": -4}}}',
    "reversed.json": '{"classes": {"essay": {"lower": 9, "upper": 3}}}',
}

REFUSED = [
    (["--policy", "amin-dinamic"], ["policy:", "'amin-dinamic'", "did you mean", "retract"]),
    (["--policy", "os:path"], ["policy:", "'os:path'", "allowed: a Policy"]),
    (["--policy", "no_such_module:P"], ["policy:", "'no_such_module:P'"]),
    (["--predictor", "clas"], ["predictor:", "'clas'", "constant:N, module:factory"]),
    (["--predictor", "constant:0"], ["predictor:", "constant:0", "1 <= N"]),
    (["--predictor", "no_such_module:f"], ["predictor:", "'no_such_module:f'"]),
    (["--predictor", "class"], ["predictor:", "class needs a table", "class:PATH"]),
    (["--predictor", "class:no-such.json"], ["no-such.json", "No such file"]),
    (["--predictor", "class:not-json.json"], ["not-json.json", "not JSON"]),
    (["--predictor", "class:no-classes.json"], ["no-classes.json", "allowed: an object with"]),
    (["--predictor", "class:unknown-field.json"], ["'defaults'", "allowed: classes, default"]),
    (["--predictor", "class:no-lower.json"], ["classes.essay", "{'upper': 9}", "allowed:"]),
    (["--predictor", "class:negative.json"], ["classes.essay", "-4", "allowed: an integer"]),
    (["--predictor", "class:reversed.json"], ["classes.essay", "lower: got 9", "upper (3)"]),
    (["--forecast-floor", "0"], ["forecast_floor", "got 0", "allowed: an integer >= 1"]),
    (["--scheduler-cls", "x.Y"], ["--scheduler-cls", "amin.engine.vllm.AminScheduler"]),
    (["--scheduler_cls=x.Y"], ["--scheduler-cls", "amin.engine.vllm.AminScheduler"]),
    (["--additional-config.amin.policy=fcfs"], ["--additional-config", "leave amin out"]),
]


class Ended(NamedTuple):
    """How a command ended: exit code, both streams, and which slow imports had been made."""

    code: int
    output: str
    complaint: str
    slow_imports: list[str]


def amin_serve(refused: list[list[str]], cwd: Path, **environment: str) -> list[Ended]:
    """``amin serve`` with each list of options, one after the other in one process."""
    done = subprocess.run(
        [sys.executable, "-c", AMIN_SERVE_WATCHED, json.dumps(refused)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [Ended(*each) for each in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> list[Ended]:
    """Of all that is refused."""
    folder = tmp_path_factory.mktemp("tables")
    for name, text in TABLES.items():
        (folder / name).write_text(text)
    return amin_serve([options for options, _ in REFUSED], folder)


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[" ".join(o) for o, _ in REFUSED])
def test_amin_serve_refuses(ends: list[Ended], number: int) -> None:
    """Exit code 2 and one line naming field, value and what is allowed, before vLLM is imported."""
    ended = ends[number]
    assert ended.code == 2
    assert ended.complaint.startswith("amin: ")
    assert ended.complaint.count("\n") == 1
    for word in REFUSED[number][1]:
        assert word in ended.complaint
    assert (ended.output, ended.slow_imports) == ("", [])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"polcy": "fcfs"}, "unknown setting 'polcy'; allowed: policy, predictor, client_hints"),
        ({"policy": "fifo"}, "policy: unknown 'fifo'"),
        ({"predictor": "json:JSONDecoder"}, "made a JSONDecoder, allowed: a Predictor"),
        ({"client_hints": "yes"}, "client_hints: got 'yes', allowed: true or false"),
        ("amin-dynamic", "got 'amin-dynamic', allowed: an object of settings"),
    ],
)
def test_engine_refuses_settings(start_engine: StartEngine, settings: Any, complaint: str) -> None:
    """Wrong settings end the start of an engine."""
    with pytest.raises(AminError, match=complaint):
        start_engine(settings)


def test_the_next_engine_of_the_process_is_sound(start_engine: StartEngine) -> None:
    """After one that was refused another starts, and answers."""
    with pytest.raises(AminError, match="unknown setting"):
        start_engine({"polcy": "fcfs"})
    (output,) = start_engine({}).serve([Prompt(tokens=[5, 6, 7], max_tokens=4)])
    assert len(output) == 4


def test_plain_server_refuses_settings(start_server: StartServer) -> None:
    """A plain vLLM server with a setting that does not exist ends, with the reason in its log."""
    settings = json.dumps({"amin": {"polcy": "amin-dynamic"}})
    scheduler = ("--scheduler-cls", "amin.engine.vllm.AminScheduler")
    server = start_server(VLLM, *scheduler, "--additional-config", settings)
    assert server.process.wait(120) != 0
    assert "amin: unknown setting 'polcy'; allowed: policy, predictor," in server.output()


@pytest.mark.parametrize("version", ["0.11.0", "0.23.1+cpu"])
def test_amin_serve_refuses_older_versions(version: str, tmp_path: Path) -> None:
    """A vLLM that is too old is refused with the range, before it is imported."""
    (ended,) = amin_serve([[]], tmp_path, **fake_vllm(tmp_path, version))
    complaint = f"amin: vLLM {version} is installed; supported: {SUPPORTED}\n"
    assert ended == Ended(2, "", complaint, [])


def test_plain_server_refuses_older_versions(start_server: StartServer, tmp_path: Path) -> None:
    """A plain vLLM server that is too old does not start with AminScheduler."""
    # +cpu, because vLLM looks there for what it was built for.
    environment: Json = fake_vllm(tmp_path, "0.23.0+cpu")
    server = start_server(VLLM, "--scheduler-cls", "amin.engine.vllm.AminScheduler", **environment)
    assert server.process.wait(120) != 0
    assert f"vLLM 0.23.0+cpu is installed; supported: {SUPPORTED}" in server.output()
