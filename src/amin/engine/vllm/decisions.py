"""Everything that amin decides for a scheduler of vLLM, and the books that it keeps for that.

Each method is one thing that `AminScheduler` asks or tells. All go through a boundary there, so a
method that raises costs its answer and never the server. Whatever it changes, a request can be
scheduled on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from amin.engine.promise import of_estimate
from amin.engine.promise_books import Rates
from amin.engine.secret import server_secret
from amin.engine.settings import forecast_floor_of
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.described import described
from amin.engine.vllm.guard import TailGuard
from amin.engine.vllm.held import HeldReplies
from amin.engine.vllm.intake import Intake, Known
from amin.engine.vllm.keeper import Keeper
from amin.engine.vllm.ledger import Ledger
from amin.engine.vllm.lookups import Lookups
from amin.engine.vllm.memory import Memory
from amin.engine.vllm.queue import IsAlike, Key
from amin.engine.vllm.ranks import Ranks
from amin.engine.vllm.step_log import StepLog
from amin.engine.vllm.stream_guard import StreamGuard
from amin.engine.vllm.tally import Tally
from amin.policy.catalog import get_policy
from amin.policy.compiled import Slots

NOT_NOTED = -1
"""In place of the number of tokens with which a request was noted as waiting."""


class Decisions:
    """`config` is what the operator set, `rank` which of the server's engines this is.

    `scheduler` is read, through the seam, and not changed. `clock` gives the engine's time in
    seconds, and never goes back; the dry engine sets its own.
    """

    def __init__(self, scheduler: Any, config: AminConfig, rank: int = 0) -> None:
        secret, lengths_file = server_secret(config.lengths_file), config.lengths_file
        config = config.of_rank(rank)
        self.policy = get_policy(config.policy)
        self.clock: Callable[[], float] = time.monotonic
        self.intake = Intake(config, secret, lambda: self.clock())
        self.lengths = self.intake.lengths
        self._scheduler = scheduler
        # As for vLLM, a client's priority means something where the operator asks for it.
        self.has_priorities = seam.stock_policy(scheduler) == seam.SchedulingPolicy.PRIORITY
        self.tally = Tally()
        self._latest_due: seam.Request | None = None
        self._cache = cache = seam.CacheShape.of(scheduler)
        self.ledger = Ledger(self.policy, cache.capacity_tokens, config.seed, self.lengths)
        self.held = HeldReplies(self.ledger)
        swaps = seam.swaps(scheduler)
        floor = forecast_floor_of(config.forecast_floor, swaps)
        by_class = self.has_priorities
        self.streams = None
        if config.stream_promise is not None:
            self.streams = StreamGuard(config.stream_promise, by_class)
        streams, ledger = self.streams, self.ledger
        capacity = cache.num_blocks * cache.block_size
        seqs = scheduler.scheduler_config.max_num_seqs
        self.ranks = ranks = Ranks(config, ledger, Rates.of(capacity, seqs))
        self.memory = Memory(scheduler, cache, ledger, self.policy, floor, by_class, streams, ranks)
        self.lookups = None
        if seam.has_prefix_cache(scheduler):
            self.lookups = Lookups(scheduler, self._waits, ledger)
        self._steps = None
        if self.intake.log:
            self.intake.log.note({"server": described(scheduler, config, cache, floor)})
            self._steps = StepLog(self.intake.log)
        self._keeper = None
        if lengths_file:
            self._keeper = Keeper(self.lengths, Path(config.lengths_file), Path(lengths_file))
        self.guard = None
        if config.tail_promise is not None:
            promise = of_estimate(config.tail_promise, seam.has_prefix_cache(scheduler), swaps)
            self.guard = TailGuard(self.ledger, promise, capacity, seqs, by_class)

    def arrived(self, request: seam.Request) -> bool:
        """A request arrives: predict its length, and note what it finds. True when that is done."""
        if request.request_id not in self.ledger:
            self._enter(request, self.intake.arrived(self._scheduler, request))
        return True

    def arrived_unknown(self, request: seam.Request) -> bool:
        """`arrived` has failed: note the request without looking at anything that it brought."""
        if self.guard and request.request_id in self.ledger:
            self.guard.arrived_in_vain(request)
        self.ranks.arrived_in_vain(request)
        self.ledger.close(request.request_id)
        self._enter(request, self.intake.unknown(self._scheduler, request))
        return True

    def answered(self) -> list[seam.Request]:
        """Predictions that have come since are believed; returns whose place that may change."""
        found = []
        for request_id, known in self.intake.answers():
            request = self._scheduler.requests[request_id]
            self.ledger.predict(request_id, known.estimate)
            self.held.regroup(request, known.groups)
            if self.guard:
                self.guard.running_changed()
            # Its place is asked for again, and is another one.
            request.amin_num_tokens = NOT_NOTED
            found.append(request)
        return found

    def looked_up(self) -> list[seam.Request]:
        """Those who wait of whom the prefix cache holds more or less than before."""
        changed = self.lookups.look_again() if self.lookups else []
        if self.guard:
            for request in changed:
                self.guard.costs_otherwise(request)
        return changed

    def too_late(self) -> list[seam.Request]:
        """Those who wait and will not have their first token in time: others go before them."""
        return self.ranks.late(self.clock())

    def step_begins(self) -> None:
        """Whatever was read for the last step is forgotten."""
        self.memory.begin_step()
        if self._steps:
            self._steps.began(self.clock())
        if self.streams:
            self.streams.begin_step(self.clock())

    def make_way(self) -> list[seam.Request]:
        """Who leaves for a reply whose reader is about to wait; mostly nobody."""
        if self.streams is None:
            return []
        waits = self.streams.about_to_wait()
        if waits is None or self.has_priorities or seam.is_paused(self._scheduler):
            return []
        leaving = self.memory.who_makes_way(waits)
        self.tally.preempted_for_readers += len(leaving)
        return leaving

    def victims(self) -> list[int]:
        """Who must leave in this step, as indices into the running list."""
        return self.memory.victims()

    def key(self, request: seam.Request) -> Key:
        """The place of a request that begins to wait."""
        if request.num_tokens != request.amin_num_tokens:
            self._note_waiting(request)
        view = self.ledger.view_of(request.amin_slot)
        rank = self.ranks.of(request, view.priority if self.has_priorities else 0)
        if self.policy.preempted_first and request.amin_preemption:
            return rank, -request.amin_preemption, request.amin_arrival
        return rank, int(self.policy.order(view)), request.amin_arrival

    def admits(self, request: seam.Request) -> bool:
        """Whether the head of the queue may be admitted now, as far as the forecast goes."""
        # Scheduling asynchronously, vLLM hands a preempted request the token that was in flight
        # when it left. And where noting it failed, this is the next chance.
        if request.num_tokens != request.amin_num_tokens:
            self._note_waiting(request)
        # Where nobody asks for more, vLLM's own test of what fits now is the whole admission.
        is_asked = self.policy.has_forecast or self.streams or self.ranks.has_shares
        return not is_asked or self.memory.admits(request)

    def due(self, head: seam.Request) -> seam.Request | None:
        """Who goes next in place of the policy's `head`, by a promise; mostly None."""
        self._latest_due = due = self._due(head)
        return due

    def _due(self, head: seam.Request) -> seam.Request | None:
        if self.streams:
            pressing = self.streams.pressing()
            if pressing and not (self.has_priorities and pressing.priority > head.priority):
                return pressing
        late = self.guard.overdue() if self.guard else None
        return late if late and self.ranks.may_pass(late, head) else None

    def look_on(self, next_by_vllm: seam.Request) -> None:
        """Who waits first is about to go by vLLM's order: would it have been somebody else?"""
        head = min(seam.waiting(self._scheduler), key=self.key)
        chosen = self._due(head) or head
        self.tally.looked_on += 1
        self.tally.would_differ += chosen is not next_by_vllm

    def waiting_since(self) -> Iterator[float]:
        """When each of those who wait came, by the engine's clock."""
        for request in seam.waiting(self._scheduler):
            since = self.intake.since(request.request_id)
            if since is not None:
                yield since

    def begun(self) -> Slots:
        """The slots of those who run or wait and have made some of their reply."""
        present = (*seam.running(self._scheduler), *seam.waiting(self._scheduler))
        begun = [request.amin_slot for request in present if request.num_output_tokens]
        return np.array(begun, np.int64)

    def left(self, request: seam.Request) -> None:
        """It waits no longer."""
        request.amin_num_tokens = NOT_NOTED
        self.tally.gone_by_promise += request is self._latest_due
        if self.lookups:
            self.lookups.leaves(request)
        self.held.leaves(request)
        if self.guard:
            self.guard.leaves(request)
        if self.streams:
            self.streams.leaves(request.amin_slot)

    def returned(self, request: seam.Request) -> None:
        """It left in this step, and waits on as before."""
        request.amin_num_tokens = request.num_tokens
        if self.lookups:
            self.lookups.runs_no_longer(request)
        self.held.waits(request)
        if self.guard:
            self.guard.returns(request)
        self._reader_waits(request)

    def hidden(self, requests: list[seam.Request]) -> None:
        """They wait, but cannot be next in this step."""
        if self.guard:
            self.guard.hidden(requests)
        if self.streams:
            self.streams.leave([request.amin_slot for request in requests])

    def shown(self, requests: list[seam.Request]) -> None:
        """They can be next again."""
        if self.guard:
            self.guard.shown(requests)
        for request in requests:
            self._reader_waits(request)

    def skipped_alike(self, request: seam.Request) -> IsAlike | None:
        """Of a request that vLLM took from the queue: whom it would skip for the same reason."""
        return seam.skipped_alike(self._scheduler, request)

    def stepped(self, output: Any) -> None:
        """vLLM has decided a step."""
        self.ranks.stepped(self._scheduler, output)
        if not (self._steps or self.guard):
            return
        in_use = seam.num_blocks_in_use(self._scheduler) * self._cache.block_size
        if self._steps:
            self._steps.decided(output.total_num_scheduled_tokens, in_use)
        if self.guard:
            self.guard.running_changed()
            if output.total_num_scheduled_tokens:
                num_own, running = in_use, seam.running(self._scheduler)
                if self.lookups:
                    num_own = min(self.lookups.num_own_tokens(running), in_use)
                computed = output.total_num_scheduled_tokens
                self.guard.worked(num_own, in_use - num_own, len(running), computed)

    def learned(self) -> None:
        """A step's output has come: readers get it, and now and then lengths are learned."""
        running = seam.running(self._scheduler)
        if self.streams:
            self.streams.tokens_came(running, self.ledger.table, self.clock())
        if self._steps and not running:
            self._steps.over(self.clock())
        if self.guard:
            self.guard.running_changed()
        if not self.lengths.is_due:
            return
        slots = [request.amin_slot for request in running]
        made = [request.num_output_tokens for request in running]
        told_by = self.lengths.feature
        self.lengths.refresh(
            self.ledger.groups, np.array(slots, np.int64), np.array(made, np.int64)
        )
        if self.guard:
            self.guard.learned(running)
        if self._keeper:
            self._keeper.learned()
        if self.lengths.feature != told_by:
            seam.logger.info("amin: lengths are now foretold by %s", self.lengths.in_words())

    def preempted(self, request: seam.Request) -> None:
        """It is about to lose its memory."""
        self.tally.preempted += 1
        self.tally.preempted_tokens += request.num_computed_tokens
        if self.streams:
            self.streams.somebody_left()
        if self.lookups:
            self.lookups.runs_no_longer(request)
        request.amin_preemption = self.tally.preempted
        self.ledger.preempted(request.request_id, request.num_output_tokens)

    def ended(self, request: seam.Request) -> None:
        """It has finished or was aborted: learn from it, and forget it."""
        try:
            self.intake.ended(request)
            if self.lookups:
                self.lookups.runs_no_longer(request)
            if self.streams:
                self.tally.readers_paused += self.streams.has_paused(request.amin_slot)
                self.streams.leaves(request.amin_slot)
                self.streams.somebody_left()
            if self.guard:
                self.guard.running_changed()
                self.guard.ended(request)
            self.ranks.ended(request)
        finally:
            self.ledger.close(request.request_id)

    def close(self) -> None:
        """Keep what was learned and logged."""
        if self._steps:
            self._steps.write()
        self.intake.close()
        if self._keeper:
            self._keeper.close()

    def _enter(self, request: seam.Request, known: Known) -> None:
        request.amin_slot = self.ledger.open(known.facts, known.estimate, known.groups)
        request.amin_num_tokens, request.amin_preemption = NOT_NOTED, 0
        self.held.arrived(request)
        if self.lookups:
            self.lookups.arrived(request)
        self.ranks.arrived(request, _sharing(known.facts.client, request), self.clock())
        if self.streams:
            self.streams.arrived(request.amin_slot, known.facts.reading_pace)
        if self.guard:
            waits_at_once = seam.waits_at_once(request)
            self.guard.arrived(request, seam.running(self._scheduler), waits_at_once)
            if waits_at_once:
                request.amin_num_tokens = request.num_tokens

    def _note_waiting(self, request: seam.Request) -> None:
        request.amin_num_tokens, made = request.num_tokens, request.num_output_tokens
        # At its arrival it was looked up already.
        if self.lookups and request.amin_preemption:
            self.lookups.begins_to_wait(request)
        if self.guard:
            self.guard.waits(request)
        else:
            self.ledger.waits(request.amin_slot, request.num_prompt_tokens, made)
        self._reader_waits(request)
        self.held.waits(request)

    def _reader_waits(self, request: seam.Request) -> None:
        """Somebody reads what has come of it, if anything has."""
        if self.streams and request.num_output_tokens:
            self.streams.waits(request, self.ledger.arrival_of(request.amin_slot))

    def _waits(self, request: seam.Request) -> bool:
        return bool(request.amin_num_tokens != NOT_NOTED and not request.is_finished())


def _sharing(client: str | None, request: seam.Request) -> str | None:
    """Whose share a request comes out of; those of nobody known have one together.

    A salt tells clients apart that nothing else does, but is whatever they send: with a new one in
    each request, each would have a share of its own.
    """
    return None if client == request.cache_salt else client
