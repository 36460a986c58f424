"""Writes down what a vLLM scheduler does, amin's or stock alike, without changing it.

It wraps methods of one scheduler object: arrivals, steps, preemptions, tokens and ends become
`RequestRecord` and `StepSample`. Works wherever the scheduler is in reach: the dry engine, and a
vLLM engine that runs in this process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from amin.engine.reading import (
    GAP_BEGAN,
    LONGEST_GAP,
    LONGEST_PAUSE,
    NUM_SEEN,
    SECONDS_EACH,
    TOTAL_PAUSE,
    all_get,
    new_readers,
    seconds_each,
)
from amin.engine.settings import READING_PACE
from amin.engine.vllm import seam
from amin.record import RequestRecord, RunResult, StepSample


class Observer:
    """Observes `scheduler` from now on; `clock` gives the engine's time in seconds.

    `pace_of` says how fast a request's reply is read, as `Request.reading_pace`.
    """

    def __init__(
        self,
        scheduler: Any,
        clock: Callable[[], float],
        pace_of: Callable[[seam.Request], float | None] = seam.reading_pace,
    ) -> None:
        self.records: dict[str, RequestRecord] = {}
        self.samples: list[StepSample] = []
        self.schedule_time = 0.0
        self._scheduler = scheduler
        self._clock = clock
        self._pace_of = pace_of
        # Rows of `amin.engine.reading`, in the order of the records.
        self._readers = new_readers(256)
        self._rows: dict[str, int] = {}
        # request id -> how many of its tokens had been computed when it was preempted
        self._frontiers: dict[str, int] = {}
        for name in (
            "add_request",
            "schedule",
            "update_from_output",
            "_preempt_request",
            "_free_request",
            "finish_requests",
        ):
            setattr(scheduler, name, self._wrap(getattr(self, f"_on_{name}"), name))

    def result(
        self, records: list[RequestRecord], *, policy: str, engine: str, seed: int
    ) -> RunResult:
        """The run so far, with these records (those observed, or what is made of them)."""
        cache = seam.CacheShape.of(self._scheduler)
        return RunResult(
            policy=policy,
            engine=engine,
            seed=seed,
            num_blocks=cache.num_blocks,
            block_size=cache.block_size,
            records=records,
            samples=self.samples,
            schedule_time=self.schedule_time,
            num_steps=len(self.samples),
        )

    def _wrap(self, handler: Callable[..., Any], name: str) -> Callable[..., Any]:
        original = getattr(self._scheduler, name)
        return lambda *args, **kwargs: handler(original, *args, **kwargs)

    def _on_add_request(self, original: Callable[..., Any], request: seam.Request) -> None:
        original(request)
        self._begin_reader(request)
        self.records.setdefault(
            request.request_id,
            RequestRecord(
                request_id=request.request_id,
                arrival_time=self._clock(),
                num_prompt_tokens=request.num_prompt_tokens,
                lower=0,
                upper=0,
            ),
        )

    def _on_schedule(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        output = original(*args, **kwargs)
        self.schedule_time += time.perf_counter() - start
        now = self._clock()
        for new in output.scheduled_new_reqs:
            record = self.records[new.req_id]
            if math.isnan(record.first_scheduled_time):
                record.first_scheduled_time = now
        self._count_recomputed(output.num_scheduled_tokens)
        used, counts = seam.num_blocks_in_use(self._scheduler), self._scheduler.get_request_counts()
        self.samples.append(StepSample(now, used, *counts))
        return output

    def _count_recomputed(self, num_scheduled_tokens: dict[str, int]) -> None:
        for request_id in [i for i in self._frontiers if i in num_scheduled_tokens]:
            end = self._scheduler.requests[request_id].num_computed_tokens
            start = end - num_scheduled_tokens[request_id]
            again = min(end, self._frontiers[request_id]) - start
            self.records[request_id].num_recomputed_tokens += max(again, 0)
            if end >= self._frontiers[request_id]:
                del self._frontiers[request_id]

    def _on__preempt_request(
        self, original: Callable[..., Any], request: seam.Request, *args: Any, **kwargs: Any
    ) -> None:
        record = self.records[request.request_id]
        record.num_preemptions += 1
        record.num_lost_tokens += request.num_computed_tokens
        self._frontiers[request.request_id] = max(
            request.num_computed_tokens, self._frontiers.get(request.request_id, 0)
        )
        original(request, *args, **kwargs)

    def _on__free_request(
        self, original: Callable[..., Any], request: seam.Request, *args: Any, **kwargs: Any
    ) -> Any:
        # Asked now, since a prediction may come long after the arrival.
        amin = getattr(self._scheduler, "amin", None)
        estimate = amin.intake.known_estimate(request.request_id) if amin else None
        if estimate is not None:
            record = self.records[request.request_id]
            record.lower, record.upper = estimate.lower, estimate.upper
        return original(request, *args, **kwargs)

    def _on_update_from_output(
        self, original: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        result = original(*args, **kwargs)
        now = self._clock()
        rows: list[int] = []
        made: list[int] = []
        ended = []
        for outputs in result.values():
            for output in outputs.outputs:
                record = self.records[output.request_id]
                if output.new_token_ids:
                    if not record.num_output_tokens:
                        record.first_token_time = now
                    record.num_output_tokens += len(output.new_token_ids)
                    rows.append(self._rows[output.request_id])
                    made.append(record.num_output_tokens)
                if output.finish_reason is not None:
                    record.finish_time = now
                    record.status = "finished"
                    ended.append(output.request_id)
        all_get(self._readers, np.array(rows, np.int64), np.array(made, np.int64), now)
        for request_id in ended:
            self._note_reader(request_id)
        return result

    def _begin_reader(self, request: seam.Request) -> None:
        row = self._rows.setdefault(request.request_id, len(self._rows))
        if row == len(self._readers):
            self._readers = np.vstack([self._readers, new_readers(row)])
        pace = self._pace_of(request)
        self._readers[row, SECONDS_EACH] = seconds_each(READING_PACE if pace is None else pace)

    def _note_reader(self, request_id: str) -> None:
        record, row = self.records[request_id], self._readers[self._rows[request_id]]
        if row[NUM_SEEN]:
            (
                record.longest_gap,
                record.longest_gap_start,
                record.longest_pause,
                record.total_pause,
            ) = row[[LONGEST_GAP, GAP_BEGAN, LONGEST_PAUSE, TOTAL_PAUSE]].tolist()

    def _on_finish_requests(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        ended = original(*args, **kwargs)
        for request in ended:
            self.records[request.request_id].finish_time = self._clock()
            self._frontiers.pop(request.request_id, None)
            self._note_reader(request.request_id)
        return ended
