"""Every error that amin raises on purpose.

::

    AminError
    ├── ConfigError              a setting, file or argument is wrong: fix it and start again
    │   └── UnknownNameError     a policy, predictor, ... that no catalog lists
    ├── HintError                a client's hint is malformed (HTTP 400 where it came by HTTP)
    ├── PolicyError              a rule of a policy cannot be compiled
    ├── ConformanceError         a policy, predictor or engine breaks a rule of its contract
    └── UnsupportedEngineError   the installed engine is missing or outside the supported range

Messages name the field, the value and what is allowed.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches


class AminError(Exception):
    """Root of the family; catch it to catch everything amin raises on purpose."""


class ConfigError(AminError, ValueError):
    """A setting, file or argument is wrong."""


class UnknownNameError(ConfigError):
    """``name`` is not in a catalog; the message lists what is and the nearest match."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        known = sorted(known)
        near = get_close_matches(str(name), known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        super().__init__(f"{kind}: unknown {name!r}{hint}; allowed: {', '.join(known)}")


class HintError(AminError, ValueError):
    """A client's hint is malformed; ``field`` is its name in ``vllm_xargs``."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field = field
        super().__init__(f"{field}: got {_shorten(value)}, allowed: {allowed}")


class PolicyError(AminError):
    """A rule of a policy cannot be compiled."""


class ConformanceError(AminError, AssertionError):
    """A policy, predictor or engine breaks a rule of its contract; the message shows where."""


class UnsupportedEngineError(AminError, RuntimeError):
    """The engine is missing or of a version that amin was not tested with."""


def in_words(error: BaseException) -> str:
    """The type and, where it can be had, the text of anybody's error: not even this may raise."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _shorten(value: object, limit: int = 60) -> str:
    # Bounded in length and depth: the value is a stranger's.
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]!r}... ({len(value)} characters)"
    text = reprlib.repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
