"""What only Python can say of a request that arrives: a predictor's answer, and its groups.

What is online's own is compiled (`amin.engine.simulator.learning`). Any other predictor that learns
is somebody's Python: the loop stops where a request arrives, and goes on with the answer, as vLLM's
does with a predictor that is instant. So it does for the groups of requests that follow others:
those are numbered in the order of arrival, which nobody knows beforehand.
"""

from __future__ import annotations

import numpy as np
from msgspec import structs

from amin.arrays import Ints
from amin.engine.rows import ADMISSION, LOWER, MAX_TOKENS, UPPER
from amin.engine.simulator.groups import ANEW
from amin.engine.simulator.state import (
    ARRIVAL,
    FINISH,
    IS_ASKED,
    IS_CUT,
    LENGTH,
    SECONDS,
    State,
)
from amin.predictor.features import CLASS, Groups, Values
from amin.predictor.interface import Predictor
from amin.predictor.survival import ALL
from amin.request import Request
from amin.workload.trace import Trace


class Asking:
    """`trace` has the requests of the simulation, in the order of its slots.

    Without a `predictor` only their groups are asked for, which `has_groups` says.
    """

    def __init__(self, predictor: Predictor | None, trace: Trace, has_groups: bool) -> None:
        self._predictor = predictor
        self._trace = trace
        self._groups = Groups() if has_groups else None
        self._classes = Values(CLASS)
        self._present: Ints = np.empty(0, np.int64)

    def answer(self, state: State) -> None:
        """Learn from all that ended, then answer for all who are here and have not arrived yet."""
        if self._predictor is not None:
            self._learn(state, self._predictor)
        arrival = state.times[:, ARRIVAL]
        due = np.flatnonzero((arrival <= state.clock[SECONDS]) & (state.facts[:, IS_ASKED] > 0))
        due = due[np.argsort(arrival[due], kind="stable")]
        for slot in due.tolist():
            self._answer(state, slot)
        state.facts[due, IS_ASKED] = 0
        self._present = np.concatenate([self._present, due])

    def _learn(self, state: State, predictor: Predictor) -> None:
        ended = ~np.isnan(state.times[self._present, FINISH])
        slots, self._present = self._present[ended], self._present[~ended]
        # Those of one step in the order in which it served them.
        order = np.lexsort((state.table[slots, ADMISSION], state.times[slots, FINISH]))
        for slot in slots[order].tolist():
            length, is_cut = state.facts[slot, [LENGTH, IS_CUT]].tolist()
            predictor.learn(self._trace[slot].request, length, bool(is_cut))

    def _answer(self, state: State, slot: int) -> None:
        request, row = self._trace[slot].request, state.table[slot]
        named = request.predicted_class
        if row[LOWER] == 0 and self._predictor is not None:
            estimate = self._predictor.predict(request)
            row[LOWER] = min(estimate.lower, int(row[MAX_TOKENS]))
            row[UPPER] = min(estimate.upper, int(row[MAX_TOKENS]))
            named = estimate.predicted_class or named
        if self._groups is not None:
            self._count(state, slot, structs.replace(request, predicted_class=named), self._groups)
        elif state.groups[slot, 0] >= ALL and named is not None:
            group = self._classes.count(named)
            state.groups[slot, CLASS] = group + (ANEW if self._classes.handed_over else 0)
            self._classes.handed_over.clear()

    def _count(self, state: State, slot: int, request: Request, groups: Groups) -> None:
        row, anew = groups.arrived(request)
        state.groups[slot] = row
        for group in anew:
            state.groups[slot, row.index(group)] += ANEW
