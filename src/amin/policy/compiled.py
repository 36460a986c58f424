"""A policy's rules, compiled to run over a table of requests.

The functions are the policy's own; nothing is written twice. A table is one int64 array with a row
per slot and a column per field of `RequestView`, so that a kernel rebuilds the view in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.np.unsafe.ndarray import to_fixed_tuple

from amin.errors import PolicyError
from amin.jit import njit
from amin.policy.interface import Policy, Rule
from amin.request import RequestView

Table = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int64]
TableRule = Callable[[Table, Slots], npt.NDArray[np.int64]]

COLUMN = {name: column for column, name in enumerate(RequestView._fields)}


@dataclass(frozen=True)
class CompiledPolicy:
    """The rules asked of many requests at once: ``(table, slots) -> int64[len(slots)]``."""

    forecast: TableRule
    preemption_order: TableRule


@cache
def compile_policy(policy: Policy) -> CompiledPolicy:
    """Compile and try the rules; a second or so, once per policy and process.

    Raises `PolicyError` naming the rule that does not compile.
    """
    table = np.ones((1, len(RequestView._fields)), dtype=np.int64)
    slots = np.zeros(1, dtype=np.int64)
    compiled: dict[str, TableRule] = {}
    for name in ("forecast", "preemption_order"):
        kernel = _over_table(getattr(policy, name))
        try:
            kernel(table, slots)
        except Exception as error:  # numba has errors outside its own family
            raise PolicyError(
                f"{name} of policy {policy.name!r} does not compile; allowed: arithmetic, "
                f"comparisons, min/max and if on the fields of RequestView.\n{error}"
            ) from error
        compiled[name] = kernel
    return CompiledPolicy(**compiled)


def _over_table(rule: Rule) -> TableRule:
    scalar: Any = njit(rule)
    num_columns = len(RequestView._fields)

    @njit
    def kernel(table: Table, slots: Slots) -> npt.NDArray[np.int64]:
        out = np.empty(slots.size, np.int64)
        for i in range(slots.size):
            out[i] = scalar(RequestView(*to_fixed_tuple(table[slots[i]], num_columns)))
        return out

    return kernel  # type: ignore[no-any-return]
