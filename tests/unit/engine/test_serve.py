import json
from pathlib import Path

import pytest

from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.serve import MIDDLEWARE, SCHEDULER, server_command
from amin.errors import ConfigError


def _after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_the_command_is_vllms_server_with_our_scheduler_and_every_option_passed_on() -> None:
    """Scheduler and middleware are added; the operator's options follow unchanged, in order."""
    options = ["--port", "8001", "--enable-prefix-caching", "--served-model-name", "a b"]
    command, _ = server_command("some/model", AminConfig(), options, environment={})
    assert "some/model" in command
    assert _after(command, "--scheduler-cls") == SCHEDULER
    assert _after(command, "--middleware") == MIDDLEWARE
    assert command[-len(options) :] == options


@pytest.mark.parametrize("option", ["--shutdown-timeout=5", "--shutdown_timeout", "--shutdown-t=0"])
def test_the_engine_has_a_second_to_save_unless_the_operator_says_otherwise(option: str) -> None:
    """vLLM's own default kills it at once."""
    command, _ = server_command("m", AminConfig(), environment={})
    assert _after(command, "--shutdown-timeout") == "1"
    command, _ = server_command("m", AminConfig(), [option, "5"], environment={})
    assert [one for one in command if one.startswith("--shutdown")] == [option]


def test_the_settings_travel_in_the_environment() -> None:
    """What was asked for is what the server's processes read; other variables are kept."""
    config = AminConfig(policy="amin-dynamic", client_hints=True, seed=7)
    _, environment = server_command("m", config, environment={"PATH": "/bin"})
    assert environment["PATH"] == "/bin"
    assert AminConfig.from_mapping(json.loads(environment["AMIN_CONFIG"])) == config


def test_every_process_of_the_server_gets_settings_and_secret(tmp_path: Path) -> None:
    """vLLM's Ray workers too, beside what the operator has them get; the secret is one made up for
    this start, the operator's own, or, with a file of lengths, the same after a restart."""
    for before, after in (("", ""), ("MINE,AMIN_CONFIG", "MINE,")):
        given = {"VLLM_RAY_EXTRA_ENV_VARS_TO_COPY": before}
        _, environment = server_command("m", AminConfig(), environment=given)
        copied = environment["VLLM_RAY_EXTRA_ENV_VARS_TO_COPY"]
        assert copied == f"{after}AMIN_CONFIG,AMIN_SECRET"
    kept = AminConfig(lengths_file=str(tmp_path / "l.npz"))
    secrets = [
        server_command("m", config, environment=given)[1]["AMIN_SECRET"]
        for config in (AminConfig(), AminConfig(), kept, kept)
        for given in ({}, {"AMIN_SECRET": "own"})
    ]
    assert secrets[1::2] == ["own"] * 4
    assert secrets[0] != secrets[2] != secrets[4] == secrets[6]
    assert min(map(len, secrets[::2])) == 64
    assert (tmp_path / "l.npz.secret").stat().st_mode & 0o777 == 0o600


def test_vllms_own_command_is_used_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """`vllm serve` where the distribution is named vllm, the API server's module elsewhere."""
    for installed, module in ((True, "vllm.entrypoints.cli.main"), (False, "api_server")):
        monkeypatch.setattr("amin.engine.vllm.serve.is_installed", lambda name, is_=installed: is_)
        command, _ = server_command("m", AminConfig(), environment={})
        assert _after(command, "-m").endswith(module)


def test_a_model_that_looks_like_an_option_is_refused() -> None:
    """`amin serve --port 8000 m` is answered, not turned into a wrong command."""
    with pytest.raises(ConfigError, match="MODEL"):
        server_command("--port", AminConfig(), ["8000", "m"], environment={})


@pytest.mark.parametrize(
    "option",
    [
        "--scheduler-cls",
        "--scheduler-cls=other.Scheduler",
        "--scheduler_cls",
        "--scheduler-cl=other.Scheduler",
        '--additional-config={"amin": {"policy": "fcfs"}}',
        '{"amin": {"policy": "fcfs"}}',
        "--additional-config.amin.policy=fcfs",
        "--additional_config.amin.policy",
        "--additional-con.amin",
    ],
)
def test_options_that_contradict_amins_are_refused(option: str) -> None:
    """An operator who sets scheduler or settings twice is told so, whichever the spelling."""
    with pytest.raises(ConfigError, match="leave"):
        server_command("m", AminConfig(), [option], environment={})


@pytest.mark.parametrize(
    "option", ["--scheduling-policy=fcfs", "--additional-config.other=amin", "--port=1"]
)
def test_other_options_pass(option: str) -> None:
    """Only what would replace amin's own settings is refused."""
    command, _ = server_command("m", AminConfig(), [option], environment={})
    assert command[-1] == option
