"""amin schedules the requests of an LLM server, and says beforehand what that would gain.

``amin.simulate``, ``amin.compare`` and ``amin.advise`` are the commands of these names, from Python
(`amin.api`). They are loaded when one of them is first asked for: importing amin costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amin.api import advise, compare, simulate

__version__ = "0.1.0"
__all__ = ["__version__", "advise", "compare", "simulate"]


def __getattr__(name: str) -> Any:
    """One of the functions of `amin.api`, loaded now."""
    if name in ("advise", "compare", "simulate"):
        from amin import api

        return getattr(api, name)
    raise AttributeError(f"module 'amin' has no attribute {name!r}")
