"""Lengths learned from the replies of this very server, as they end; nothing to train.

A survival estimate (`amin.predictor.survival`) for each class that a trusted client names, and for
all together. From it comes what a policy is told of the mean and mean square of what remains,
whichever predictor gives the bounds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amin.predictor.survival import (
    ALL,
    CUT,
    ENDS_PER_REFRESH,
    FINISHED,
    HELD,
    TOLD,
    new_survival,
    note,
    refresh_with,
)
from amin.request import Request

Ints = npt.NDArray[np.int64]

MAX_GROUPS = 63
"""Classes beyond these are learned with all others."""


class LearnedLengths:
    """Learns as replies end.

    `survival` is the estimate, of which rows and columns are those of `amin.predictor.survival`.
    """

    def __init__(self) -> None:
        self.survival = new_survival(MAX_GROUPS)
        self._groups: dict[str, int] = {}
        self._ends = 0

    def group(self, request: Request) -> int:
        """Whose replies this one's length is learned with: its class's, or all.

        `TOLD` where there is no class and an interval, which is then believed.
        """
        name = request.predicted_class
        if name is None:
            return ALL if request.hint is None else TOLD
        if name not in self._groups and len(self._groups) < MAX_GROUPS:
            self._groups[name] = len(self._groups) + 1
        return self._groups.get(name, ALL)

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Count a reply at its end, or as longer than what was made of it."""
        what = CUT if is_censored else FINISHED
        note(self.survival, what, self.group(request), num_output_tokens, 1.0)
        self._ends += 1

    def hold(self, group: int, num_output_tokens: int, weight: float) -> None:
        """A reply of which so many tokens are made begins (1) or ceases (-1) to wait."""
        note(self.survival, HELD, group, num_output_tokens, weight)

    @property
    def is_due(self) -> bool:
        """Whether enough has ended to learn from."""
        return self._ends >= ENDS_PER_REFRESH

    def refresh(self, groups: Ints, num_output_tokens: Ints) -> None:
        """Learn from all that was counted, and from the replies in progress, given as arrays."""
        self._ends = 0
        refresh_with(self.survival, len(self._groups), groups, num_output_tokens)
