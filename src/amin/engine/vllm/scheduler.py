"""A_min inside vLLM: ``--scheduler-cls amin.engine.vllm.AminScheduler``.

A subclass of vLLM's own scheduler that answers three questions and leaves the rest alone:

- whose turn is next: `PolicyQueue` in place of ``self.waiting``;
- how many to admit: that queue ends where the projected KV memory would overflow;
- who leaves: vLLM preempts ``self.running[-1]``, so before a step that will run out of blocks the
  policy's victims are moved to the end of that list, first to leave last.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amin import __version__
from amin.engine.promise import of_estimate
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.guard import TailGuard
from amin.engine.vllm.intake import Intake
from amin.engine.vllm.keeper import Keeper
from amin.engine.vllm.ledger import Ledger
from amin.engine.vllm.memory import Memory
from amin.engine.vllm.queue import PolicyQueue
from amin.policy.catalog import get_policy


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
        cache = seam.CacheShape.of(self)
        lengths = self.amin_intake.lengths
        self._ledger = Ledger(self.amin_policy, cache.capacity_tokens, config.seed, lengths)
        self._memory = Memory(self, cache, self._ledger, self.amin_policy, config.forecast_floor)
        # With vLLM's FCFS rule the victim is the end of the list, which is ours to order.
        self.policy = seam.SchedulingPolicy.FCFS
        self._lengths = lengths
        self._keeper = Keeper(lengths, Path(config.lengths_file)) if config.lengths_file else None
        self._cache = cache
        self._guard = None
        if config.tail_promise is not None:
            capacity = cache.num_blocks * cache.block_size
            seqs = self.scheduler_config.max_num_seqs
            promise = of_estimate(config.tail_promise, seam.has_prefix_cache(self))
            self._guard = TailGuard(self._ledger, promise, capacity, seqs)
        self.waiting = PolicyQueue(
            self._queue_key, self._is_admissible, self._overdue, self._note_leaving
        )
        seam.logger.info(
            "amin %s: policy %s, predictor %s, tail promise %s, client hints %s",
            __version__,
            self.amin_policy.name,
            config.predictor,
            "off" if config.tail_promise is None else f"{config.tail_promise:g}",
            "believed" if config.client_hints else "ignored",
        )

    def add_request(self, request: seam.Request) -> None:
        """Predict the length of a request that arrives, then enqueue it."""
        if request.request_id not in self._ledger:
            request.amin_slot = self._ledger.open(*self.amin_intake.arrived(self, request))
            request.amin_held = 0
            if self._guard:
                self._guard.arrived(request, self.running)
        super().add_request(request)

    def schedule(self, *args: Any, **kwargs: Any) -> Any:
        """One step of vLLM's scheduler, with the victims of this step in place."""
        for request_id, known in self.amin_intake.answers():
            request = self.requests[request_id]
            self._ledger.predict(request_id, known.estimate)
            self._regroup(request, known.groups)
            self.waiting.reorder(request)
        self._memory.begin_step()
        self.waiting.begin_step()
        victims = self._memory.victims()
        if victims:
            leaving = set(victims)
            staying = [r for i, r in enumerate(self.running) if i not in leaving]
            self.running[:] = staying + [self.running[i] for i in reversed(victims)]
        output = super().schedule(*args, **kwargs)
        if self._guard and output.total_num_scheduled_tokens:
            in_use = seam.num_blocks_in_use(self) * self._cache.block_size
            scheduled = output.total_num_scheduled_tokens
            self._guard.worked(in_use, len(self.running), scheduled)
        return output

    def update_from_output(self, *args: Any, **kwargs: Any) -> Any:
        """vLLM's own; and now and then, learn from all replies so far."""
        outputs = super().update_from_output(*args, **kwargs)
        if self._lengths.is_due:
            slots = [request.amin_slot for request in self.running]
            made = [request.num_output_tokens for request in self.running]
            told_by = self._lengths.feature
            arrays = np.array(slots, np.int64), np.array(made, np.int64)
            self._lengths.refresh(self._ledger.groups, *arrays)
            if self._guard:
                self._guard.learned(self.running)
            if self._keeper:
                self._keeper.learned()
            if self._lengths.feature != told_by:
                seam.logger.info("amin: lengths are now foretold by %s", self._lengths.in_words())
        return outputs

    def shutdown(self) -> None:
        """vLLM's own; and keep what was learned and logged."""
        self.amin_intake.close()
        if self._keeper:
            self._keeper.close()
        super().shutdown()

    def _preempt_request(self, request: seam.Request, *args: Any, **kwargs: Any) -> None:
        self._ledger.preempted(request.request_id, request.num_output_tokens)
        super()._preempt_request(request, *args, **kwargs)

    def _free_request(self, request: seam.Request, *args: Any, **kwargs: Any) -> Any:
        self.amin_intake.ended(request)
        if self._guard:
            self._guard.ended(request)
        self._ledger.close(request.request_id)
        return super()._free_request(request, *args, **kwargs)

    def _queue_key(self, request: seam.Request) -> tuple[int, int]:
        self._note_waiting(request)
        view = self._ledger.view(request.request_id)
        return int(self.amin_policy.order(view)), view.arrival_index

    def _is_admissible(self, request: seam.Request) -> bool:
        # Scheduling asynchronously, vLLM hands a preempted request the token that was in flight
        # when it left.
        if request.num_tokens != request.amin_num_tokens:
            self._note_waiting(request)
        # Without a forecast, vLLM's own test of what fits now is the whole admission.
        return not self.amin_policy.has_forecast or self._memory.admits(request)

    def _note_waiting(self, request: seam.Request) -> None:
        request.amin_num_tokens = request.num_tokens
        self._ledger.waits(request.amin_slot, request.num_prompt_tokens, request.num_output_tokens)
        self._hold(request, request.num_output_tokens)
        if self._guard:
            self._guard.waits(request)

    def _note_leaving(self, request: seam.Request) -> None:
        self._hold(request, 0)
        if self._guard:
            self._guard.leaves(request)

    def _hold(self, request: seam.Request, num_output_tokens: int) -> None:
        """A reply that waits with some of it made counts among those that are longer."""
        if num_output_tokens != request.amin_held:
            groups = self._ledger.groups[request.amin_slot]
            self._lengths.hold(groups, request.amin_held, -1.0)
            self._lengths.hold(groups, num_output_tokens, 1.0)
            request.amin_held = num_output_tokens

    def _regroup(self, request: seam.Request, groups: Sequence[int]) -> None:
        """What foretells its length has changed: what is held of it is held with others."""
        held = request.amin_held
        self._hold(request, 0)
        self._ledger.groups[request.amin_slot] = groups
        self._hold(request, held)

    def _overdue(self) -> seam.Request | None:
        return self._guard.overdue() if self._guard else None


class AminAsyncScheduler(AminScheduler, seam.AsyncScheduler):  # type: ignore[misc]
    """`AminScheduler` over vLLM's AsyncScheduler: outputs arrive one step late."""
