"""From a vLLM request to an estimate of its length: hints if trusted, else the predictor.

A hint or a predictor that is wrong in any way costs its answer: the request has the bound 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.hints import NO_HINTS, Hints, parse_hints
from amin.engine.vllm.log import RequestLog
from amin.engine.vllm.notes import taken_from
from amin.predictor.features import FEATURES
from amin.predictor.foretold import engine_side
from amin.predictor.guarded import GuardedPredictor
from amin.predictor.lengths import LearnedLengths
from amin.predictor.online import OnlinePredictor
from amin.predictor.seldom import Seldom
from amin.predictor.survival import ALL
from amin.request import LengthEstimate, Request


class Known(NamedTuple):
    """A request's facts, the interval that is believed, its row of `LearnedLengths`, and when it
    came by the engine's clock."""

    facts: Request
    estimate: LengthEstimate
    groups: tuple[int, ...]
    since: float


class Intake:
    """Estimates on arrival, outcomes at the end.

    `lengths` learns what remains of a reply, whatever predicts bounds; it knows names by hashes
    that are made with `secret`. `num_bad_hints` counts requests whose hints were malformed and
    therefore ignored; over HTTP `HintMiddleware` refuses these before they get here.
    """

    def __init__(self, config: AminConfig, secret: str, clock: Callable[[], float]) -> None:
        predictor = engine_side(config.predictor)
        if predictor.needs_class and not config.client_hints:
            seam.logger.warning(
                "predictor %s needs the class that a client names, and client hints are off: "
                "every request gets the default (set client_hints, or --client-hints)",
                config.predictor,
            )
        online = predictor if isinstance(predictor, OnlinePredictor) else None
        # Ours and instant: its answer needs no guard.
        self._online = online
        self.log = RequestLog(Path(config.log_file)) if config.log_file else None
        self._clock = clock
        self._log_prompts = config.log_prompts
        self._needs_text = predictor.needs_text
        self.lengths = online.lengths if online else LearnedLengths()
        self.lengths.hash_names_with(secret)
        self.predictor = GuardedPredictor(predictor, logger=seam.logger)
        self.num_bad_hints = 0
        self._client_hints = config.client_hints
        self._seldom = Seldom()
        self._known: dict[str, Known] = {}

    def arrived(self, scheduler: Any, request: seam.Request) -> Known:
        """What is known, with the interval to believe until `answers` has a better one."""
        notes = taken_from(request.sampling_params)
        hints = self._hints(request)
        pace = seam.reading_pace(request) if hints.reading_pace is None else hints.reading_pace
        facts = Request(
            request_id=request.request_id,
            num_prompt_tokens=request.num_prompt_tokens,
            max_tokens=seam.max_output_tokens(scheduler, request),
            arrival_time=request.arrival_time,
            priority=request.priority,
            predicted_class=hints.predicted_class,
            hint=hints.estimate,
            sampling=seam.sampling(request),
            prompt_token_ids=request.prompt_token_ids or (),
            client=hints.client or seam.adapter(request) or notes.client or request.cache_salt,
            prompt=notes.prompt if self._log_prompts else None,
            reading_pace=pace,
            foretold=notes.foretold if self._needs_text else None,
        )
        estimate = hints.estimate
        if estimate is None and self._online is None:
            estimate = self.predictor.predict(facts)
        classed = facts if estimate is None else _classed(facts, estimate)
        groups = self.lengths.arrived(classed)
        if estimate is None:
            estimate = (self._online or self.predictor).predict(facts)
        known = Known(facts, estimate, groups, self._clock())
        self._known[request.request_id] = known
        return known

    def unknown(self, scheduler: Any, request: seam.Request) -> Known:
        """As little as can be known of a request: its lengths, and that it is like all others."""
        limit = seam.max_output_tokens(scheduler, request)
        facts = Request(request.request_id, request.num_prompt_tokens, limit)
        known = Known(facts, LengthEstimate(1, limit), (ALL,) * len(FEATURES), self._clock())
        self._known[request.request_id] = known
        return known

    def answers(self) -> Iterator[tuple[str, Known]]:
        """(request id, what is known now), for predictions that have come since the last call."""
        for request_id, estimate in self.predictor.answers():
            known = self._known[request_id]._replace(estimate=estimate)
            if estimate.predicted_class is not None:
                groups = self.lengths.reclassed(known.groups, estimate.predicted_class)
                known = known._replace(groups=groups)
            self._known[request_id] = known
            yield request_id, known

    def ended(self, request: seam.Request) -> None:
        """Let the predictor learn from a request that finished or was aborted."""
        known = self._known.pop(request.request_id, None)
        if known is not None:
            outcome = request.num_output_tokens, seam.was_cut(request)
            self.lengths.learn(known.groups, *outcome)
            if self._online is None:
                self.predictor.learn(known.facts, *outcome)
            if self.log:
                took = self._clock() - known.since
                self.log.ended(known.facts, known.estimate, *outcome, took)

    def close(self) -> None:
        """Write down what waits to be."""
        if self.log:
            self.log.close()

    def since(self, request_id: str) -> float | None:
        """When a request that has not ended came, by the engine's clock."""
        known = self._known.get(request_id)
        return known.since if known else None

    def known_estimate(self, request_id: str) -> LengthEstimate | None:
        """What was estimated for a request that has not ended, for those who keep records."""
        known = self._known.get(request_id)
        return known.estimate if known else None

    def _hints(self, request: seam.Request) -> Hints:
        params = request.sampling_params
        if not self._client_hints or params is None:
            return NO_HINTS
        try:
            return parse_hints(params.extra_args, request.max_tokens)
        except Exception as error:  # whatever a client can think of, the engine goes on
            self.num_bad_hints += 1
            if self._seldom.is_due():
                seam.logger.warning(
                    "request %s: hint ignored: %s (%d so far)",
                    request.request_id,
                    error,
                    self.num_bad_hints,
                )
            return NO_HINTS


def _classed(facts: Request, estimate: LengthEstimate) -> Request:
    """The request in the class that is predicted, if one is."""
    named = estimate.predicted_class
    if named is None or named == facts.predicted_class:
        return facts
    return structs.replace(facts, predicted_class=named)
