"""When each request of a workload arrives, those that follow others among them.

For engines that are driven from outside; the simulator does the same in compiled code
(`amin.engine.simulator.arrivals`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from msgspec import structs

from amin.workload.interface import Job
from amin.workload.trace import Trace


class Arrivals:
    """Of the jobs of `rows`, whoever follows another that is left out as `Trace` has it."""

    def __init__(self, jobs: Sequence[Job], rows: Sequence[int]) -> None:
        part = Trace.of(jobs)[np.array(rows, np.int64)]
        chosen = [jobs[row] for row in rows]
        follows: list[Any] = part.follows.tolist() or [-1] * len(chosen)
        self._followers = {
            chosen[one].request.request_id: (place, float(part.think_time[place]))
            for place, one in enumerate(follows)
            if one >= 0
        }
        self._jobs = chosen
        self._coming = [
            (job.request.arrival_time, place)
            for place, job in enumerate(chosen)
            if follows[place] < 0
        ]
        heapq.heapify(self._coming)

    def __bool__(self) -> bool:
        """Whether anybody is known to come."""
        return bool(self._coming)

    @property
    def next_time(self) -> float:
        """When the next one arrives, in seconds; only while anybody is known to come."""
        return self._coming[0][0]

    def until(self, now: float) -> Iterator[Job]:
        """Those who arrive until now, in order: the earlier row first where all else is equal."""
        while self._coming and self._coming[0][0] <= now:
            time, place = heapq.heappop(self._coming)
            job = self._jobs[place]
            yield replace(job, request=structs.replace(job.request, arrival_time=time))

    def ended(self, request_id: str, now: float) -> None:
        """A request has ended: who follows it comes when it has thought."""
        if request_id in self._followers:
            place, think_time = self._followers.pop(request_id)
            heapq.heappush(self._coming, (now + think_time, place))
