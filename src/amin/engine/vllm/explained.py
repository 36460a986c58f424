"""Why each request went when it did, for the debug log (``VLLM_LOGGING_LEVEL=DEBUG``).

One line when a request is first scheduled: how long it waited, why it went, who passed it, and when
FCFS is reckoned to have ended it. What is decided is the same; where nobody reads the log, none of
this is there. `amin simulate --explain` says the same of a trace, with FCFS simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amin.engine.vllm import seam
from amin.engine.vllm.decisions import Decisions

BY_ORDER = "its turn came by the policy's order"
BY_TAIL = "it would have ended too late, and the tail promise made it go"


@dataclass(frozen=True)
class Arrival:
    """When a request came (seconds on the engine's clock), and what had been by then."""

    time: float
    num_admitted: int
    num_waiting: int


class ExplainedDecisions(Decisions):
    """`Decisions`, and a line in the log for each request."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._arrivals: dict[str, Arrival] = {}
        self._num_admitted = 0
        self._overdue: seam.Request | None = None

    def arrived(self, request: seam.Request) -> bool:
        """As `Decisions.arrived`; notes what it finds."""
        found = Arrival(self.clock(), self._num_admitted, len(self._arrivals))
        self._arrivals[request.request_id] = found
        return super().arrived(request)

    def due(self, head: seam.Request) -> seam.Request | None:
        """As `Decisions.due`; notes who it is. For a reader nobody goes who has yet to begin."""
        found = super().due(head)
        self._overdue = None if found is head else found
        return found

    def left(self, request: seam.Request) -> None:
        """As `Decisions.left`; keeps the reason, should it be scheduled now."""
        request.amin_reason = BY_TAIL if request is self._overdue else BY_ORDER
        super().left(request)

    def stepped(self, output: Any) -> None:
        """As `Decisions.stepped`; says of each that is new in the step why it went."""
        super().stepped(output)
        for request in seam.admitted_first(self._scheduler, output):
            arrival = self._arrivals.pop(request.request_id, None)
            if arrival is not None:
                seam.logger.debug("amin: %s", self._in_words(request, arrival))
            self._num_admitted += 1

    def ended(self, request: seam.Request) -> None:
        """As `Decisions.ended`; forgets it."""
        self._arrivals.pop(request.request_id, None)
        super().ended(request)

    def _in_words(self, request: seam.Request, arrival: Arrival) -> str:
        waited = self.clock() - arrival.time
        # Of those who waited when it came, so many still do; the others went before it.
        still = sum(other.time < arrival.time for other in self._arrivals.values())
        num_later = self._num_admitted - arrival.num_admitted - (arrival.num_waiting - still)
        words = (
            f"request {request.request_id} goes after {waited:.2f} s: "
            f"{request.amin_reason}; {max(num_later, 0)} that came later went before it, and "
            f"it before {still} that came earlier"
        )
        fcfs = self.guard.seconds_by_fcfs(request, waited) if self.guard else None
        if fcfs is not None:
            words += f"; FCFS would have ended it after some {fcfs:.0f} s, by what is known now"
        return words
