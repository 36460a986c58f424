"""Policies by name: one line each.

Third-party ones are named ``module:ATTRIBUTE``, or ``path/to/file.py:ATTRIBUTE``.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from amin.errors import ConfigError, UnknownNameError, in_words
from amin.policy.interface import Policy

SHIPPED = (
    "amin.policy.amin:AMIN_STATIC",
    "amin.policy.amin:AMIN_DYNAMIC",
    "amin.policy.amax:AMAX",
    "amin.policy.volume:EXPECTED_VOLUME",
    "amin.policy.fcfs:FCFS",
    "amin.policy.priority:PRIORITY",
    "amin.policy.fcfs:LEAST_COMPUTED_FIRST",
    "amin.policy.fcfs:RETRACT",
    "amin.policy.fcfs:COST_AWARE",
    "amin.policy.fcfs:PAST_FUTURE",
    "amin.policy.mc:MC_SF",
    "amin.policy.mc:MC_BENCHMARK",
    "amin.policy.gsa:GSA",
    "amin.policy.hindsight:HINDSIGHT",
    "amin.policy.hindsight:SMALLEST_VOLUME",
)


def get_policy(name: str) -> Policy:
    """The policy of that name, or the one at ``module:ATTRIBUTE`` or ``file.py:ATTRIBUTE``.

    Raises `UnknownNameError` for a name that is not listed and `ConfigError` for an import path
    that does not lead to a `Policy`.
    """
    if not isinstance(name, str) or (":" not in name and name not in POLICIES):
        raise UnknownNameError("policy", name, POLICIES)
    return POLICIES.get(name) or _imported(name)


def _imported(path: str) -> Policy:
    module, _, attribute = path.rpartition(":")
    try:
        policy = getattr(_module(module), attribute)
    except Exception as error:  # it is somebody's code that runs here
        raise ConfigError(f"policy: cannot import {path!r} ({in_words(error)})") from error
    if not isinstance(policy, Policy):
        raise ConfigError(f"policy: {path!r} is a {type(policy).__name__}, allowed: a Policy")
    return policy


def _module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module at {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


POLICIES: dict[str, Policy] = {policy.name: policy for policy in map(_imported, SHIPPED)}

SERVABLE = [name for name, policy in POLICIES.items() if policy.is_servable]
"""Names of those that a server can run."""
