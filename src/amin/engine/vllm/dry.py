"""vllm-dry: vLLM's real scheduler and KV cache manager, no model, a simulated clock.

Every decision is made by the code that runs in production; only the model is replaced, by one
that emits a filler token until a request's true length is reached, and whose step takes a constant
plus so much per scheduled token. Thousands of requests take seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from amin.engine.stock import STOCK
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.dry_config import LONGEST, DryConfig
from amin.engine.vllm.dry_model import ImaginaryModel
from amin.engine.vllm.dry_scheduler import make_scheduler
from amin.engine.vllm.observer import Observer
from amin.engine.vllm.scheduler import AminScheduler
from amin.errors import AminError, ConfigError
from amin.record import RequestRecord, RunResult
from amin.workload.arrivals import Arrivals
from amin.workload.interface import Job, check_workload

if TYPE_CHECKING:
    from amin.engine.simulator import SimulatorConfig


class DryEngine:
    """Runs workloads through a vLLM scheduler of one configuration.

    `scheduler` is ``vllm-fcfs`` or ``vllm-priority`` (stock), or the settings of `AminScheduler`.
    `model` answers.
    """

    def __init__(self, config: DryConfig, scheduler: str | AminConfig) -> None:
        if isinstance(scheduler, str) and scheduler not in STOCK:
            raise ConfigError(
                f"scheduler: got {scheduler!r}, allowed: {', '.join(STOCK)} or an AminConfig "
                f"(AminConfig(policy={scheduler!r}) for a policy of amin's)"
            )
        self.config = config
        self.name = scheduler if isinstance(scheduler, str) else scheduler.policy
        self.clock = 0.0
        self._num_steps = 0
        self._settings = scheduler
        self.scheduler = make_scheduler(config, scheduler)
        if isinstance(self.scheduler, AminScheduler):
            self.scheduler.amin.clock = lambda: self.clock
        caches = config.enable_prefix_caching
        self.model = ImaginaryModel(seam.prefix_block_hasher(config.block_size) if caches else None)
        self._capacity_tokens = seam.CacheShape.of(self.scheduler).capacity_tokens

    @classmethod
    def like(
        cls,
        shape: SimulatorConfig,
        policy: str,
        *,
        predictor: str = "constant:1",
        tail_promise: float | None = None,
        stream_promise: float | None = None,
        ttft_target: float | None = None,
        fair_share: str | None = None,
        seed: int = 0,
        **more: Any,
    ) -> DryEngine:
        """vLLM's engine where these make a `SimulatedEngine`; what requests tell is believed.

        `more` is what `DryConfig` has beside.
        """
        config = DryConfig(
            # One block of vLLM's pool is never used.
            num_gpu_blocks=shape.num_blocks + 1,
            block_size=shape.block_size,
            max_num_seqs=shape.max_num_seqs,
            max_num_batched_tokens=shape.max_num_batched_tokens,
            long_prefill_token_threshold=shape.long_prefill_token_threshold,
            max_model_len=min(shape.max_model_len, LONGEST),
            enable_prefix_caching=shape.enable_prefix_caching,
            watermark=shape.watermark,
            scheduling_policy=shape.scheduling_policy,
            reading_pace=shape.reading_pace,
            step_time=shape.step_time,
            **more,
        )
        if policy in STOCK:
            return cls(config, policy)
        settings = AminConfig(
            policy,
            predictor,
            client_hints=True,
            forecast_floor=shape.forecast_floor,
            tail_promise=tail_promise,
            stream_promise=stream_promise,
            ttft_target=ttft_target,
            fair_share=fair_share,
            seed=seed,
        )
        return cls(config, settings)

    def run(self, jobs: Sequence[Job]) -> RunResult:
        """Serve all jobs to their end; raises `AminError` if the scheduler stalls."""
        check_workload(jobs)
        observer = Observer(self.scheduler, lambda: self.clock, self._paces(jobs))
        can_run = [self._can_ever_run(job) for job in jobs]
        rejected = [job for job, can in zip(jobs, can_run, strict=True) if not can]
        arriving = Arrivals(jobs, [row for row, can in enumerate(can_run) if can])
        lengths = {job.request.request_id: job.num_output_tokens for job in jobs}
        self.model.replies = {job.request.request_id: job.reply_token_ids for job in jobs}
        # With async scheduling a step is scheduled before the previous one's output is known.
        depth = 2 if self.config.async_scheduling else 1
        in_flight: deque[tuple[Any, set[str], float]] = deque()
        busy_until = 0.0
        while arriving or in_flight or self.scheduler.has_requests():
            self._admit_arrived(arriving)
            output = self.schedule()
            if output.total_num_scheduled_tokens:
                # The model takes one step after the other.
                start = max(self.clock, busy_until)
                busy_until = start + self.config.step_time(output.total_num_scheduled_tokens)
                in_flight.append((output, self.emitting(output), busy_until))
            # vLLM's priority scheduling may preempt whoever asks, and then serves nobody.
            elif not in_flight and not output.preempted_req_ids and not self._skip_idle(arriving):
                break
            if len(in_flight) >= depth or (in_flight and not output.total_num_scheduled_tokens):
                output, emitting, self.clock = in_flight.popleft()
                self.finish_step(output, emitting, lengths)
                for request_id in output.num_scheduled_tokens:
                    if request_id not in self.scheduler.requests:
                        arriving.ended(request_id, self.clock)
        return observer.result(
            [*observer.records.values(), *map(_rejected, rejected)],
            policy=self.name,
            engine="vllm-dry",
            seed=self._settings.seed if isinstance(self._settings, AminConfig) else 0,
        )

    def _paces(self, jobs: Sequence[Job]) -> Callable[[seam.Request], float]:
        """How fast each reply is read: as it says, as is promised of all, or as people read."""
        settings, usual = self._settings, self.config.reading_pace
        if isinstance(settings, AminConfig) and settings.stream_promise is not None:
            usual = settings.stream_promise
        said = {job.request.request_id: job.request.reading_pace for job in jobs}
        paces = {name: usual if pace is None else pace for name, pace in said.items()}
        return lambda request: paces[request.request_id]

    def _can_ever_run(self, job: Job) -> bool:
        # vLLM's frontend refuses these; a scheduler would wait for them for ever.
        output = min(job.num_output_tokens, job.request.max_tokens)
        total = job.request.num_prompt_tokens + output
        return total <= min(self.config.max_model_len, self._capacity_tokens)

    def _admit_arrived(self, arriving: Arrivals) -> None:
        for job in arriving.until(self.clock):
            now, self.clock = self.clock, job.request.arrival_time
            self.submit(job)
            self.clock = now

    def _skip_idle(self, arriving: Arrivals) -> bool:
        """Nothing to do until the next arrival; returns False at the end of the work."""
        if self.scheduler.get_num_unfinished_requests():
            running, waiting = self.scheduler.get_request_counts()
            raise AminError(
                f"{self.name} stalled at {self.clock:.3f} s: nothing scheduled, "
                f"{running} running, {waiting} waiting"
            )
        if arriving:
            self.clock = max(self.clock, arriving.next_time)
        return bool(arriving)

    def submit(self, job: Job) -> None:
        """Hand a request to the scheduler, now."""
        self.scheduler.add_request(self.model.request_of(job))

    def schedule(self) -> Any:
        """One step of the scheduler, as the engine's core has it (EngineCore.step)."""
        throttles = self._num_steps % self.config.prefill_schedule_interval != 0
        self._num_steps += 1
        return self.scheduler.schedule(throttles)

    def emitting(self, output: Any) -> set[str]:
        """The requests of a step whose known tokens are all computed, so that one is sampled."""
        requests = self.scheduler.requests
        return {i for i in output.num_scheduled_tokens if not requests[i].is_prefill_chunk}

    def finish_step(self, output: Any, emitting: set[str], lengths: dict[str, int]) -> None:
        """Stand in for the model: a token for each request in `emitting`, the last one its stop."""
        ids = list(output.num_scheduled_tokens)
        sampled: list[list[int]] = []
        for request_id in ids:
            request = self.scheduler.requests.get(request_id)
            if request is None or request_id not in emitting:
                sampled.append([])
                continue
            num_drafts = len(output.scheduled_spec_decode_tokens.get(request_id, ()))
            sampled.append(self.model.next_tokens(request, num_drafts, lengths[request_id]))
        self.scheduler.update_from_output(
            output,
            seam.ModelRunnerOutput(
                req_ids=ids,
                req_id_to_index={request_id: i for i, request_id in enumerate(ids)},
                sampled_token_ids=sampled,
            ),
        )
        if self.config.num_speculative_tokens:
            drafted = [request_id for request_id in ids if request_id in emitting]
            number = self.config.num_speculative_tokens
            drafts = [self.model.drafts(request_id, number) for request_id in drafted]
            self.scheduler.update_draft_token_ids(seam.DraftTokenIds(drafted, drafts))


def _rejected(job: Job) -> RequestRecord:
    request = job.request
    return RequestRecord(
        request_id=request.request_id,
        arrival_time=request.arrival_time,
        num_prompt_tokens=request.num_prompt_tokens,
        lower=0,
        upper=0,
        status="rejected",
    )
