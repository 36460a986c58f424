"""Where a request leaves the API's process: there it takes along what the middleware noted.

vLLM calls `AsyncLLM.add_request` in the task that answers the HTTP request, after authentication
and after it has logged the request, with the parameters that travel to the engine.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

from amin.engine.vllm.notes import CURRENT, NAME
from amin.engine.vllm.seam.names import SamplingParams


def carry_notes() -> None:
    """From now on, every request of this process takes the notes of its HTTP request along."""
    from vllm.v1.engine.async_llm import AsyncLLM

    original = AsyncLLM.add_request
    if hasattr(original, "carries_amin_notes"):
        return

    @functools.wraps(original)
    async def add_request(
        self: Any, request_id: str, prompt: Any, params: Any, *args: Any, **kwargs: Any
    ) -> Any:
        return await original(self, request_id, prompt, with_notes(params), *args, **kwargs)

    add_request.carries_amin_notes = True  # type: ignore[attr-defined]
    AsyncLLM.add_request = add_request


def with_notes(params: Any) -> Any:
    """The same parameters with the notes of this task; the given object is not changed."""
    notes = CURRENT.get()
    told = notes.as_bytes() if notes is not None else b""
    if not told or not isinstance(params, SamplingParams):
        return params
    noted = copy.copy(params)
    noted.extra_args = {**(params.extra_args or {}), NAME: told}
    return noted
