"""What a scheduler does, on the server's own ``/metrics``.

vLLM builds that page in the API's process, from the files of `METRICS_VARIABLE` where that is
set: what the engine's process writes there appears beside vLLM's own metrics. ``amin serve``
sets it. Without it nothing is measured here, and nothing costs anything.

All values are brought up to date once a second, not at every step.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import asdict
from typing import Any

from amin import __version__
from amin.engine.boundary import Boundary
from amin.engine.settings import promise_in_words
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.decisions import Decisions
from amin.engine.vllm.mode import MODES
from amin.engine.vllm.server_folder import METRICS_VARIABLE
from amin.predictor.features import FEATURES

SECONDS_BETWEEN = 1.0
AGES = (1.0, 10.0, 60.0, 600.0)
"""Seconds up to which those who wait are counted together; the last group has no bound."""

MEMORY_OF_RATE = 30.0
"""Seconds over which work done is averaged."""


def metrics_of(config: AminConfig, rank: int) -> Metrics | None:
    """The metrics of an engine, if this server collects those of all its processes."""
    return Metrics(config, rank) if os.environ.get(METRICS_VARIABLE) else None


class Metrics:
    """Prometheus metrics of the engine with number `rank`; raises nothing after it is made."""

    def __init__(self, config: AminConfig, rank: int, registry: Any = None) -> None:
        from prometheus_client import CollectorRegistry

        self._registry = registry if registry is not None else CollectorRegistry()
        self._labels = {"engine": str(rank)}
        self._before: dict[str, float] = {}
        self._updated = self._work = self._work_per_second = 0.0
        self._make(config)

    def step_is_over(self, decisions: Decisions, boundary: Boundary, mode: str, now: float) -> None:
        """A step has been decided; `now` by the engine's clock, in seconds."""
        if now - self._updated >= SECONDS_BETWEEN:
            self.update(decisions, boundary, mode, now)

    def update(self, decisions: Decisions, boundary: Boundary, mode: str, now: float) -> None:
        """Bring everything up to date."""
        for one in MODES:
            self._mode.labels(mode=one, **self._labels).set(float(one == mode))
        seconds, self._updated = now - self._updated, now
        for name, value in asdict(decisions.tally).items():
            self._grow(name, value)
        self._grow("steps", boundary.num_steps)
        self._grow("decision_seconds", boundary.seconds)
        self._slowest.labels(**self._labels).set(boundary.take_slowest())
        for place, number in boundary.faults.items():
            self._grow("faults", number, place=place)
        self._is_off.labels(**self._labels).set(float(boundary.is_off))
        counters = decisions.intake.predictor.counters
        for reason in ("raised", "unanswered", "invalid"):
            self._grow("predictor", getattr(counters, f"num_{reason}"), reason=reason)
        for feature, gain in zip(FEATURES, decisions.lengths.gains, strict=True):
            self._nats.labels(feature=feature, **self._labels).set(float(gain))
        self._update_queue(decisions, now)
        self._update_work(decisions, seconds)

    def _make(self, config: AminConfig) -> None:
        self._counters = {
            name: self._counter(f"amin_{name}", text)
            for name, text in {
                "gone_by_promise": "Requests that went next because a promise said so.",
                "preempted": "Preemptions, mostly because the KV cache was full.",
                "preempted_for_readers": "Those for a reply whose reader was about to wait.",
                "preempted_tokens": "Tokens whose KV was given up by preemptions.",
                "readers_paused": "Replies that ended whose reader once waited more than 1 s.",
                "looked_on": "In shadow: looks at a queue, one a second where anybody waits.",
                "would_differ": "In shadow: of these, when somebody else would have gone next.",
                "steps": "Steps that were decided.",
                "decision_seconds": "Seconds that amin took to decide them.",
            }.items()
        }
        faults = "Failures of amin's code, after each of which vLLM's own way was taken."
        failures = "Predictions that could not be used: the request had the bound 1."
        self._counters["faults"] = self._counter("amin_faults", faults, "place")
        self._counters["predictor"] = self._counter("amin_predictor_failures", failures, "reason")
        self._slowest = self._gauge(
            "amin_slowest_decision_seconds", "The longest that a step of the last second took."
        )
        self._mode = self._gauge("amin_mode", "1 for the mode that amin is in.", "mode")
        self._is_off = self._gauge("amin_is_off", "1 where amin has given up: vLLM decides alone.")
        self._nats = self._gauge(
            "amin_lengths_nats", "What each feature gains in foretelling lengths.", "feature"
        )
        self._waiting = self._gauge(
            "amin_waiting_requests", "Requests that wait, by seconds since they came.", "age"
        )
        self._oldest = self._gauge("amin_oldest_waiting_seconds", "Since the oldest of them came.")
        self._wait = self._gauge(
            "amin_predicted_wait_seconds", "Until all who wait now will have been served."
        )
        self._at_risk = self._gauge(
            "amin_streams_at_risk", "Begun replies whose reader waits within 8 s unless they go on."
        )
        info = {"version": __version__, "policy": config.policy, "predictor": config.predictor}
        info |= {
            "tail_promise": promise_in_words(config.tail_promise),
            "stream_promise": promise_in_words(config.stream_promise),
        }
        told = self._gauge("amin_info", "What amin is set to, as labels.", *info)
        told.labels(**info, **self._labels).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Any:
        from prometheus_client import Counter

        return Counter(name, text, (*labels, *self._labels), registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Any:
        from prometheus_client import Gauge

        names = (*labels, *self._labels)
        return Gauge(name, text, names, registry=self._registry, multiprocess_mode="mostrecent")

    def _grow(self, name: str, value: float, **labels: str) -> None:
        """Counters are told by how much they have grown, here since the last time."""
        key = name + "".join(labels.values())
        more = value - self._before.get(key, 0.0)
        self._counters[name].labels(**labels, **self._labels).inc(max(more, 0.0))
        self._before[key] = value

    def _update_queue(self, decisions: Decisions, now: float) -> None:
        waited = sorted(now - since for since in decisions.waiting_since())
        below = 0
        for age in (*AGES, float("inf")):
            number = bisect_right(waited, age)
            name = f"{age:g}" if age < float("inf") else f"more than {AGES[-1]:g}"
            self._waiting.labels(age=name, **self._labels).set(number - below)
            below = number
        self._oldest.labels(**self._labels).set(waited[-1] if waited else 0.0)
        if decisions.streams:
            at_risk = decisions.streams.num_at_risk(decisions.begun(), now)
            self._at_risk.labels(**self._labels).set(at_risk)

    def _update_work(self, decisions: Decisions, seconds: float) -> None:
        guard = decisions.guard
        if guard is None:
            return
        done, self._work = guard.work_done - self._work, guard.work_done
        if done > 0 and seconds > 0:
            weight = min(seconds / MEMORY_OF_RATE, 1.0) if self._work_per_second else 1.0
            rate = done / seconds
            self._work_per_second += weight * (rate - self._work_per_second)
        wait = guard.waiting_work / self._work_per_second if self._work_per_second else 0.0
        self._wait.labels(**self._labels).set(max(wait, 0.0))
