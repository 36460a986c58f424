"""The compiler of the hot loops (numba): its cache, and one repair for sharing a process with vLLM.

Compiled code depends on more than its own file: on the columns of `RequestView`, on functions of
other modules. numba's cache looks at the one file's time alone, so ours is keyed by the contents of
all of amin's sources. It lies in NUMBA_CACHE_DIR where that is set, else in `writable_cache`; with
neither, every process compiles for itself (ten to twenty seconds at start).

The repair: when vLLM's CPU worker starts, it reads the ``__dict__`` of everything in every loaded
module (vllm/triton_utils/dispatcher.py, _rebind_kernels). llvmlite's library object answers any
attribute with a C function, ``__dict__`` included, and the worker dies of it. No C function has a
name of that form, so refusing such names changes nothing for llvmlite.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding.ffi as _ffi
import numba
from numba.core import caching
from numba.core.registry import CPUDispatcher

from amin.cache import is_writable, writable_cache

_PACKAGE = Path(__file__).parent

# Functions as arguments are called experimental since 2020, and each use warns.
warnings.filterwarnings("ignore", category=numba.NumbaExperimentalFeatureWarning)


def njit(function: Callable[..., Any]) -> Any:
    """Compile `function` on its first call; it holds no lock of the interpreter while it runs."""
    return numba.njit(nogil=True)(function)


def cached_njit(function: Callable[..., Any]) -> Any:
    """`njit`, for a function at module level: compiled once per machine and version of amin."""
    return _with_cache(njit(function))


def called_njit(function: Callable[..., Any]) -> Any:
    """`cached_njit`, for a function that compiled code alone calls.

    Without the wrappers that Python would need it takes half the time to compile. Called from
    Python, in a test or a debugger, it runs as it is written.
    """
    options = {"nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _with_cache(_Called(function, targetoptions=options))


def inlined_njit(function: Callable[..., Any]) -> Any:
    """For a part of a hot loop that has a name: becomes part of whoever calls it.

    A call costs some 10 ns for each array that it passes, and what is called is optimised once more
    with each of its callers. One ``return``, at the end.
    """
    return numba.njit(nogil=True, inline="always")(function)


def pointer(function: Callable[[Any, int], int]) -> Any:
    """A compiled function of a table of integers and a row's number, as a value.

    A kernel that takes it as an argument is compiled once for all of them and calls through the
    pointer, in some 3 ns.
    """
    integer = numba.types.int64
    return numba.cfunc(integer(integer[:, ::1], integer))(function)


@cache
def _kernel_cache() -> Path | None:
    path = os.environ.get("NUMBA_CACHE_DIR")
    if path and is_writable(Path(path)):
        return Path(path)
    folder = writable_cache()
    return folder / "kernels" if folder else None


@cache
def sources_digest() -> str:
    """A digest of all Python sources of amin: names and contents."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class _Called(CPUDispatcher):  # type: ignore[misc]
    """A compiled function that has no entry for Python."""

    def __call__(self, *args: Any) -> Any:
        return self.py_func(*args)

    def compile(self, sig: Any) -> Any:
        # Not once more for each constant that is passed.
        return super().compile(tuple(numba.types.unliteral(one) for one in sig))


def _with_cache(dispatcher: Any) -> Any:
    if _kernel_cache() is not None:
        dispatcher._cache = _Cache(dispatcher.py_func)
    return dispatcher


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Tells numba where a function's code is kept, and when it is stale."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._line = function.__code__.co_firstlineno
        # Two copies of amin on one machine must not overwrite each other's code in turn.
        copy = hashlib.sha256(str(_PACKAGE).encode()).hexdigest()[:16]
        self._folder = f"{_kernel_cache()}/{copy}/{function.__module__}"

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator:
        return cls(function)

    def get_cache_path(self) -> str:
        return self._folder

    def get_source_stamp(self) -> str:
        return sources_digest()

    def get_disambiguator(self) -> str:
        return str(self._line)


class _CacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    """A cache that can only save time: one that is damaged or full costs a compilation."""

    _impl_class = _CacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # pickles fail in many ways
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def _refuse_special_names(library: type) -> None:
    find_function = library.__getattr__  # type: ignore[attr-defined]

    def getattr_(self: object, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return find_function(self, name)

    library.__getattr__ = getattr_  # type: ignore[attr-defined]


_refuse_special_names(type(_ffi.lib))
