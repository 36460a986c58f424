"""A policy's rules, compiled to run over a table of requests.

The functions are the policy's own; nothing is written twice. A table is one int64 array with a row
per slot and a column per field of `RequestView`, so that a kernel rebuilds the view in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.np.unsafe.ndarray import to_fixed_tuple

from amin.errors import PolicyError
from amin.jit import njit, pointer
from amin.policy.interface import Policy, Rule
from amin.request import RequestView

Table = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int64]
TableRule = Callable[[Table, Slots], npt.NDArray[np.int64]]

COLUMN = {name: column for column, name in enumerate(RequestView._fields)}
NUM_COLUMNS = len(COLUMN)


class Rules(NamedTuple):
    """The five rules as function pointers, for a kernel that is compiled once for all policies.

    Each is asked about one row: ``rules.order(table, slot)``.
    """

    order: Any
    forecast: Any
    preemption_order: Any
    initial_bound: Any
    learn: Any


@cache
def compile_rules(policy: Policy) -> Rules:
    """Compile the rules to function pointers; a second or so, once per policy and process.

    Raises `PolicyError` naming the rule that does not compile.
    """
    return Rules(*(_compiled(policy, name, _pointer) for name in Rules._fields))


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
    names = ("forecast", "preemption_order")
    return CompiledPolicy(**{name: _compiled(policy, name, _over_table) for name in names})


def _compiled(policy: Policy, name: str, compile_rule: Callable[[Rule], Any]) -> Any:
    try:
        return compile_rule(getattr(policy, name))
    except Exception as error:  # numba has errors outside its own family
        raise PolicyError(
            f"{name} of policy {policy.name!r} does not compile; allowed: arithmetic, "
            f"comparisons, min/max and if on the fields of RequestView.\n{error}"
        ) from error


def _over_table(rule: Rule) -> TableRule:
    scalar: Any = njit(rule)

    @njit
    def kernel(table: Table, slots: Slots) -> npt.NDArray[np.int64]:
        out = np.empty(slots.size, np.int64)
        for i in range(slots.size):
            out[i] = scalar(RequestView(*to_fixed_tuple(table[slots[i]], NUM_COLUMNS)))
        return out

    kernel(np.ones((1, NUM_COLUMNS), np.int64), np.zeros(1, np.int64))
    return kernel  # type: ignore[no-any-return]


@cache
def _pointer(rule: Rule) -> Any:
    """Once for each function, which several policies may share."""
    scalar: Any = njit(rule)

    def of_row(table: Table, slot: int) -> int:
        return scalar(RequestView(*to_fixed_tuple(table[slot], NUM_COLUMNS)))  # type: ignore[no-any-return]

    return pointer(of_row)
