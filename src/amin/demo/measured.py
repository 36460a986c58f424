"""What the demo measures beforehand, and all contenders are told: how long replies to other prompts
of each kind are, and how fast the machine is. Serves in a process of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amin.demo.budget import Speed
from amin.demo.prompts import halves
from amin.demo.serve_one import ServeJob
from amin.demo.serving import serve
from amin.predictor.features import FEATURES
from amin.predictor.lengths import LearnedLengths
from amin.report.terminal import Track
from amin.request import Request

BOUND_QUANTILE = 0.25
"""Of a dozen replies: the third shortest. A smaller one would be the shortest, by chance."""


@dataclass(frozen=True)
class Measured:
    """Replies to each kind of prompt, (tokens of the prompt, of the reply), and the speed."""

    replies: dict[str, list[tuple[int, int]]]
    speed: Speed

    @property
    def bounds(self) -> dict[str, tuple[int, int]]:
        """(lower, upper) bounds of the reply length by kind of prompt."""
        found = {}
        for kind, replies in sorted(self.replies.items()):
            lengths = [length for _, length in replies]
            found[kind] = max(int(np.quantile(lengths, BOUND_QUANTILE)), 1), max(lengths)
        return found

    @property
    def priorities(self) -> dict[str, int]:
        """The kinds ranked by their lower bound: what vLLM's priority scheduling is told."""
        ranked = sorted(self.bounds, key=self.bounds.__getitem__)
        return {kind: rank for rank, kind in enumerate(ranked)}


def measure(model: Path, track: Track, max_tokens: int = ServeJob.max_tokens) -> Measured:
    """Serve the other half of the prompts under ample memory."""
    prompts, _ = halves()
    start = time.monotonic()
    advance = track("measuring lengths and speed", len(prompts))
    result = serve(
        prompts,
        model,
        advance,
        name="measuring",
        scheduler="vllm-fcfs",
        num_gpu_blocks=1024,
        max_tokens=max_tokens,
    )
    replies: dict[str, list[tuple[int, int]]] = {}
    for prompt, record in zip(prompts, result.records, strict=True):
        reply = record.num_prompt_tokens, record.num_output_tokens
        replies.setdefault(prompt.kind, []).append(reply)
    return Measured(replies, Speed.of(result, time.monotonic() - start))


def learned_from(measured: Measured, max_tokens: int) -> LearnedLengths:
    """What a server knows that has served these replies, kind named and all."""
    lengths = LearnedLengths()
    of_all = [(kind, reply) for kind, replies in measured.replies.items() for reply in replies]
    nobody = np.zeros((1, len(FEATURES)), np.int64)
    for i in np.random.default_rng(0).permutation(len(of_all)).tolist():
        kind, (num_prompt_tokens, length) = of_all[i]
        request = Request("", num_prompt_tokens, max_tokens, predicted_class=kind)
        lengths.learn(lengths.arrived(request), length, is_censored=length >= max_tokens)
        lengths.refresh(nobody)
    return lengths
