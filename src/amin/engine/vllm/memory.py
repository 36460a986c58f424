"""KV memory as a scheduler of vLLM sees it now, and as the policy's forecasts project it.

Answers two questions about the coming step: may this request be admitted, and who would have to
leave. Reads the scheduler and the ledger; changes neither queue nor list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amin.engine.projection import Projection, blocks_asked, num_blocks
from amin.engine.vllm import seam
from amin.engine.vllm.ledger import NUM_COMPUTED, NUM_OUTPUT, NUM_PROMPT, Ledger
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
        # Scheduling asynchronously, vLLM sees a request's end, and frees its memory, a step late.
        self._steps_to_free = int(isinstance(scheduler, seam.AsyncScheduler))
        self._rules = compile_policy(policy)
        self._projection = Projection(cache.block_size, cache.num_growing)
        self._slots: Slots | None = None
        self._is_projected = False
        self._unexplained = 0
        self._candidate = ""

    def begin_step(self) -> None:
        """Forget what was read for the last step."""
        self._slots = None
        self._is_projected = False

    def admits(self, request: seam.Request) -> bool:
        """Whether the cache would hold if every running request, and this one, ended as forecast.

        An idle engine admits anything: a forecast can delay a request but never stall it.
        """
        scheduler, cache = self._scheduler, self._cache
        num_running = len(scheduler.running)
        view = self._ledger.view(request.request_id)
        fixed = cache.num_bounded_blocks(view.num_prompt_tokens + view.bound)
        slot = request.amin_slot
        self._ledger.fixed[slot] = fixed
        # At the limit of running requests vLLM stops by itself.
        if not num_running or num_running >= scheduler.max_num_active_reqs:
            return True
        if not seam.is_ready(request):
            return True
        free = seam.num_free_blocks(scheduler)
        shared = seam.num_blocks_shared_on_admission(scheduler, request)
        num_tokens = request.num_tokens
        blocks_now = -(-num_tokens // cache.block_size) * cache.num_growing - shared
        if blocks_now > free - cache.watermark:
            return False
        if scheduler.running[-1].request_id == self._candidate:
            self._projection.keep()
        if not self._is_projected or len(self._projection) != num_running:
            self._project_running(free)
        self._ledger.fixed[slot] = fixed - shared
        self._candidate = request.request_id
        peak = self._projection.peak_with(
            num_tokens + scheduler.num_lookahead_tokens,
            max(int(self._policy.forecast(view)) + self._steps_to_free, self._floor),
            fixed - shared,
        )
        return peak + self._unexplained <= cache.num_blocks - cache.watermark

    def victims(self) -> list[int]:
        """Who must leave in this step, as indices into ``running``: first to leave first.

        Enough of them that the rest can grow; empty where the step fits.
        """
        scheduler, cache = self._scheduler, self._cache
        free = seam.num_free_blocks(scheduler)
        # Without a prefill under way each request asks for one block per group at most.
        bound = len(scheduler.running) * (cache.num_growing + 1)
        if not scheduler._inflight_prefills and free >= bound:
            return []
        slots = self._running_slots()
        budget = scheduler.max_num_scheduled_tokens
        asked = blocks_asked(
            self._held(slots),
            self._ledger.table[slots, NUM_COMPUTED],
            cache.block_size,
            budget,
            scheduler.scheduler_config.long_prefill_token_threshold or budget,
        )
        asked *= max(cache.num_growing, 1)
        shortage = int(asked.sum()) - free
        leaving: list[int] = []
        if shortage > 0:
            keys = self._rules.preemption_order(self._ledger.table, slots)
            for index in np.lexsort((self._ledger.ties[slots], keys)).tolist():
                leaving.append(index)
                # It gives back what it holds alone, and no longer asks for more.
                shortage -= seam.num_private_blocks(scheduler, scheduler.running[index])
                shortage -= int(asked[index])
                if shortage <= 0:
                    break
        return leaving

    def _project_running(self, free: int) -> None:
        """Start the forecast of this step's admissions over."""
        cache, ledger = self._cache, self._ledger
        slots = self._running_slots()
        held = self._held(slots)
        fixed = ledger.fixed[slots]
        remaining = self._rules.forecast(ledger.table, slots) + self._steps_to_free
        self._projection.reset(held, np.maximum(remaining, self._floor), fixed)
        self._is_projected = True
        # What is in use beyond the running requests' own count: prefixes whose first holder left,
        # blocks that a connector or a deferred free still holds.
        blocks = num_blocks(held, cache.block_size) * cache.num_growing + fixed
        counted = int(blocks.sum()) - seam.num_blocks_to_come(self._scheduler, cache)
        self._unexplained = max(cache.num_blocks - free - counted, 0)

    def _running_slots(self) -> Slots:
        """Rows of the running requests, brought up to date; read once a step unless some joined.

        Their order may be an earlier one of the same requests. None left since the step began, or
        vLLM would admit nobody in it.
        """
        running = self._scheduler.running
        if self._slots is None or len(self._slots) != len(running):
            self._slots = self._ledger.running(
                [r.amin_slot for r in running], [r.num_computed_tokens for r in running]
            )
        return self._slots

    def _held(self, slots: Slots) -> Slots:
        """Tokens in memory at the end of this step, once the prompt is computed."""
        table = self._ledger.table
        held: Slots = table[slots, NUM_PROMPT] + table[slots, NUM_OUTPUT]
        held += self._scheduler.num_lookahead_tokens
        return held
