"""vLLM as an engine: ``--scheduler-cls amin.engine.vllm.AminScheduler``.

Names are resolved on first use, so that what needs no vLLM (configuration, hints, the middleware)
can be imported without paying for it.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AminScheduler": "amin.engine.vllm.scheduler",
    "HintMiddleware": "amin.engine.vllm.middleware",
}

__all__ = ["AminScheduler", "HintMiddleware"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
