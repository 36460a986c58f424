import json
import subprocess
import sys

import pytest

from amin.engine.vllm.config import ENVIRONMENT_VARIABLE, AminConfig
from amin.errors import ConfigError

OTHER = {
    "policy": "amax",
    "predictor": "constant:5",
    "client_hints": True,
    "predictor_timeout": 2,
    "forecast_floor": 1,
    "seed": 7,
}


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def test_defaults() -> None:
    """Out of the box: A_min static, bound 1 for all, clients not believed, a block of forecast."""
    assert AminConfig.from_vllm({}) == AminConfig(
        policy="amin-static",
        predictor="constant:1",
        client_hints=False,
        predictor_timeout=0.05,
        forecast_floor=16,
        seed=0,
    )


def test_every_setting_can_be_given() -> None:
    """An object of settings is taken as it is."""
    config = AminConfig.from_mapping(OTHER)
    assert {name: getattr(config, name) for name in OTHER} == OTHER


@pytest.mark.parametrize("name", ["polciy", "", "seed "])
def test_unknown_setting_lists_the_known(name: str) -> None:
    """A misspelt setting is an error, not silence."""
    with pytest.raises(ConfigError, match=f"unknown setting {name!r}; allowed: policy, predictor"):
        AminConfig.from_mapping({name: 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy", "no-such"), ("policy", None), ("policy", ["fcfs"]), ("policy", 3),
        ("predictor", "no-such"), ("predictor", None), ("predictor", {}),
        ("predictor", "constant:0"),
        ("client_hints", "true"), ("client_hints", 1), ("client_hints", None),
        ("predictor_timeout", 0), ("predictor_timeout", -1.0), ("predictor_timeout", float("nan")),
        ("predictor_timeout", float("inf")), ("predictor_timeout", "1"),
        ("predictor_timeout", True),
        ("forecast_floor", 0), ("forecast_floor", 1.5), ("forecast_floor", "1"),
        ("forecast_floor", True),
        ("seed", 1.0), ("seed", "1"), ("seed", None), ("seed", True),
    ],
)  # fmt: skip
def test_wrong_value_names_the_setting(name: str, value: object) -> None:
    """The message starts with the setting and goes on to the value or what is allowed."""
    with pytest.raises(ConfigError, match=f"^{name}: .*"):
        AminConfig.from_mapping({name: value})


@pytest.mark.parametrize("settings", [None, 3, "amax", ["amax"]])
def test_settings_are_an_object(settings: object) -> None:
    """JSON of another shape is refused, wherever it comes from."""
    with pytest.raises(ConfigError, match=r"amin: got .*, allowed: an object"):
        AminConfig.from_vllm({"amin": settings})


def test_the_environment_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where vLLM's additional_config says nothing of amin."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, json.dumps(OTHER))
    for additional_config in (None, {}, {"other": 1}, object()):
        assert AminConfig.from_vllm(additional_config) == AminConfig(**OTHER)  # type: ignore[arg-type]


def test_the_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it: settings are not mixed from two places."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, json.dumps(OTHER))
    assert AminConfig.from_vllm({"amin": {"seed": 3}}) == AminConfig(seed=3)


@pytest.mark.parametrize("text", ["{", "amax", "{'policy': 'amax'}"])
def test_a_malformed_variable_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Text that is no JSON names the variable."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, text)
    with pytest.raises(ConfigError, match="AMIN_CONFIG: not JSON"):
        AminConfig.from_vllm(None)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """AMIN_CONFIG= switches the variable off."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")
    assert AminConfig.from_vllm(None) == AminConfig()


def test_no_vllm_is_needed_to_read_settings() -> None:
    """The command line and the middleware check settings without paying for the engine."""
    script = "import sys, amin.engine.vllm.config, amin.engine.vllm.hints as h; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    modules = done.stdout.split()
    assert "amin.engine.vllm.config" in modules
    assert not {"vllm", "torch"} & set(modules)
