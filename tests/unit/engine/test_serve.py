import json

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
    assert _after(command, "--model") == "some/model"
    assert _after(command, "--scheduler-cls") == SCHEDULER
    assert _after(command, "--middleware") == MIDDLEWARE
    assert command[-len(options) :] == options


def test_the_settings_travel_in_the_environment() -> None:
    """What was asked for is what the server's processes read; other variables are kept."""
    config = AminConfig(policy="amin-dynamic", client_hints=True, seed=7)
    _, environment = server_command("m", config, environment={"PATH": "/bin"})
    assert environment["PATH"] == "/bin"
    assert AminConfig.from_mapping(json.loads(environment["AMIN_CONFIG"])) == config


@pytest.mark.parametrize("option", ["--scheduler-cls", "--scheduler-cls=other.Scheduler"])
def test_another_scheduler_is_refused(option: str) -> None:
    """An operator who names a scheduler of their own is told that amin serve sets it."""
    with pytest.raises(ConfigError, match="--scheduler-cls"):
        server_command("m", AminConfig(), [option], environment={})
