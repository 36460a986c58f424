"""The imaginary model of the dry engine: the requests that it is asked, and the tokens it answers.

A filler token until a request's true length is reached, and then a stop; of a reply that the
workload knows, that reply's tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amin.engine.vllm import seam
from amin.workload.interface import Job

STOP_TOKEN = 2**30 - 1
FIRST_OWN_TOKEN = 2**30
"""From here on each request has a token of its own, of which unknown prompts and replies are made:
no two share a prefix that the workload does not say they share."""


class ImaginaryModel:
    """Requests of a workload as vLLM's, and what is sampled for them.

    `block_hasher` names blocks for the prefix cache, None without one. `adapters` has the number,
    from 1 on, of the LoRA adapter that answers a request, by its id; `replies` the tokens of the
    replies that are known.
    """

    def __init__(self, block_hasher: Any) -> None:
        self.adapters: dict[str, int] = {}
        self.replies: dict[str, Sequence[int]] = {}
        self._own_tokens: dict[str, int] = {}
        self._block_hasher = block_hasher

    def request_of(self, job: Job) -> seam.Request:
        """A request of vLLM that is as the job says."""
        request = job.request
        hints: dict[str, Any] = {}
        if request.predicted_class is not None:
            hints["amin_class"] = request.predicted_class
        if request.client is not None:
            hints["amin_client"] = request.client
        if request.reading_pace is not None:
            hints["amin_reading_pace"] = request.reading_pace
        if request.hint is not None:
            hints |= {"amin_lower": request.hint.lower, "amin_upper": request.hint.upper}
        own = self._own_tokens.setdefault(
            request.request_id, FIRST_OWN_TOKEN + len(self._own_tokens)
        )
        prompt = request.prompt_token_ids or (own,) * request.num_prompt_tokens
        params = seam.SamplingParams(
            max_tokens=request.max_tokens,
            ignore_eos=True,
            stop_token_ids=[STOP_TOKEN],
            extra_args=hints or None,
        )
        return seam.Request(
            request_id=request.request_id,
            prompt_token_ids=list(prompt),
            sampling_params=params,
            pooling_params=None,
            arrival_time=request.arrival_time,
            priority=request.priority,
            block_hasher=self._block_hasher,
            lora_request=self._adapter(request.request_id),
        )

    def next_tokens(self, request: seam.Request, num_drafts: int, length: int) -> list[int]:
        """The next tokens of a reply, the last one its stop: one, and the drafts that are right."""
        left = length - request.num_output_tokens
        num_right = request.num_output_tokens % (num_drafts + 1)
        made = max(min(num_right + 1, left), 1)
        own, known = self._own_tokens[request.request_id], self.replies.get(request.request_id)
        first = request.num_output_tokens
        tokens = list(known[first : first + made]) if known else [own] * made
        return [*tokens[:-1], STOP_TOKEN] if made >= left else tokens

    def drafts(self, request_id: str, number: int) -> list[int]:
        """Tokens that are guessed to come next."""
        return [self._own_tokens[request_id]] * number

    def _adapter(self, request_id: str) -> seam.LoRARequest | None:
        number = self.adapters.get(request_id)
        return seam.LoRARequest(f"adapter-{number}", number, "/none") if number else None
