"""A_min inside vLLM: ``--scheduler-cls amin.engine.vllm.AminScheduler``.

A subclass of vLLM's own scheduler that answers three questions and leaves the rest alone:

- whose turn is next: `PolicyQueue` in place of ``self.waiting``;
- how many to admit: that queue ends where the projected KV memory would overflow;
- who leaves: vLLM preempts ``self.running[-1]``, so before a step that will run out of blocks the
  policy's victims are moved to the end of that list, first to leave last. For a reply whose reader
  is about to wait others are preempted before the step, as vLLM does it where its cache is reset.

What it answers is decided in `Decisions`, and asked through a `Boundary`: where that fails, vLLM's
own way is taken, and after the third time for good. Nothing but these two is in between.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from amin import __version__
from amin.engine.boundary import Boundary
from amin.engine.settings import promise_in_words
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.decisions import Decisions
from amin.engine.vllm.explained import ExplainedDecisions
from amin.engine.vllm.metrics import metrics_of
from amin.engine.vllm.mode import ON, SHADOW, ModeFile, ModeWatch
from amin.engine.vllm.queue import IsAlike, Key, PolicyQueue
from amin.engine.vllm.untested import require_it_passes_if_newer

IN_WORDS = {
    "on": "amin decides",
    "shadow": "vLLM decides, and amin counts what it would have done",
    "off": "vLLM decides",
}
SECONDS_BETWEEN_COUNTS = 1.0


class AminScheduler(seam.Scheduler):  # type: ignore[misc]
    """vLLM's scheduler with the policy of `AminConfig`.

    Where vLLM schedules asynchronously (the default on GPUs), making an `AminScheduler` makes the
    variant below that extends vLLM's AsyncScheduler: the wrong base class would cost the overlap.
    For a model that makes no replies it makes vLLM's own scheduler: there is nothing to decide.
    """

    def __new__(cls, vllm_config: Any, kv_cache_config: Any, *args: Any, **kwargs: Any) -> Any:
        """The scheduler that is right for this model and this way of scheduling."""
        why = seam.why_left_to_vllm(vllm_config, kv_cache_config)
        if why:
            seam.logger.info("amin %s: %s: vLLM schedules alone", __version__, why)
            return seam.stock_scheduler(vllm_config)(vllm_config, kv_cache_config, *args, **kwargs)
        is_async = vllm_config.scheduler_config.async_scheduling
        chosen = AminAsyncScheduler if is_async and cls is AminScheduler else cls
        return super().__new__(chosen)

    def __init__(self, vllm_config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(vllm_config, *args, **kwargs)
        seam.check_scheduler(self)
        require_it_passes_if_newer(seam.logger)
        config = AminConfig.from_vllm(vllm_config.additional_config)
        decides = ExplainedDecisions if seam.logger.isEnabledFor(logging.DEBUG) else Decisions
        self.amin = decides(self, config, seam.engine_rank(vllm_config))
        self.amin_boundary = Boundary(config.decision_budget_ms, seam.logger)
        rank = seam.engine_rank(vllm_config)
        self.amin_metrics = metrics_of(config, rank)
        self.amin_mode = ON
        self._mode_watch = ModeWatch(config.mode, rank, ModeFile())
        self._mode_watch.does(ON)
        self._looked_on = 0.0
        self._num_preempted = 0
        self._num_arrivals = 0
        # With vLLM's FCFS rule the victim is the end of the list, which is ours to order.
        self.policy = seam.SchedulingPolicy.FCFS
        self._policy_queue = PolicyQueue(
            self._key, self._admits, self._due, self._left, self._returned,
            # Only where a limit on adapters may skip somebody.
            *((self._skipped_alike, self._hidden, self._shown) if self.lora_config else ()),
        )  # fmt: skip
        self.waiting = self._policy_queue
        seam.own_skipped_queue(self)
        seam.logger.info(
            "amin %s: policy %s, predictor %s, tail promise %s, stream promise %s, client hints %s",
            __version__,
            self.amin.policy.name,
            config.predictor,
            promise_in_words(config.tail_promise),
            promise_in_words(config.stream_promise),
            "believed" if config.client_hints else "ignored",
        )

    def add_request(self, request: seam.Request) -> None:
        """vLLM's own, after amin has noted the arrival."""
        request.amin_arrival, request.amin_preempted_as = self._num_arrivals, 0
        self._num_arrivals += 1
        ask, amin = self.amin_boundary.ask, self.amin
        is_noted = ask("arrival", False, amin.arrived, request)
        if not is_noted and not ask("arrival", False, amin.arrived_unknown, request):
            self.amin_boundary.give_up("a request cannot be entered into the books")
        super().add_request(request)

    def schedule(self, *args: Any, **kwargs: Any) -> Any:
        """One step of vLLM's scheduler, with the victims of this step in place."""
        if self.amin_boundary.is_off:
            self._become_stock()
            return super().schedule(*args, **kwargs)
        ask, amin = self.amin_boundary.ask, self.amin
        self._policy_queue.begin_step()
        if self._mode_watch.mode != self.amin_mode:
            self._change_mode(self._mode_watch.mode)
        ask("step", None, amin.step_begins)
        nobody: list[seam.Request] = []
        for request in ask("late prediction", nobody, amin.answered):
            self._policy_queue.reorder(request)
        for request in ask("look-ups", nobody, amin.looked_up):
            self._policy_queue.reorder(request)
        for request in ask("deadlines", nobody, amin.too_late):
            self._policy_queue.reorder(request)
        decides = self.amin_mode == ON
        if self.amin_mode == SHADOW:
            self._look_on()
        makes_way = ask("making way", nobody, amin.make_way) if decides else nobody
        for request in makes_way:
            self.running.remove(request)
            self._preempt_request(request, time.monotonic())
        none: list[int] = []
        victims = ask("victims", none, amin.victims) if decides else none
        if victims:
            leaving = set(victims)
            staying = [r for i, r in enumerate(self.running) if i not in leaving]
            self.running[:] = staying + [self.running[i] for i in reversed(victims)]
        output = super().schedule(*args, **kwargs)
        seam.note_preempted(output, makes_way)
        ask("work done", None, amin.stepped, output)
        self.amin_boundary.step_is_over()
        if self.amin_metrics:
            update = self.amin_metrics.step_is_over
            ask("metrics", None, update, amin, self.amin_boundary, self.amin_mode, amin.clock())
        return output

    def update_from_output(self, *args: Any, **kwargs: Any) -> Any:
        """vLLM's own; and now and then, learn from all replies so far."""
        outputs = super().update_from_output(*args, **kwargs)
        self.amin_boundary.ask("learning", None, self.amin.learned)
        return outputs

    def shutdown(self) -> None:
        """vLLM's own; and keep what was learned and logged."""
        self.amin_boundary.ask("shutdown", None, self.amin.close)
        super().shutdown()

    def _preempt_request(self, request: seam.Request, *args: Any, **kwargs: Any) -> None:
        self._num_preempted += 1
        request.amin_preempted_as = self._num_preempted
        self.amin_boundary.ask("preemption", None, self.amin.preempted, request)
        super()._preempt_request(request, *args, **kwargs)

    def _free_request(self, request: seam.Request, *args: Any, **kwargs: Any) -> Any:
        self.amin_boundary.ask("end", None, self.amin.ended, request)
        return super()._free_request(request, *args, **kwargs)

    def _change_mode(self, mode: str) -> None:
        """The operator says so: whoever waits is in another order from this step on."""
        self.amin_mode = mode
        self.policy = seam.SchedulingPolicy.FCFS if mode == ON else seam.stock_policy(self)
        for request in list(self._policy_queue):
            self._policy_queue.reorder(request)
        self._mode_watch.does(mode)
        seam.logger.info("amin: mode %s: %s", mode, IN_WORDS[mode])

    def _look_on(self) -> None:
        """Now and then: whom would amin have go next?"""
        now = self.amin.clock()
        if now - self._looked_on >= SECONDS_BETWEEN_COUNTS and len(self._policy_queue):
            self._looked_on = now
            head = self._policy_queue.peek_request()
            self.amin_boundary.ask("looking on", None, self.amin.look_on, head)

    def _become_stock(self) -> None:
        """amin has given up: vLLM's own queue, with all who wait, by arrival."""
        if self.waiting is not self._policy_queue:
            return
        self.policy = seam.stock_policy(self)
        self.waiting = seam.create_request_queue(self.policy)
        for request in sorted(self._policy_queue, key=lambda request: request.amin_arrival):
            self.waiting.add_request(request)

    # What the queue asks and tells, with vLLM's own way: first come, first served; whoever fits.

    def _key(self, request: seam.Request) -> Key:
        arrival = request.amin_arrival
        key = self.amin_boundary.ask("order", (0, arrival, arrival), self.amin.key, request)
        if self.amin_mode == ON:
            return key
        # As vLLM's queues: by priority, or whoever was preempted last first, then by arrival.
        if seam.stock_policy(self) == seam.SchedulingPolicy.PRIORITY:
            return request.priority, arrival, arrival
        back = request.amin_preempted_as
        return 0, -back if back else arrival, arrival

    def _admits(self, request: seam.Request) -> bool:
        if self.amin_mode != ON:
            return True
        return self.amin_boundary.ask("admission", True, self.amin.admits, request)

    def _due(self, head: seam.Request) -> seam.Request | None:
        if self.amin_mode != ON:
            return None
        return self.amin_boundary.ask("promise", None, self.amin.due, head)

    def _left(self, request: seam.Request) -> None:
        self.amin_boundary.ask("leaving the queue", None, self.amin.left, request)

    def _returned(self, request: seam.Request) -> None:
        self.amin_boundary.ask("returning to the queue", None, self.amin.returned, request)

    def _hidden(self, requests: list[seam.Request]) -> None:
        self.amin_boundary.ask("hiding", None, self.amin.hidden, requests)

    def _shown(self, requests: list[seam.Request]) -> None:
        self.amin_boundary.ask("showing", None, self.amin.shown, requests)

    def _skipped_alike(self, request: seam.Request) -> IsAlike | None:
        return self.amin_boundary.ask("skipping", None, self.amin.skipped_alike, request)


class AminAsyncScheduler(AminScheduler, seam.AsyncScheduler):  # type: ignore[misc]
    """`AminScheduler` over vLLM's AsyncScheduler: outputs arrive one step late."""
