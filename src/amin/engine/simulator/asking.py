"""A predictor that learns, inside a simulation: told of each end, asked at each arrival.

What is online's own is compiled (`amin.engine.simulator.learning`). Any other is somebody's Python:
the loop stops where a request arrives, and goes on with the answer, as vLLM's does with a predictor
that is instant.
"""

from __future__ import annotations

import numpy as np

from amin.engine.projection import Ints
from amin.engine.rows import ADMISSION, LOWER, MAX_TOKENS, UPPER
from amin.engine.simulator.groups import ANEW
from amin.engine.simulator.state import (
    ARRIVAL,
    FINISH,
    IS_CUT,
    LENGTH,
    NUM_ANSWERED,
    SECONDS,
    State,
)
from amin.predictor.features import CLASS, Values
from amin.predictor.interface import Predictor
from amin.predictor.survival import ALL
from amin.workload.trace import Trace


class Asking:
    """`trace` has the requests of the simulation, in the order of its slots."""

    def __init__(self, predictor: Predictor, trace: Trace) -> None:
        self._predictor = predictor
        self._trace = trace
        self._classes = Values(CLASS)
        self._present: Ints = np.empty(0, np.int64)

    def answer(self, state: State) -> None:
        """Learn from all that ended, then answer for all who are here and have not arrived yet."""
        self._learn(state)
        first = int(state.counts[NUM_ANSWERED])
        due = np.searchsorted(state.times[:, ARRIVAL], state.clock[SECONDS], side="right")
        for slot in range(first, int(due)):
            self._answer(state, slot)
        state.counts[NUM_ANSWERED] = due
        self._present = np.concatenate([self._present, np.arange(first, due)])

    def _learn(self, state: State) -> None:
        ended = ~np.isnan(state.times[self._present, FINISH])
        slots, self._present = self._present[ended], self._present[~ended]
        # Those of one step in the order in which it served them.
        order = np.lexsort((state.table[slots, ADMISSION], state.times[slots, FINISH]))
        for slot in slots[order].tolist():
            length, is_cut = state.facts[slot, [LENGTH, IS_CUT]].tolist()
            self._predictor.learn(self._trace[slot].request, length, bool(is_cut))

    def _answer(self, state: State, slot: int) -> None:
        request, row = self._trace[slot].request, state.table[slot]
        named = request.predicted_class
        if row[LOWER] == 0:
            estimate = self._predictor.predict(request)
            row[LOWER] = min(estimate.lower, int(row[MAX_TOKENS]))
            row[UPPER] = min(estimate.upper, int(row[MAX_TOKENS]))
            named = estimate.predicted_class or named
        if state.groups[slot, 0] >= ALL and named is not None:
            group = self._classes.count(named)
            state.groups[slot, CLASS] = group + (ANEW if self._classes.handed_over else 0)
            self._classes.handed_over.clear()
