"""vLLM's own engine in this process, where its scheduler can be looked at."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live.shape import SHAPE, Json

MAX_STEPS = 20_000


@dataclass(frozen=True)
class Prompt:
    """A request for an engine in this process."""

    tokens: list[int]
    max_tokens: int
    ignore_eos: bool = True
    priority: int = 0
    hints: Json = field(default_factory=dict)
    regex: str | None = None


def make_prompts(number: int) -> list[Prompt]:
    """Requests of 3-316 prompt and 1-130 output tokens, a third behind a common prefix.

    Half of them say how long they will be, most of these wrongly. Some may end by themselves.
    """
    rng = random.Random(7)
    prefix = [rng.randrange(3, 500) for _ in range(96)]
    prompts = []
    for index in range(number):
        length = rng.choice([3, 17, 32, 33, 64, 90, 150, 220])
        hints = {"amin_lower": rng.randrange(1, 200), "amin_class": "any"} if index % 2 else {}
        prompts.append(
            Prompt(
                tokens=prefix * (index % 3 == 0) + [rng.randrange(3, 500) for _ in range(length)],
                max_tokens=rng.choice([1, 2, 31, 32, 60, 100, 130]),
                ignore_eos=bool(index % 5),
                priority=rng.randrange(4),
                hints=hints,
            )
        )
    return prompts


class LiveEngine:
    """vLLM's own engine; `scheduler` is the object that it schedules with."""

    def __init__(self, model: Path, amin: Json | None, **options: Any) -> None:
        import torch
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        torch.set_num_threads(1)
        if amin is not None:
            options["scheduler_cls"] = "amin.engine.vllm.AminScheduler"
            options["additional_config"] = {"amin": amin}
        options = SHAPE | {"enable_prefix_caching": False, "disable_log_stats": False} | options
        self._engine = LLMEngine.from_engine_args(EngineArgs(model=str(model), **options))
        self.scheduler: Any = self._engine.engine_core.engine_core.scheduler

    def close(self) -> None:
        """Give back what the process has only one of; before the next engine, please."""
        self._engine.engine_core.shutdown()

    def add(self, name: str, prompt: Prompt) -> str:
        """Submit; returns the id under which the scheduler knows the request."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        constraint = StructuredOutputsParams(regex=prompt.regex) if prompt.regex else None
        params = SamplingParams(
            temperature=0.0,
            max_tokens=prompt.max_tokens,
            ignore_eos=prompt.ignore_eos,
            extra_args=prompt.hints or None,
            structured_outputs=constraint,
        )
        known = set(self.scheduler.requests)
        tokens: Any = {"prompt_token_ids": prompt.tokens}
        self._engine.add_request(name, tokens, params, priority=prompt.priority)
        (request_id,) = set(self.scheduler.requests) - known
        return str(request_id)

    def abort(self, name: str) -> None:
        """Give a request up, by the name it was submitted under."""
        self._engine.abort_request([name])

    def step(self) -> dict[str, tuple[int, ...]]:
        """One step; returns the output tokens of the requests that it finished, by name."""
        return {
            output.request_id: tuple(output.outputs[0].token_ids)
            for output in self._engine.step()
            if output.finished
        }

    def finish(self) -> dict[str, tuple[int, ...]]:
        """Step until nothing is left; returns the output tokens by name."""
        ended: dict[str, tuple[int, ...]] = {}
        for _ in range(MAX_STEPS):
            if not self._engine.has_unfinished_requests():
                return ended
            ended |= self.step()
        raise AssertionError(f"stalled: {self.scheduler.get_request_counts()} running, waiting")

    def serve(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """All prompts at once, to the end of all; the output tokens of each, in order."""
        for index, prompt in enumerate(prompts):
            self.add(str(index), prompt)
        ended = self.finish()
        return [ended[str(index)] for index in range(len(prompts))]

    def metric(self, name: str, **labels: str) -> float:
        """The value of vLLM's own counter or gauge (offline, without _total)."""
        values = [
            metric.value
            for metric in self._engine.get_metrics()
            if metric.name == name and labels.items() <= metric.labels.items()
        ]
        assert values, f"vLLM has no metric {name} {labels}"
        return float(sum(values))


StartEngine = Callable[..., LiveEngine]
"""``start(amin=None, **options)``: settings of amin (None: stock vLLM), options of vLLM.

It closes the engine that it started before.
"""
