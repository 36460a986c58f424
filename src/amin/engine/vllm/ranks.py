"""Who goes before whom whatever the policy says, inside vLLM: `amin.engine.precedence`."""

from __future__ import annotations

from collections import deque
from typing import Any

from amin.engine.fair_share import (
    comes_to,
    expected_charge,
    floods,
    kept_free,
    known_charge,
    turn_of,
)
from amin.engine.precedence import rank_of
from amin.engine.promise_books import Rates
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.ledger import Ledger

MANY_CLIENTS = 1024
"""Accounts that are kept before anybody looks which of them say nothing any longer."""

_rank_of, _turn_of, _comes_to = rank_of.py_func, turn_of.py_func, comes_to.py_func
_floods, _kept_free = floods.py_func, kept_free.py_func


class Ranks:
    """The turn of each client, and the time that each first token has; mostly nothing.

    `rates` are those of a memory of which nothing is shared.
    """

    def __init__(self, config: AminConfig, ledger: Ledger, rates: Rates) -> None:
        self.has_shares = config.fair_share is not None
        self._target = config.ttft_target
        self._ledger = ledger
        self._rates = rates
        # Who may become late, by arrival, and when that is.
        self._in_time: deque[tuple[float, seam.Request]] = deque()
        # Where the server has come to, and where each client's next request starts.
        self._now = 0.0
        self._accounts: dict[str | None, float] = {}
        self._num_watched = MANY_CLIENTS
        # The client of the latest request that floods nothing, and where the server was then.
        self._latest_small: tuple[str | None, float] | None = None
        if self.has_shares:
            # Now, not at the first request.
            books = ledger.lengths.survival, ledger.lengths.gains
            expected_charge(ledger.table, ledger.groups, *books, *rates, 0)
            known_charge(ledger.table, *rates, 0, 1)

    def arrived(self, request: seam.Request, client: str | None, now: float) -> None:
        """A new request, at this time on the engine's clock; its row is written."""
        request.amin_turn, request.amin_is_late = 0, False
        if self._target is not None:
            self._in_time.append((now + self._target, request))
        if self.has_shares:
            start = max(self._now, self._accounts.get(client, 0.0))
            lengths, slot = self._ledger.lengths, request.amin_slot
            books = self._ledger.table, self._ledger.groups, lengths.survival, lengths.gains
            charge = expected_charge(*books, *self._rates, slot)
            request.amin_turn = _turn_of(start, self._now, self._rates.per_step)
            request.amin_account = client, charge
            if not _floods(request.amin_turn):
                self._latest_small = client, self._now
            self._accounts[client] = start + charge
            self._forget_accounts()

    def arrived_in_vain(self, request: seam.Request) -> None:
        """What followed its arrival has failed: it will arrive again, and is noted once."""
        if self._in_time and self._in_time[-1][1] is request:
            self._in_time.pop()
        if account := getattr(request, "amin_account", None):
            client, charge = account
            self._accounts[client] -= charge

    def of(self, request: seam.Request, priority: int) -> int:
        """The number of one that waits, by its class of priority; 0 for all without classes."""
        has_begun = self._target is not None and request.num_output_tokens > 0
        is_late = request.amin_is_late or has_begun
        return int(_rank_of(priority, request.amin_turn, is_late))

    def late(self, now: float) -> list[seam.Request]:
        """Those whose first token comes too late from now on, if they still wait for it."""
        found = []
        while self._in_time and self._in_time[0][0] <= now:
            _, request = self._in_time.popleft()
            request.amin_is_late = True
            if not (request.num_output_tokens or request.is_finished()):
                found.append(request)
        return found

    def may_pass(self, request: seam.Request, head: seam.Request) -> bool:
        """Whether one who is overdue may go before the first of those who wait."""
        return bool(request.amin_turn <= head.amin_turn)

    def keeps_free(self, request: seam.Request) -> float:
        """The share of the memory that is to be free beside it when it is admitted, for others."""
        if self._latest_small is None or request.num_output_tokens:
            return 0.0
        client, since = self._latest_small
        if client == request.amin_account[0]:
            return 0.0
        return float(_kept_free(request.amin_turn, since, self._now, self._rates.per_step))

    def stepped(self, scheduler: Any, output: Any) -> None:
        """vLLM has decided a step: the server has come to the turns of those who are new in it."""
        if self.has_shares:
            for request in seam.admitted_first(scheduler, output):
                self._now = _comes_to(request.amin_turn, self._now, self._rates.per_step)

    def ended(self, request: seam.Request) -> None:
        """It asked for more or less than was expected: so its client's account is put right."""
        if self.has_shares:
            client, charge = request.amin_account
            made = request.num_output_tokens
            known = known_charge(self._ledger.table, *self._rates, request.amin_slot, made)
            self._accounts[client] = self._accounts.get(client, self._now) + known - charge

    def _forget_accounts(self) -> None:
        """Whose next request would start now in any case has no account: clients come and go."""
        if len(self._accounts) > self._num_watched:
            now = self._now
            self._accounts = {name: at for name, at in self._accounts.items() if at > now}
            self._num_watched = 2 * len(self._accounts) + MANY_CLIENTS
