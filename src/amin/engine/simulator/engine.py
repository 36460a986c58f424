"""The simulator as an engine: a workload in, a `RunResult` out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np

from amin.arrays import Floats, Ints
from amin.engine.promise import of_estimate
from amin.engine.reading import SECONDS_EACH, seconds_each
from amin.engine.rows import (
    ADMISSION,
    BOUND,
    LOWER,
    MAX_TOKENS,
    NUM_PROMPT,
    PRIORITY,
    PRIORITY_LIMIT,
    UPPER,
)
from amin.engine.settings import (
    check_fair_share,
    check_stream_promise,
    check_tail_promise,
    check_ttft_target,
)
from amin.engine.simulator.asking import Asking
from amin.engine.simulator.config import SimulatorConfig
from amin.engine.simulator.groups import groups_of
from amin.engine.simulator.kernel import run_steps
from amin.engine.simulator.pages import number_pages
from amin.engine.simulator.prefix_cache import SAME_AS
from amin.engine.simulator.simulation import Progress, Simulation
from amin.engine.simulator.state import (
    ARRIVAL,
    CLIENT,
    DRAW,
    IS_ASKED,
    IS_CUT,
    LENGTH,
    NEXT,
    OPEN,
    PAGES,
    POLICY,
    RANK,
    THINK_TIME,
    VLLM_FCFS,
    VLLM_PRIORITY,
    Limits,
    State,
    new_state,
)
from amin.engine.stock import STOCK
from amin.errors import ConfigError, UnknownNameError
from amin.policy.catalog import POLICIES, get_policy
from amin.policy.compiled import compile_rules
from amin.policy.conformance import try_rules
from amin.policy.interface import Policy
from amin.predictor.catalog import get_predictor
from amin.predictor.interface import Predictor
from amin.predictor.online import OnlinePredictor
from amin.record import RunResult
from amin.workload.interface import Job, check_workload
from amin.workload.trace import Texts, Trace

PATIENCE = 1000
"""Nobody ends for so many steps per token of the longest request: nobody ever will."""


def find_policy(policy: str | Policy) -> tuple[Policy, int]:
    """The policy meant, and whose rules decide (`amin.engine.simulator.state`).

    Raises `UnknownNameError` for a name that is not known, `ConfigError` for an import path that
    leads nowhere, and `ConformanceError` for a policy of somebody's own that breaks the contract.
    """
    if isinstance(policy, str) and policy in STOCK:
        # Its rules are never asked.
        return POLICIES["fcfs"], VLLM_FCFS if policy == "vllm-fcfs" else VLLM_PRIORITY
    if isinstance(policy, str):
        if policy not in POLICIES and ":" not in policy:
            raise UnknownNameError("policy", policy, {*POLICIES, *STOCK})
        policy = get_policy(policy)
    if policy.name not in POLICIES:
        try_rules(policy)
    return policy, POLICY


class SimulatedEngine:
    """Runs workloads under one policy.

    `policy` is ``vllm-fcfs`` or ``vllm-priority`` (vLLM's own schedulers), a name of the catalog,
    ``module:ATTRIBUTE`` or a `Policy`. A clairvoyant one is told the truth; for others a request's
    hint is believed, and `predictor` (a name as for ``amin serve``, or a `Predictor`) is asked
    about those without one; of these, too, the length that remains is learned as replies end
    (`amin.predictor.lengths`). One that learns is asked when a request arrives, having learned from
    all that ended before, and begins each run as it is given. `tail_promise` sets the guard of
    `amin.engine.promise` over the policy, and `stream_promise`, tokens that a reader takes in a
    second, that of `amin.engine.stream_promise`; for `ttft_target` (seconds) and `fair_share`
    (``client``) see `amin.engine.precedence`. `seed` breaks ties between victims.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        policy: str | Policy = "amin-static",
        *,
        predictor: str | Predictor = "constant:1",
        tail_promise: float | None = None,
        stream_promise: float | None = None,
        ttft_target: float | None = None,
        fair_share: str | None = None,
        seed: int = 0,
    ) -> None:
        check_tail_promise(tail_promise)
        check_stream_promise(stream_promise)
        check_ttft_target(ttft_target)
        check_fair_share(fair_share)
        if stream_promise is not None and config.is_unit_time:
            raise ConfigError(
                f"stream_promise: got {stream_promise:g} in unit time, allowed: off, or steps that "
                "take seconds"
            )
        self._stream_promise = stream_promise
        self._ttft_target, self._shares = ttft_target, fair_share is not None
        self.config = config
        self._promise = tail_promise
        if tail_promise is not None:
            self._promise = of_estimate(tail_promise, config.enable_prefix_caching, config.swaps)
        self.seed = seed
        self._policy, self._rules_of = find_policy(policy)
        if self._policy.needs_kept_tokens and config.eviction == "restart":
            raise ConfigError(
                f"eviction: got 'restart' with policy {self._policy.name!r}, which may go on for "
                "ever where preempted requests lose their tokens; allowed: recompute, swap"
            )
        self.name = self._policy.name if self._rules_of == POLICY else str(policy)
        self._predictor = get_predictor(predictor) if isinstance(predictor, str) else predictor
        is_asked = self._rules_of == POLICY and not self._policy.is_clairvoyant
        self._coverage = 0.0
        if is_asked and isinstance(self._predictor, OnlinePredictor):
            # What it does the kernel itself does.
            self._coverage = self._predictor.coverage
        learns = type(self._predictor).learn is not Predictor.learn
        self._asks = is_asked and learns and not self._coverage
        self.rules = compile_rules(self._policy)
        # Compile now, so that a run takes the time of a run.
        limits = self._limits(0)
        run_steps(new_state(0, 0, limits), limits, self.rules, self.config.cost, 0)

    def run(self, jobs: Sequence[Job]) -> RunResult:
        """Serve all jobs to their end; raises `PolicyError` where that never comes."""
        check_workload(jobs)
        return self.simulate(Trace.of(jobs)).result()

    def simulate(self, trace: Trace, progress: Progress | None = None) -> Simulation:
        """Serve a trace whose arrivals ascend; the same run as `run`, in columns."""
        simulation = self.start(trace)
        simulation.finish(progress)
        return simulation

    def start(self, trace: Trace) -> Simulation:
        """The run of a trace before its first step."""
        output = np.minimum(trace.num_output_tokens, trace.max_tokens)
        fits = trace.num_prompt_tokens + output <= self.config.capacity_tokens
        accepted = np.flatnonzero(fits)
        ours, output = self._capped(_those(trace, accepted)), output[accepted]
        lengths = ours.num_prompt_tokens + output
        limits = self._limits(PATIENCE * (int(lengths.max(initial=0)) + 1))
        first_page, same_as = self._pages(ours, lengths)
        now = new_state(len(ours), len(same_as), limits)
        now.facts[:, PAGES], now.pages[:, SAME_AS] = first_page, same_as
        told = self._fill(now, ours, output)
        asking = None
        has_groups = bool(limits.learns and len(ours.follows))
        if limits.learns and not has_groups:
            now.groups[:] = groups_of(told)
        if self._asks or has_groups:
            predictor = deepcopy(self._predictor) if self._asks else None
            asking = Asking(predictor, told, has_groups)
            now.facts[:, IS_ASKED] = 1
        return Simulation(
            self.name, self.rules, self.config, self.seed, trace, accepted, limits, now, asking
        )

    def _capped(self, ours: Trace) -> Trace:
        """No reply is longer than the model's longest sequence leaves room for, as vLLM has it.

        Nor is one told to be.
        """
        room = self.config.max_model_len - ours.num_prompt_tokens
        caps = np.clip(ours.max_tokens, 1, np.maximum(room, 1))
        lower, upper = np.minimum(ours.lower, caps), np.minimum(ours.upper, caps)
        return replace(ours, max_tokens=caps, lower=lower, upper=upper)

    def _limits(self, max_steps_without_end: int) -> Limits:
        return self.config.limits(
            self._policy,
            self._rules_of,
            self._promise,
            self._stream_promise is not None,
            self._coverage,
            self._ttft_target,
            self._shares,
            max_steps_without_end,
        )

    def _pages(self, ours: Trace, lengths: Ints) -> tuple[Ints, Ints]:
        if not self.config.enable_prefix_caching:
            return np.zeros(len(ours), np.int64), np.zeros(0, np.int64)
        return number_pages(
            ours.prompt_token_ids, ours.reply_token_ids, lengths, self.config.block_size
        )

    def _fill(self, now: State, ours: Trace, output: Ints) -> Trace:
        """The facts of the requests that can run; returns these with the classes predicted."""
        lower, upper, classes = self._predicted(ours)
        for column, values in (
            (NUM_PROMPT, ours.num_prompt_tokens),
            (MAX_TOKENS, ours.max_tokens),
            (LOWER, np.minimum(lower, ours.max_tokens)),
            (UPPER, np.clip(upper, 1, ours.max_tokens)),
            (BOUND, 1),
            (PRIORITY, self._priority(ours.priority)),
            (ADMISSION, -1),
        ):
            now.table[:, column] = values
        now.facts[:, LENGTH] = output
        now.facts[:, IS_CUT] = ours.num_output_tokens > ours.max_tokens
        self._fill_arrivals(now, ours)
        if self._shares and len(ours.client):
            now.facts[:, CLIENT] = _numbered(ours.client)
        now.readers[:, SECONDS_EACH] = self._seconds_each(ours)
        now.facts[:, RANK] = self._rank(ours)
        rng = random.Random(self.seed)
        now.times[:, DRAW] = [rng.random() for _ in range(len(ours))]
        return replace(ours, predicted_class=classes)

    def _fill_arrivals(self, now: State, ours: Trace) -> None:
        """When each request arrives, or after whom."""
        now.times[:, ARRIVAL], now.facts[:, NEXT] = ours.arrival_time, -1
        is_open = np.ones(len(ours), bool)
        if len(ours.follows):
            is_open = ours.follows < 0
            now.facts[ours.follows[~is_open], NEXT] = np.flatnonzero(~is_open)
            now.times[~is_open, ARRIVAL] = np.inf
            now.times[:, THINK_TIME] = ours.think_time
        now.arrivals[OPEN, : np.count_nonzero(is_open)] = np.flatnonzero(is_open)

    def _predicted(self, ours: Trace) -> tuple[Ints, Ints, Texts]:
        """Lower and upper ends, and classes."""
        if self._policy.is_clairvoyant:
            return ours.num_output_tokens, ours.num_output_tokens, ours.predicted_class
        lower, upper, classes = ours.lower.copy(), ours.upper.copy(), ours.predicted_class.copy()
        is_open = lower == 0
        if self._coverage or self._asks:
            # Foretold on arrival.
            return lower, np.where(is_open, ours.max_tokens, upper), classes
        for i in np.flatnonzero(is_open).tolist():
            estimate = self._predictor.predict(ours[i].request)
            lower[i], upper[i] = estimate.lower, estimate.upper
            if estimate.predicted_class is not None:
                if not len(classes):
                    classes = np.full(len(ours), None, np.object_)
                classes[i] = estimate.predicted_class
        return lower, upper, classes

    def _seconds_each(self, ours: Trace) -> Floats:
        """Of a token to each reader."""
        each = np.full(len(ours), seconds_each(self._stream_promise or self.config.reading_pace))
        for i in np.flatnonzero(~np.isnan(ours.reading_pace)).tolist():
            each[i] = seconds_each(float(ours.reading_pace[i]))
        return each

    def _priority(self, priority: Ints) -> Ints:
        """As the ledger has it; vLLM's own queue clamps nothing."""
        if self._rules_of == VLLM_PRIORITY:
            return priority
        return np.clip(priority, -PRIORITY_LIMIT, PRIORITY_LIMIT)

    def _rank(self, ours: Trace) -> Ints:
        """Who is first among those who arrive together, to vLLM's priority queue: by the id."""
        rank = np.arange(len(ours))
        if self._rules_of == VLLM_PRIORITY:
            ids = [ours.id_of(i) for i in rank.tolist()]
            rank[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
        return rank


def _numbered(names: Texts) -> list[int]:
    """A number for each name, from 0 on; those without a name are one client."""
    numbers: dict[str | None, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names.tolist()]


def _those(trace: Trace, rows: Ints) -> Trace:
    """The requests of these rows, which keep their ids where these are but their numbers."""
    chosen = trace[rows]
    if len(rows) == len(trace) or len(trace.request_id):
        return chosen
    ids = np.array([trace.id_of(i) for i in rows.tolist()], np.object_)
    return replace(chosen, request_id=ids)
