"""The text of a prompt, in a request to the server and in a line of a log alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar


def prompt_text(body: Mapping[str, Any]) -> str | None:
    """``prompt``, or the texts of all ``messages`` (or ``input``), a line apart; None for none.

    Names are those of OpenAI's API. Prompts of tokens, images and whatever else is not text are
    left out. Of several prompts in one request the first speaks for all.
    """
    for field in ("prompt", "messages", "input"):
        texts = _texts(body.get(field))
        if texts:
            return texts[0] if field == "prompt" else "\n".join(texts)
    return None


LONGEST = 8192
"""Letters, bytes or tokens of a prompt that are logged or read: as many from either end."""

Prompt = TypeVar("Prompt", bound=Sequence[Any])


def both_ends(prompt: Prompt) -> tuple[Prompt, Prompt]:
    """(its beginning, its end); of one that is not longer than `LONGEST`, (all of it, nothing)."""
    half = LONGEST // 2
    if len(prompt) <= LONGEST:
        return prompt, prompt[:0]  # type: ignore[return-value]
    return prompt[:half], prompt[-half:]  # type: ignore[return-value]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, Mapping):
        return _texts(value.get("content", value.get("text")))
    return []
