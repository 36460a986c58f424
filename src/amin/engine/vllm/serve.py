"""The command line of a vLLM server with amin switched on: ``amin serve`` only adds options."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from amin.engine.secret import ENVIRONMENT_VARIABLE as SECRET_VARIABLE
from amin.engine.secret import server_secret
from amin.engine.vllm.config import ENVIRONMENT_VARIABLE, AminConfig
from amin.engine.vllm.versions import is_installed
from amin.errors import ConfigError

SCHEDULER = "amin.engine.vllm.AminScheduler"
MIDDLEWARE = "amin.engine.vllm.HintMiddleware"
SECONDS_TO_SAVE = "1"
RAY_VARIABLE = "VLLM_RAY_EXTRA_ENV_VARS_TO_COPY"


def server_command(
    model: str,
    config: AminConfig,
    vllm_options: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> tuple[list[str], dict[str, str]]:
    """The command and the environment that start the server.

    `vllm_options` are passed on untouched; `ConfigError` if they contradict what is set here. The
    settings travel in the environment, so that they reach the API process too and stay out of
    vLLM's compile-cache key.
    """
    if model.startswith("-"):
        raise ConfigError(f"MODEL: got {model!r}, allowed: a model, before all options")
    for option in vllm_options:
        if _is_named(option, "--scheduler-c"):
            raise ConfigError(f"--scheduler-cls: amin serve sets it ({SCHEDULER}); leave it out")
        has_key = "amin" in option.split("=")[0].split(".")[1:]
        if '"amin"' in option or (_is_named(option, "--add") and has_key):
            raise ConfigError("--additional-config: leave amin out; amin serve has options for it")
    command = [sys.executable, "-m", *_entry_point(), model]
    command += ["--scheduler-cls", SCHEDULER, "--middleware", MIDDLEWARE]
    if not any(_is_named(option, "--shutdown-t") for option in vllm_options):
        # By default vLLM kills its engine at once, with all that was learned in the last seconds.
        command += ["--shutdown-timeout", SECONDS_TO_SAVE]
    variables = {**environment, ENVIRONMENT_VARIABLE: json.dumps(asdict(config))}
    server_secret(config.lengths_file, variables)
    # vLLM hands its Ray workers only the variables that it knows, and those named here.
    named = [name for name in variables.get(RAY_VARIABLE, "").split(",") if name]
    ours = [name for name in (ENVIRONMENT_VARIABLE, SECRET_VARIABLE) if name not in named]
    variables[RAY_VARIABLE] = ",".join([*named, *ours])
    return [*command, *vllm_options], variables


def _is_named(option: str, beginning: str) -> bool:
    """Whether an option's name begins so: vLLM takes underscores for dashes, and abbreviations."""
    return option.split("=")[0].replace("_", "-").startswith(beginning)


def _entry_point() -> list[str]:
    """vLLM's own command, which finds its version only where the distribution is named vllm."""
    if is_installed("vllm"):
        return ["vllm.entrypoints.cli.main", "serve"]
    return ["vllm.entrypoints.openai.api_server", "--model"]
