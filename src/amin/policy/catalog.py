"""Policies by name: one line each. Third-party ones are named ``module:ATTRIBUTE``."""

from __future__ import annotations

import importlib

from amin.errors import ConfigError, UnknownNameError
from amin.policy.amax import AMAX
from amin.policy.amin import AMIN_DYNAMIC, AMIN_STATIC
from amin.policy.fcfs import FCFS, LEAST_COMPUTED_FIRST, RETRACT
from amin.policy.interface import Policy
from amin.policy.priority import PRIORITY

POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (AMIN_STATIC, AMIN_DYNAMIC, AMAX, FCFS, PRIORITY, LEAST_COMPUTED_FIRST, RETRACT)
}


def get_policy(name: str) -> Policy:
    """The policy of that name, or the one at ``module:ATTRIBUTE``.

    Raises `UnknownNameError` for a name that is not listed and `ConfigError` for an import path
    that does not lead to a `Policy`.
    """
    if not isinstance(name, str) or (":" not in name and name not in POLICIES):
        raise UnknownNameError("policy", name, POLICIES)
    if name in POLICIES:
        return POLICIES[name]
    module, _, attribute = name.partition(":")
    try:
        policy = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"policy: cannot import {name!r} ({error})") from error
    if not isinstance(policy, Policy):
        raise ConfigError(f"policy: {name!r} is a {type(policy).__name__}, allowed: a Policy")
    return policy
