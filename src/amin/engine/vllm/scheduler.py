"""A_min inside vLLM: ``--scheduler-cls amin.engine.vllm.AminScheduler``.

A subclass of vLLM's own scheduler that answers three questions and leaves the rest alone:

- whose turn is next: `PolicyQueue` in place of ``self.waiting``;
- how many to admit: that queue ends where the projected KV memory would overflow;
- who leaves: vLLM preempts ``self.running[-1]``, so before a step that will run out of blocks the
  policy's victims are moved to the end of that list, first to leave last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amin.engine.projection import Projection, num_blocks
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.intake import Intake
from amin.engine.vllm.ledger import NUM_COMPUTED, NUM_OUTPUT, NUM_PROMPT, Ledger
from amin.engine.vllm.queue import PolicyQueue
from amin.policy.catalog import get_policy
from amin.policy.compiled import Slots, compile_policy


class AminScheduler(seam.Scheduler):  # type: ignore[misc]
    """vLLM's scheduler with the policy of `AminConfig`.

    Where vLLM schedules asynchronously (the default on GPUs), making an `AminScheduler` makes the
    variant below that extends vLLM's AsyncScheduler: the wrong base class would cost the overlap.
    """

    def __new__(cls, vllm_config: Any, *args: Any, **kwargs: Any) -> AminScheduler:
        """The asynchronous variant where vLLM schedules asynchronously."""
        is_async = vllm_config.scheduler_config.async_scheduling
        chosen = AminAsyncScheduler if is_async and cls is AminScheduler else cls
        return super().__new__(chosen)  # type: ignore[no-any-return]

    def __init__(self, vllm_config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(vllm_config, *args, **kwargs)
        seam.check_scheduler(self)
        config = AminConfig.from_vllm(vllm_config.additional_config)
        self.amin_policy = get_policy(config.policy)
        self.amin_intake = Intake(config)
        self._rules = compile_policy(self.amin_policy)
        self._forecast_floor = config.forecast_floor
        self._cache = seam.CacheShape.of(self)
        self._ledger = Ledger(self.amin_policy, self._cache.capacity_tokens, config.seed)
        # With vLLM's FCFS rule the victim is the end of the list, which is ours to order.
        self.policy = seam.SchedulingPolicy.FCFS
        self.waiting = PolicyQueue(self._queue_key, self._is_admissible)
        self._projection = Projection(self._cache.block_size, self._cache.num_growing)
        self._is_projected = False
        self._unexplained = 0
        self._candidate = ""

    # --- what vLLM calls -------------------------------------------------------------------------

    def add_request(self, request: seam.Request) -> None:
        """Predict the length of a request that arrives, then enqueue it."""
        if request.request_id not in self._ledger:
            self._ledger.open(
                request.request_id,
                num_prompt_tokens=request.num_prompt_tokens,
                max_tokens=request.max_tokens,
                priority=request.priority,
                estimate=self.amin_intake.estimate(request),
            )
        super().add_request(request)

    def schedule(self, *args: Any, **kwargs: Any) -> Any:
        """One step of vLLM's scheduler, with the victims of this step in place."""
        self._is_projected = False
        self._stage_victims()
        return super().schedule(*args, **kwargs)

    def _preempt_request(self, request: seam.Request, *args: Any, **kwargs: Any) -> None:
        self._ledger.preempted(request.request_id, request.num_output_tokens)
        super()._preempt_request(request, *args, **kwargs)

    def _free_request(self, request: seam.Request, *args: Any, **kwargs: Any) -> Any:
        self.amin_intake.ended(request)
        self._ledger.close(request.request_id)
        return super()._free_request(request, *args, **kwargs)

    # --- the three answers -----------------------------------------------------------------------

    def _queue_key(self, request: seam.Request) -> tuple[int, int]:
        ledger = self._ledger
        ledger.queued(request.request_id, request.num_prompt_tokens, request.num_output_tokens)
        view = ledger.view(request.request_id)
        return int(self.amin_policy.order(view)), view.arrival_index

    def _is_admissible(self, request: seam.Request) -> bool:
        """Whether the cache would hold if every running request, and this one, ended as forecast.

        An idle engine admits anything: a forecast can delay a request but never stall it.
        """
        if not self.amin_policy.has_forecast or not self.running:
            return True
        if len(self.running) >= self.max_num_active_reqs:
            return True  # vLLM stops here by itself
        cache = self._cache
        free = seam.num_free_blocks(self)
        shared = seam.num_blocks_shared_on_admission(self, request)
        blocks_now = -(-request.num_tokens // cache.block_size) * cache.num_growing - shared
        if blocks_now > free - cache.watermark:
            return False
        if self.running[-1].request_id == self._candidate:
            self._projection.keep()
        if not self._is_projected or len(self._projection) != len(self.running):
            self._project_running(free)
        slot = self._ledger.slot(request.request_id)
        view = self._ledger.view(request.request_id)
        bounded = cache.num_bounded_blocks(view.num_prompt_tokens + view.bound)
        self._ledger.fixed[slot] = bounded - shared
        self._candidate = request.request_id
        peak = self._projection.peak_with(
            request.num_tokens + self.num_lookahead_tokens,
            max(int(self.amin_policy.forecast(view)), self._forecast_floor),
            bounded - shared,
        )
        return peak + self._unexplained <= cache.num_blocks - cache.watermark

    def _project_running(self, free: int) -> None:
        """Start the forecast of this step's admissions over."""
        cache, ledger = self._cache, self._ledger
        slots = self._running_slots()
        held = self._held(slots)
        remaining = self._rules.forecast(ledger.table, slots)
        fixed = ledger.fixed[slots]
        self._projection.reset(held, np.maximum(remaining, self._forecast_floor), fixed)
        self._is_projected = True
        # What is in use beyond the running requests' own count: prefixes whose first holder left,
        # blocks that a connector or a deferred free still holds.
        counted = num_blocks(held, cache.block_size).sum() * cache.num_growing + fixed.sum()
        self._unexplained = max(cache.num_blocks - free - int(counted), 0)

    def _stage_victims(self) -> None:
        """Move who must leave in this step to the end of ``running``, first to leave last."""
        running, cache = self.running, self._cache
        free = seam.num_free_blocks(self)
        # Without a prefill under way each request asks for one block per group at most.
        if not self._inflight_prefills and free >= len(running) * (cache.num_growing + 1):
            return
        slots = self._running_slots()
        asked = num_blocks(self._held(slots), cache.block_size)
        asked -= num_blocks(self._ledger.table[slots, NUM_COMPUTED], cache.block_size)
        shortage = int(asked.sum()) * max(cache.num_growing, 1) - free
        if shortage <= 0:
            return
        keys = self._rules.preemption_order(self._ledger.table, slots)
        leaving: list[int] = []
        for index in np.lexsort((self._ledger.ties[slots], keys)).tolist():
            leaving.append(index)
            shortage -= seam.num_private_blocks(self, running[index])
            if shortage <= 0:
                break
        victims = [running[index] for index in reversed(leaving)]
        chosen = set(leaving)
        running[:] = [r for i, r in enumerate(running) if i not in chosen] + victims

    def _running_slots(self) -> Slots:
        running = self.running
        return self._ledger.running(
            [r.request_id for r in running], [r.num_computed_tokens for r in running]
        )

    def _held(self, slots: Slots) -> Slots:
        """Tokens in memory at the end of this step, once the prompt is computed."""
        table = self._ledger.table
        held: Slots = table[slots, NUM_PROMPT] + table[slots, NUM_OUTPUT]
        held += self.num_lookahead_tokens
        return held


class AminAsyncScheduler(AminScheduler, seam.AsyncScheduler):  # type: ignore[misc]
    """`AminScheduler` over vLLM's AsyncScheduler: outputs arrive one step late."""
