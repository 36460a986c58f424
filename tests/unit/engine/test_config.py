import json
import subprocess
import sys
from pathlib import Path

import pytest

from amin.engine.vllm.config import ENVIRONMENT_VARIABLE, AminConfig
from amin.errors import ConfigError

OTHER = {
    "policy": "amax",
    "predictor": "constant:5",
    "client_hints": True,
    "forecast_floor": 1,
    "tail_promise": 0.9,
    "lengths_file": "lengths.npz",
    "seed": 7,
}


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def test_defaults() -> None:
    """Out of the box: expected volumes learned online, a promise, clients not believed."""
    assert AminConfig.from_vllm({}) == AminConfig(
        policy="expected-volume",
        predictor="online",
        client_hints=False,
        forecast_floor=None,
        tail_promise=1.0,
        lengths_file="",
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
        ("forecast_floor", 0), ("forecast_floor", 1.5), ("forecast_floor", "1"),
        ("forecast_floor", True),
        ("tail_promise", -1), ("tail_promise", "1"), ("tail_promise", True),
        ("tail_promise", float("nan")), ("tail_promise", float("inf")),
        ("decision_budget_ms", 0), ("decision_budget_ms", "50"), ("decision_budget_ms", True),
        ("log_file", "/no/such/folder/log.jsonl"), ("lengths_file", "/no/such/folder/l.npz"),
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


def test_settings_in_two_places_must_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither replaces the other in silence, whatever way vLLM came by its own."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, json.dumps(OTHER))
    assert AminConfig.from_vllm({"amin": OTHER}) == AminConfig(**OTHER)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="additional_config differ from those in AMIN_CONFIG"):
        AminConfig.from_vllm({"amin": {"policy": "fcfs"}})


@pytest.mark.parametrize("spec", ["factories:make", "factories.deeper:make"])
def test_checking_settings_makes_no_predictor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spec: str
) -> None:
    """A factory may load a model: three processes check the settings and one of them predicts."""
    package = tmp_path / "factories"
    package.mkdir()
    (package / "__init__.py").write_text("def make():\n    raise SystemExit('made')\n")
    (package / "deeper.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert AminConfig(predictor=spec).predictor == spec


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


@pytest.mark.parametrize("policy", ["hindsight", "smallest-volume", "gsa"])
def test_a_server_refuses_a_policy_for_simulators(policy: str) -> None:
    """One line that says why, and what is there instead."""
    with pytest.raises(ConfigError, match=r"is for simulators: .*; allowed: amin-static"):
        AminConfig(policy=policy)
