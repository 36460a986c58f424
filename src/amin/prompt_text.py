"""The text of a prompt, in a request to the server and in a line of a log alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
"""Characters of a prompt that are logged: what no predictor reads need not be kept."""


def both_ends(prompt: Any, longest: int = LONGEST) -> Any:
    """As many of its letters, bytes or tokens from either end, where it is longer than that."""
    half = longest // 2
    return prompt if len(prompt) <= longest else prompt[:half] + prompt[-half:]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, Mapping):
        return _texts(value.get("content", value.get("text")))
    return []
