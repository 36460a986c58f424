"""Policies by name: one line each. Third-party ones are named ``module:ATTRIBUTE``."""

from __future__ import annotations

import importlib

from amin.errors import ConfigError, UnknownNameError
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
    """The policy of that name, or the one at ``module:ATTRIBUTE``.

    Raises `UnknownNameError` for a name that is not listed and `ConfigError` for an import path
    that does not lead to a `Policy`.
    """
    if not isinstance(name, str) or (":" not in name and name not in POLICIES):
        raise UnknownNameError("policy", name, POLICIES)
    return POLICIES.get(name) or _imported(name)


def _imported(path: str) -> Policy:
    module, _, attribute = path.partition(":")
    try:
        policy = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"policy: cannot import {path!r} ({error})") from error
    if not isinstance(policy, Policy):
        raise ConfigError(f"policy: {path!r} is a {type(policy).__name__}, allowed: a Policy")
    return policy


POLICIES: dict[str, Policy] = {policy.name: policy for policy in map(_imported, SHIPPED)}

SERVABLE = [name for name, policy in POLICIES.items() if policy.is_servable]
"""Names of those that a server can run."""
