"""Replies that wait with some of them made: they count among those that are longer than that.

A reply that is preempted early and waits for long would else say nothing of how long such replies
get, and those that end would make all replies look short (`amin.predictor.survival`, ``HELD``).
"""

from __future__ import annotations

from collections.abc import Sequence

from amin.engine.vllm import seam
from amin.engine.vllm.ledger import Ledger


class HeldReplies:
    """How much is made of each request's reply while it waits, as what is learned has it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lengths = ledger.lengths

    def arrived(self, request: seam.Request) -> None:
        """A new request: nothing is made."""
        request.amin_held = 0

    def waits(self, request: seam.Request) -> None:
        """It waits, with what is made of it."""
        self._hold(request, request.num_output_tokens)

    def leaves(self, request: seam.Request) -> None:
        """It waits no longer."""
        self._hold(request, 0)

    def regroup(self, request: seam.Request, groups: Sequence[int]) -> None:
        """What foretells its length has changed: what is held of it is held with others."""
        held = request.amin_held
        self._hold(request, 0)
        self._ledger.groups[request.amin_slot] = groups
        self._hold(request, held)

    def _hold(self, request: seam.Request, num_output_tokens: int) -> None:
        if num_output_tokens != request.amin_held:
            groups = self._ledger.groups[request.amin_slot]
            self._lengths.hold(groups, request.amin_held, -1.0)
            self._lengths.hold(groups, num_output_tokens, 1.0)
            request.amin_held = num_output_tokens
