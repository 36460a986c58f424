"""The compiler of the hot loops (numba), and one repair that lets it share a process with vLLM.

When vLLM's CPU worker starts, it reads the ``__dict__`` of everything in every loaded module
(vllm/triton_utils/dispatcher.py, _rebind_kernels). llvmlite's library object answers any attribute
with a C function, ``__dict__`` included, and the worker dies of it. No C function has a name of
that form, so refusing such names changes nothing for llvmlite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding.ffi as _ffi
import numba

njit: Callable[..., Any] = numba.njit
NumbaError: type[Exception] = numba.core.errors.NumbaError


def _refuse_special_names(library: type) -> None:
    find_function = library.__getattr__  # type: ignore[attr-defined]

    def getattr_(self: object, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return find_function(self, name)

    library.__getattr__ = getattr_  # type: ignore[attr-defined]


_refuse_special_names(type(_ffi.lib))
