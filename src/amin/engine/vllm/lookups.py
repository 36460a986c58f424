"""What the prefix cache holds of the prompts that wait, for the policy and for the promises.

Looked up once when a request begins to wait; then of `LOOKUPS_PER_STEP` that wait in each step, in
turn, since others compute what it shares with them, and blocks are used again for something else.
Of those who run it is kept in mind: what they found others may hold as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from amin.engine.settings import LOOKUPS_PER_STEP
from amin.engine.vllm import seam
from amin.engine.vllm.ledger import Ledger
from amin.policy.volume import HALF_A_BLOCK


class Lookups:
    """Whose turn it is. `waits` says of a request whether it does; `ledger` keeps what is found."""

    def __init__(
        self,
        scheduler: Any,
        waits: Callable[[seam.Request], bool],
        ledger: Ledger,
    ) -> None:
        self._find = seam.prefix_lookup(scheduler)
        self._waits = waits
        self._ledger = ledger
        self._num_found_by_running = 0
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

    def arrived(self, request: seam.Request) -> None:
        """A new request: it runs not yet."""
        request.amin_cached = 0
        self.begins_to_wait(request)

    def leaves(self, request: seam.Request) -> None:
        """It waits no longer, and mostly runs."""
        request.amin_cached = self._ledger.num_cached(request.amin_slot)
        self._num_found_by_running += request.amin_cached

    def runs_no_longer(self, request: seam.Request) -> None:
        """It has left or ended."""
        self._num_found_by_running -= request.amin_cached
        request.amin_cached = 0

    def num_own_tokens(self, running: list[seam.Request]) -> int:
        """Of KV in memory, without what the cache held already and others may hold as well."""
        num_tokens = sum([request.num_computed_tokens for request in running])
        return int(num_tokens + len(running) * HALF_A_BLOCK - self._num_found_by_running)

    def _look_up(self, request: seam.Request) -> bool:
        return self._ledger.cached(request.amin_slot, self._find(request))
