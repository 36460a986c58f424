"""KV memory as a scheduler of vLLM sees it now, and as the policy's forecasts project it.

Answers two questions about the coming step: may this request be admitted, and who would have to
leave. Reads the scheduler, through the seam, and the ledger; changes neither queue nor list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amin.engine.projection import (
    Projection,
    each_steps_to_compute,
    num_blocks,
    num_blocks_asked,
    steps_to_compute,
)
from amin.engine.vllm import seam
from amin.engine.vllm.ledger import MAX_TOKENS, NUM_COMPUTED, NUM_OUTPUT, NUM_PROMPT, Ledger
from amin.policy.compiled import Slots, compile_policy
from amin.policy.interface import Policy


class Memory:
    """The KV cache of `scheduler` under `policy`.

    Every forecast is at least `forecast_floor` tokens.
    """

    def __init__(
        self, scheduler: Any, cache: seam.CacheShape, ledger: Ledger, policy: Policy, floor: int
    ) -> None:
        self._scheduler = scheduler
        self._cache = cache
        self._ledger = ledger
        self._policy = policy
        self._floor = floor
        self._lookahead = seam.num_lookahead_tokens(scheduler)
        self._blocks_per_step = cache.num_blocks_per_step(self._lookahead)
        # Scheduling asynchronously, vLLM sees a request's end, and frees its memory, a step late.
        self._steps_to_free = int(isinstance(scheduler, seam.AsyncScheduler))
        self._rules = compile_policy(policy)
        self._projection = Projection(cache.block_size, cache.num_growing)
        self._slots: Slots | None = None
        self._is_projected = False
        self._unexplained = 0
        # Tokens of prompts that are being computed, and of the latest candidate.
        self._ahead = self._candidate_tokens = 0
        self._candidate = ""

    def begin_step(self) -> None:
        """Forget what was read for the last step."""
        self._slots = None
        self._is_projected = False

    def admits(self, request: seam.Request) -> bool:
        """Whether the cache would hold if every running request, and this one, ended as forecast.

        An idle engine admits anything: a forecast can delay a request but never stall it.
        """
        scheduler, cache, slot = self._scheduler, self._cache, request.amin_slot
        running = seam.running(scheduler)
        self._ledger.shared[slot] = 0
        # At the limit of running requests vLLM stops by itself; who cannot be admitted is skipped.
        if not running or seam.is_full(scheduler) or not seam.can_be_admitted(request):
            return True
        free = seam.num_free_blocks(scheduler)
        shared = seam.num_blocks_shared_on_admission(scheduler, request)
        blocks_now = -(-request.num_tokens // cache.block_size) * cache.num_growing - shared
        if blocks_now > free - cache.watermark:
            return False
        if running[-1].request_id == self._candidate:
            self._projection.keep()
            self._ahead += self._candidate_tokens
        if not self._is_projected or len(self._projection) != len(running):
            self._project_running(free)
        self._ledger.shared[slot] = shared
        self._candidate, self._candidate_tokens = request.request_id, request.num_tokens
        held = request.num_tokens + self._lookahead
        view = self._ledger.view(request.request_id)
        steps = max(int(self._policy.forecast(view)) + self._steps_to_free, self._floor)
        limits = len(running), *seam.step_limits(scheduler)
        steps += steps_to_compute(request.num_tokens, self._ahead, *limits)
        fixed = cache.num_bounded_blocks_of(held + steps, is_computing=True)
        peak = self._projection.peak_with(held, steps, fixed - shared)
        return peak + self._unexplained <= cache.num_blocks - cache.watermark

    def victims(self) -> list[int]:
        """Who must leave in this step, as indices into ``running``: first to leave first.

        Enough of them that the rest can grow, or more where a window frees blocks in the same step:
        vLLM takes no more of them than it needs. Empty where the step fits.
        """
        scheduler = self._scheduler
        free, running = seam.num_free_blocks(scheduler), seam.running(scheduler)
        at_most = len(running) * self._blocks_per_step
        if not seam.is_computing_prompts(scheduler) and free >= at_most:
            return []
        slots = self._running_slots()
        leaving: list[int] = []
        if self._num_blocks_asked(slots) <= free:
            return leaving
        keys = self._rules.preemption_order(self._ledger.table, slots)
        staying = np.ones(len(slots), bool)
        for index in np.lexsort((self._ledger.ties[slots], keys)).tolist():
            leaving.append(index)
            # It gives back what it holds alone, and leaves its share of the batch to the others.
            free += seam.num_private_blocks(scheduler, running[index])
            staying[index] = False
            if self._num_blocks_asked(slots[staying]) <= free:
                break
        return leaving

    def _num_blocks_asked(self, slots: Slots) -> int:
        """Blocks that these requests, alone in the batch, take in this step."""
        tokens, computed = self._tokens(slots), self._ledger.table[slots, NUM_COMPUTED]
        budget, chunk = seam.step_limits(self._scheduler)
        return sum(
            num_groups * num_blocks_asked(tokens, computed, size, self._lookahead, budget, chunk)
            for size, num_groups in self._cache.groups_by_block_size
        )

    def _project_running(self, free: int) -> None:
        """Start the forecast of this step's admissions over."""
        cache, ledger = self._cache, self._ledger
        slots = self._running_slots()
        held = self._tokens(slots) + self._lookahead
        remaining = self._rules.forecast(ledger.table, slots) + self._steps_to_free
        left = self._tokens(slots) - ledger.table[slots, NUM_COMPUTED]
        self._ahead = int(left[left > 1].sum())
        limits = len(slots), *seam.step_limits(self._scheduler)
        remaining = np.maximum(remaining, self._floor) + each_steps_to_compute(left, *limits)
        shared = ledger.shared[slots]
        fixed = cache.num_bounded_blocks(held + remaining, left > 1)
        self._projection.reset(held, remaining, fixed - shared)
        self._is_projected = True
        # What is in use beyond the running requests' own count: prefixes whose first holder left,
        # blocks that a connector or a deferred free still holds.
        growing = num_blocks(held, cache.block_size) * cache.num_growing
        bounded = cache.num_bounded_blocks(held, np.zeros_like(left, bool))
        explained = int((growing + bounded - shared).sum())
        for num_tokens, num_held in seam.prompts_being_computed(self._scheduler):
            explained += num_held - cache.num_blocks_of(num_tokens + self._lookahead)
        self._unexplained = max(cache.num_blocks - free - explained, 0)

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

    def _tokens(self, slots: Slots) -> Slots:
        """Tokens in memory at the end of this step, once the prompt is computed.

        The last token of a reply is never fed back, so it is never in memory.
        """
        table = self._ledger.table
        output = np.minimum(table[slots, NUM_OUTPUT], table[slots, MAX_TOKENS] - 1)
        tokens: Slots = table[slots, NUM_PROMPT] + output
        return tokens
