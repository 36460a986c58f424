"""What the prefix cache holds of the prompts that wait, for the policy and for the promises.

Looked up once when a request begins to wait; then of `LOOKUPS_PER_STEP` that wait in each step, in
turn, since others compute what it shares with them, and blocks are used again for something else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from amin.engine.settings import LOOKUPS_PER_STEP
from amin.engine.vllm import seam


class Lookups:
    """Whose turn it is. `waits` says of a request whether it does; `notes` keeps what was found."""

    def __init__(
        self,
        scheduler: Any,
        waits: Callable[[seam.Request], bool],
        notes: Callable[[seam.Request, int], bool],
    ) -> None:
        self._find = seam.prefix_lookup(scheduler)
        self._waits = waits
        self._notes = notes
        self._turn: deque[seam.Request] = deque()

    def begins_to_wait(self, request: seam.Request) -> None:
        """Look it up, and put it at the end of the turn."""
        self._look_up(request)
        if not getattr(request, "amin_is_in_turn", False):
            request.amin_is_in_turn = True
            self._turn.append(request)

    def look_again(self) -> list[seam.Request]:
        """Those of the next few of whom the cache holds more or less than before."""
        changed = []
        for _ in range(min(LOOKUPS_PER_STEP, len(self._turn))):
            request = self._turn.popleft()
            if not self._waits(request):
                request.amin_is_in_turn = False
                continue
            self._turn.append(request)
            if self._look_up(request):
                changed.append(request)
        return changed

    def _look_up(self, request: seam.Request) -> bool:
        return self._notes(request, self._find(request))
