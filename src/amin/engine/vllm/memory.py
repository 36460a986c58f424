"""KV memory as a scheduler of vLLM sees it now, and as the policy's forecasts project it.

Answers two questions about the coming step: may this request be admitted, and who would have to
leave. Reads the scheduler, through the seam, and the ledger; changes neither queue nor list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amin.engine.projection import Projection
from amin.engine.rows import PRIORITY, look_ahead, num_blocks_asked, steps_to_compute
from amin.engine.vllm import seam
from amin.engine.vllm.ledger import Ledger
from amin.engine.vllm.ranks import Ranks
from amin.engine.vllm.stream_guard import StreamGuard
from amin.policy.compiled import NUM_COLUMNS, Slots, compile_policy
from amin.policy.interface import Policy
from amin.request import RequestView


class Memory:
    """The KV cache of `scheduler` under `policy`.

    Every forecast is at least `floor` tokens. With `has_priorities` the least urgent leave first,
    and of these whom the policy says; between the two, those first whose readers, by `streams`,
    have slack to spare. By `ranks`, some of it may be kept free for clients who ask for little.
    """

    def __init__(
        self,
        scheduler: Any,
        cache: seam.CacheShape,
        ledger: Ledger,
        policy: Policy,
        floor: int,
        has_priorities: bool,
        streams: StreamGuard | None,
        ranks: Ranks,
    ) -> None:
        self._streams = streams
        self._ranks = ranks
        self._way_is_made_for: seam.Request | None = None
        self._has_priorities = has_priorities
        self._scheduler = scheduler
        self._cache = cache
        self._ledger = ledger
        self._policy = policy
        self.floor = floor
        # Of one group of those that grow, each of which holds every token.
        self._tokens_per_block = cache.block_size / max(cache.num_growing, 1)
        self._lookahead = seam.num_lookahead_tokens(scheduler)
        self._blocks_per_step = cache.num_blocks_per_step(self._lookahead)
        # Scheduling asynchronously, vLLM sees a request's end, and frees its memory, a step late.
        self._steps_to_free = int(isinstance(scheduler, seam.AsyncScheduler))
        self._rules = compile_policy(policy)
        self._projection = Projection(cache.block_size, cache.num_growing)
        self._limits = seam.step_limits(scheduler)
        self._slots: Slots | None = None
        self._is_projected = False
        self._unexplained = 0
        self._forecasts_alike = policy.forecasts_alike and not cache.bounded
        # Where it reads nothing of a request, it need be asked but once.
        self._forecast_of_all: int | None = None
        if policy.forecasts_alike:
            self._forecast_of_all = int(policy.forecast(RequestView(*[1] * NUM_COLUMNS)))
        # Tokens of prompts that are being computed, of the latest candidate, of this step's.
        self._ahead = self._candidate_tokens = self._new_tokens = 0
        self._candidate = ""
        # Compile now, not in the first step under load.
        none = np.zeros(0, np.int64)
        self._look_ahead(none, none)
        self._num_blocks_asked(none)

    def begin_step(self) -> None:
        """Forget what was read for the last step."""
        self._limits = seam.step_limits(self._scheduler)
        self._slots = None
        self._is_projected = False
        self._new_tokens = 0
        self._way_is_made_for = None

    def admits(self, request: seam.Request) -> bool:
        """Whether the cache would hold if every running request, and this one, ended as forecast.

        An idle engine admits anything: a forecast can delay a request but never stall it.
        """
        scheduler, cache, slot = self._scheduler, self._cache, request.amin_slot
        running = seam.running(scheduler)
        if self._way_is_made_for is not None and self._way_is_made_for is not request:
            return False
        # At the limit of running requests vLLM stops by itself; who cannot be admitted is skipped.
        if not running or seam.is_full(scheduler) or not seam.can_be_admitted(request):
            self._ledger.shared[slot] = 0
            return True
        free = seam.num_free_blocks(scheduler)
        blocks_now, shared, cached = self._on_admission(request)
        self._ledger.shared[slot] = shared
        kept = int(self._ranks.keeps_free(request) * cache.num_blocks)
        if blocks_now > free - cache.watermark - kept:
            return False
        if not self._leaves_room(slot, free - kept - blocks_now):
            return False
        if not self._policy.has_forecast:
            return True
        left = request.num_tokens - cached
        self._new_tokens += left
        steps = max(self._forecast(request) + self._steps_to_free, self.floor)
        if self._is_ample(steps, len(running), free - blocks_now):
            return True
        if running[-1].request_id == self._candidate:
            self._projection.keep()
            self._ahead += self._candidate_tokens
        if not self._is_projected or len(self._projection) != len(running):
            self._project_running(free)
        self._candidate, self._candidate_tokens = request.request_id, left if left > 1 else 0
        held = request.num_tokens + self._lookahead
        # Uncompiled: for one request, the call of compiled code costs more than the rest.
        steps += steps_to_compute.py_func(left, self._ahead, len(running), *self._limits)
        fixed = cache.num_bounded_blocks_of(held + steps, is_computing=True)
        peak = self._projection.peak_with(held, steps, fixed - shared)
        return peak + self._unexplained <= cache.num_blocks - cache.watermark

    def _forecast(self, request: seam.Request) -> int:
        """Steps that it is forecast to run."""
        if self._forecast_of_all is not None:
            return self._forecast_of_all
        return int(self._policy.forecast(self._ledger.view_of(request.amin_slot)))

    def _on_admission(self, request: seam.Request) -> tuple[int, int, int]:
        """(blocks that it would take, those that it would share, tokens found in the cache)."""
        shared, cached = seam.found_on_admission(self._scheduler, request)
        whole = -(-request.num_tokens // self._cache.block_size) * self._cache.num_growing
        return whole - shared, shared, cached

    def _leaves_room(self, slot: int, num_left: int) -> bool:
        """Whether nobody's reader would be left waiting if this one were admitted.

        `num_left` blocks would be free beside it.
        """
        if self._streams is None:
            return True
        ledger, running = self._ledger, seam.running(self._scheduler)
        given = ledger.table, ledger.shared, running, slot
        room = int(num_left * self._tokens_per_block)
        return self._streams.leaves_room(*given, room, self._tokens_per_block)

    def _is_ample(self, steps: int, num_running: int, num_left: int) -> bool:
        """Whether all would fit even if they held the most at once: then nobody need be looked at.

        That is so where the forecast is so many `steps` for everybody, and `num_left` blocks, free
        beside the candidate's, hold the growth of them all.
        """
        if not self._forecasts_alike or seam.prompts_being_computed(self._scheduler):
            return False
        cache = self._cache
        steps += steps_to_compute.py_func(self._new_tokens, 0, num_running, *self._limits)
        growth = -(-(steps - 1 + self._lookahead) // cache.block_size) * cache.num_growing
        return (num_running + 1) * growth <= num_left - cache.watermark

    def victims(self) -> list[int]:
        """Who must leave in this step, as indices into ``running``: first to leave first.

        Enough of them that the rest can grow, or more where a window frees blocks in the same step:
        vLLM takes no more of them than it needs. Empty where the step fits.
        """
        scheduler = self._scheduler
        free, running = seam.num_free_blocks(scheduler), seam.running(scheduler)
        at_most = len(running) * self._blocks_per_step
        if not seam.prompts_being_computed(scheduler) and free >= at_most:
            return []
        slots = self._running_slots()
        leaving: list[int] = []
        if self._num_blocks_asked(slots) <= free:
            return leaving
        keys = self._rules.preemption_order(self._ledger.table, slots)
        staying = np.ones(len(slots), bool)
        sorting: tuple[Any, ...] = self._ledger.ties[slots], keys
        if self._streams is not None:
            sorting = *sorting, -self._streams.who_has_to_spare(slots)
        if self._has_priorities:
            sorting = *sorting, -self._ledger.table[slots, PRIORITY]
        for index in np.lexsort(sorting).tolist():
            leaving.append(index)
            # It gives back what it holds alone, and leaves its share of the batch to the others.
            free += seam.num_private_blocks(scheduler, running[index])
            staying[index] = False
            if self._num_blocks_asked(slots[staying]) <= free:
                break
        return leaving

    def who_makes_way(self, request: seam.Request) -> list[seam.Request]:
        """Who of those that run is to leave, so that this one, whose reader waits, fits; or nobody.

        Room is needed for it and for what the others take in this step. In such a step nobody else
        is admitted.
        """
        scheduler, running = self._scheduler, seam.running(self._scheduler)
        if self._streams is None or not seam.can_be_admitted(request):
            return []
        slots, needed = self._running_slots(), self._on_admission(request)[0]
        needed += self._cache.watermark + self._num_blocks_asked(slots)
        missing = needed - seam.num_free_blocks(scheduler)
        if missing <= 0:
            return []
        private = [seam.num_private_blocks(scheduler, other) for other in running]
        leaving = self._streams.who_makes_way(slots, np.array(private, np.int64), missing)
        if leaving:
            self._way_is_made_for = request
        return [running[place] for place in leaving]

    def _num_blocks_asked(self, slots: Slots) -> int:
        """Blocks that these requests, alone in the batch, take in this step."""
        sizes, table = self._cache.sizes, self._ledger.table
        return int(num_blocks_asked(table, slots, sizes, self._lookahead, *self._limits))

    def _project_running(self, free: int) -> None:
        """Start the forecast of this step's admissions over."""
        slots, in_flight = self._running_slots(), self._ledger.in_flight
        if self._cache.bounded and self._steps_to_free:
            for request in seam.running(self._scheduler):
                in_flight[request.amin_slot] = seam.num_tokens_in_flight(request)
        steps = self._rules.forecast(self._ledger.table, slots) + self._steps_to_free
        rows, explained = self._look_ahead(slots, np.maximum(steps, self.floor))
        self._projection.reset(rows)
        self._is_projected = True
        # What is in use beyond the running requests' own count: prefixes whose first holder left,
        # blocks that a connector or a deferred free still holds.
        for request in seam.prompts_being_computed(self._scheduler):
            explained += seam.num_blocks_held(self._scheduler, request)
            explained -= self._cache.num_blocks_of(request.num_tokens + self._lookahead)
        self._unexplained = max(self._cache.num_blocks - free - explained, 0)

    def _look_ahead(self, slots: Slots, steps: Slots) -> tuple[Slots, int]:
        """(rows of the projection, blocks that the running requests' own count explains)."""
        cache, ledger = self._cache, self._ledger
        groups = cache.block_size, cache.num_growing, cache.bounded_rows
        limits = self._lookahead, *self._limits
        rows, explained, self._ahead = look_ahead(
            ledger.table, slots, steps, ledger.shared, *groups, ledger.in_flight, *limits
        )
        return rows, explained

    def _running_slots(self) -> Slots:
        """Rows of the running requests, brought up to date; read once a step unless some joined.

        Their order may be an earlier one of the same requests. None left since the step began, or
        vLLM would admit nobody in it.
        """
        running = seam.running(self._scheduler)
        if self._slots is None or len(self._slots) != len(running):
            self._slots = self._ledger.running(
                [r.amin_slot for r in running], [r.num_computed_tokens for r in running]
            )
        return self._slots
