import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from amin.cli import main
from amin.errors import ConfigError
from amin.experiment.setting import Setting
from amin.policy.catalog import POLICIES


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["amin", *arguments])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_policies_lists_each_with_its_rules_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every policy of the catalog has an entry, and A_min's says who leaves first."""
    monkeypatch.setenv("COLUMNS", "80")
    assert _run(monkeypatch, "policies") == 0
    printed = capsys.readouterr().out
    assert all(name in printed.splitlines() for name in POLICIES)
    assert "Smallest bound leaves first" in printed
    assert "…" not in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "m", "--policy", "amin-dyn"], ["policy", "'amin-dyn'", "did you mean"]),
        (["serve", "m", "--predictor", "class:/nowhere.json"], ["/nowhere.json", "cannot be read"]),
        (["serve", "m", "--predictor", "constant:0"], ["constant:0", "allowed"]),
        (["serve", "m", "--forecast-floor", "0"], ["forecast_floor", "0", "allowed"]),
        (["serve", "m", "--scheduler-cls", "x.Y"], ["--scheduler-cls"]),
        (["demo", "--minutes", "0"], ["minutes", "0", "allowed"]),
        (["demo", "--load", "-1"], ["load", "-1", "allowed"]),
        (["demo", "--schedulers", "foo"], ["schedulers", "'foo'", "vllm-fcfs", "amin-static"]),
        (["serve", "m", "--predictor", "class"], ["class needs a table", "class:PATH"]),
        (["policies", "nope"], ["policy", "'nope'", "allowed"]),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: list[str],
) -> None:
    """A wrong setting ends in one line on stderr with field, value and what is allowed."""
    monkeypatch.setattr("amin.engine.vllm.versions.require_supported_version", lambda: None)
    assert _run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert all(word in error for word in words), error


def test_a_class_table_with_a_typo_names_file_field_and_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A bound of 0 in a table is refused at start with the row's name."""
    monkeypatch.setattr("amin.engine.vllm.versions.require_supported_version", lambda: None)
    table = tmp_path / "classes.json"
    table.write_text(json.dumps({"classes": {"story": {"lower": 0}}}))
    assert _run(monkeypatch, "serve", "m", "--predictor", f"class:{table}") == 2
    error = capsys.readouterr().err
    assert str(table) in error
    assert "classes.story" in error


def test_serve_passes_unknown_options_to_vllm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that amin does not know stand in the vLLM command as they were given."""
    monkeypatch.setattr("amin.engine.vllm.versions.require_supported_version", lambda: None)
    options = ["--max-model-len", "100", "--port=1", "-tp", "2", "-dph", "--name", "a b"]
    assert _run(monkeypatch, "serve", "m", "--policy", "fcfs", *options, "--dry-run") == 0
    printed = shlex.split(capsys.readouterr().out)
    assert printed[-len(options) :] == options


def test_the_printed_command_is_complete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pasted into a shell, what --dry-run prints sets the same policy."""
    monkeypatch.setattr("amin.engine.vllm.versions.require_supported_version", lambda: None)
    assert _run(monkeypatch, "serve", "m", "--policy", "amin-dynamic", "--dry-run") == 0
    name, _, settings = shlex.split(capsys.readouterr().out)[0].partition("=")
    assert name == "AMIN_CONFIG"
    assert json.loads(settings)["policy"] == "amin-dynamic"


def test_the_command_line_starts_without_the_engine() -> None:
    """Importing the command line loads neither vLLM nor torch nor numba nor matplotlib."""
    code = "import sys, amin.cli; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["vllm", "torch", "numba", "matplotlib"]
    run = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["simulate", "--kv-tokens", "x"],
            "got 'x', allowed: a number like 65536 or 65,536 (see: amin simulate --help)",
        ),
        (["nope"], "No such command 'nope'. (see: amin --help)"),
    ],
)
def test_a_wrong_option_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """With the command whose help says more; exit 2."""
    monkeypatch.setattr(sys, "argv", ["amin", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("amin: ")
    assert line.endswith(message)


@pytest.mark.parametrize(("flags", "is_on"), [((), True), (("--no-enable-prefix-caching",), False)])
def test_advice_is_for_a_server_as_vllm_starts_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: tuple[str, ...], is_on: bool
) -> None:
    """With prefix caching, unless it is said to be off."""
    trace = tmp_path / "t.csv"
    trace.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n0,1,1\n")
    asked: list[bool] = []

    def note(traffic: object, setting: Setting, **_: object) -> None:
        asked.append(setting.enable_prefix_caching)
        raise ConfigError("enough")

    monkeypatch.setattr("amin.experiment.advise.advise", note)
    assert _run(monkeypatch, "advise", "--trace", str(trace), "--kv-tokens", "4096", *flags) == 2
    assert asked == [is_on]
