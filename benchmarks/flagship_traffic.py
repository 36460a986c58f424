"""What arrives in `benchmarks.flagship`: chat, templates, conversations, users who wait, outliers.

Loads of `BY_RATE` alone are requests a second, of which 511 blocks serve about 5. All others are
multiples of what stock FCFS serves of the same requests when they are all there at once, and nobody
thinks, prefix caching included: what is shared is no load. Of closed loops the load is a number of
users, each of whom asks again when a reply has ended. Where KV is offloaded, who is preempted is
copied out and in again, under FCFS too: the simulator alone can do that, without prefix caching.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.metrics.throughput import makespan
from amin.record import RequestRecord
from amin.workload.generate import arrival_times, generate
from amin.workload.lmsys_like import Replies, embedded_replies, lmsys_like, read_replies
from amin.workload.read import read_trace
from amin.workload.templates import with_templates
from amin.workload.trace import Trace
from amin.workload.turns import as_conversations, in_closed_loop

CHAT_BLOCKS = 511
SESSIONS_BLOCKS = 2_047
MOONCAKE_BLOCKS = 16_384
SHORT_REPLIES = 10, 31
SWAP_SECONDS = 5e-6
BY_RATE = "chat", "offload"
"""Whose load is requests a second."""

OUTLIER_SECONDS, OUTLIER_TOKENS = 40.0, 4000

CLOSED = {
    "closed": (None, CHAT_BLOCKS),
    "sharegpt": ("sharegpt", 4096),
    "r1": ("reasoning", 16_384),
}
"""Closed loops: the workload that users ask of, None for chat, and blocks of memory."""

TEMPLATES = {"1,024 x 4": [1024] * 4, "4,096 x 1": [4096]}


@dataclass(frozen=True)
class Files:
    """The published CSV of SSJF and Mooncake's trace; None where they are not at hand."""

    replies: Path | None
    mooncake: Path | None


@dataclass(frozen=True)
class Traffic:
    """`kind`: chat, offload, swap, sessions, mixed, mooncake, outliers, or of `TEMPLATES` or
    `CLOSED`; `load` as the module says."""

    kind: str
    load: float

    @property
    def shape(self) -> SimulatorConfig:
        """The engine that it is for: vLLM's defaults, prefix caching on."""
        large = {"mooncake": MOONCAKE_BLOCKS, "sessions": SESSIONS_BLOCKS}
        large |= {kind: blocks for kind, (_, blocks) in CLOSED.items()}
        blocks = large.get(self.kind, CHAT_BLOCKS)
        if self.kind == "offload":
            per_token = SWAP_SECONDS
            return SimulatorConfig(blocks, 16, eviction="swap", seconds_per_swapped_token=per_token)
        return SimulatorConfig(blocks, 16, enable_prefix_caching=True)

    def trace(self, files: Files, num_requests: int, seed: int) -> Trace:
        """The requests of a seed; of Mooncake's the next so many."""
        if self.kind == "mooncake":
            assert files.mooncake is not None
            first = (seed - 1) * num_requests
            found = _mooncake(files.mooncake)[first : first + num_requests]
            return _at_multiple(found, self, seed, keeps_pattern=True)
        if self.kind in CLOSED and CLOSED[self.kind][0]:
            lengths = generate(str(CLOSED[self.kind][0]), num_requests, seed=seed)
            return in_closed_loop(lengths, int(self.load))
        trace = lmsys_like(
            served(files.replies),
            num_requests=num_requests,
            requests_per_second=self.load if self.kind in BY_RATE else 5.0,
            seed=seed,
            class_priorities=True,
        )
        if self.kind in BY_RATE:
            return trace
        if self.kind == "swap":
            return _with_exchanged_classes(_at_multiple(trace, self, seed))
        if self.kind in CLOSED:
            return in_closed_loop(trace, int(self.load))
        if self.kind == "outliers":
            return _with_outliers(_at_multiple(trace, self, seed))
        if self.kind == "sessions":
            return _at_multiple(as_conversations(trace, seed), self, seed)
        if self.kind == "mixed":
            return _at_multiple(_mixed(trace, seed), self, seed)
        return _at_multiple(with_templates(trace, np.array(TEMPLATES[self.kind]), seed), self, seed)


@cache
def served(replies: Path | None) -> Replies:
    """The half of the replies that is served, read once in each process."""
    run, _ = (read_replies(replies) if replies else embedded_replies(50_000, seed=0)).halves()
    return run


def is_short(trace: Trace) -> np.ndarray:
    """Of mixed traffic: who is behind the cached prompt, with a short reply."""
    return np.array([len(p) > 4096 and p.hashes[0] == 0 for p in trace.prompt_token_ids])


def is_outlier(record: RequestRecord) -> bool:
    """Of traffic with outliers: the reply is one."""
    return record.num_output_tokens >= OUTLIER_TOKENS


def _with_outliers(trace: Trace) -> Trace:
    """Every so many seconds the next reply is an outlier."""
    is_next = np.diff(trace.arrival_time // OUTLIER_SECONDS, prepend=0.0) > 0
    outputs = np.where(is_next, OUTLIER_TOKENS, trace.num_output_tokens)
    caps = np.maximum(trace.max_tokens, OUTLIER_TOKENS)
    return replace(trace, num_output_tokens=outputs, max_tokens=caps)


def _with_exchanged_classes(trace: Trace) -> Trace:
    """Half-way, the classes of the shortest and of the longest replies change places."""
    lengths = {
        name: float(np.mean(trace.num_output_tokens[trace.predicted_class == name]))
        for name in set(trace.predicted_class.tolist())
    }
    shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
    others = {shortest: longest, longest: shortest}
    half = len(trace) // 2
    later = [others.get(name, name) for name in trace.predicted_class[half:].tolist()]
    classes = trace.predicted_class.copy()
    classes[half:] = later
    return replace(trace, predicted_class=classes)


def _mixed(trace: Trace, seed: int) -> Trace:
    trace = with_templates(trace, np.array([4096]), seed, share=0.5)
    short = np.random.default_rng([seed, 3]).integers(*SHORT_REPLIES, len(trace))
    outputs = np.where(is_short(trace), short, trace.num_output_tokens)
    return replace(trace, num_output_tokens=outputs)


@cache
def _mooncake(path: Path) -> Trace:
    return read_trace(path)


def _at_multiple(trace: Trace, traffic: Traffic, seed: int, keeps_pattern: bool = False) -> Trace:
    at_once = replace(
        trace, arrival_time=np.zeros(len(trace)), think_time=np.zeros(len(trace.think_time))
    )
    done = SimulatedEngine(traffic.shape, "vllm-fcfs").simulate(at_once).columns()
    rate = traffic.load * len(trace) / makespan(done)
    if keeps_pattern:
        times = trace.arrival_time - trace.arrival_time[0]
        stretched = times * ((len(trace) - 1) / times[-1] / rate)
        return replace(trace, arrival_time=stretched)
    return replace(trace, arrival_time=arrival_times(len(trace), rate, "poisson", seed))
