"""What a client may say of its request: ``vllm_xargs`` over HTTP, ``extra_args`` offline.

``amin_lower``, ``amin_upper``  integers, the interval of the output length in tokens
``amin_class``                  a short string, the row of the server's class table
``amin_client``                 a short string, whose requests are alike: a tenant, an application

Believed only where the operator sets `client_hints`: a client that lies would jump the queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amin.errors import HintError
from amin.request import LengthEstimate

MAX_TOKENS = 10**9
MAX_NAME_LENGTH = 128
FIELDS = ("amin_lower", "amin_upper", "amin_class", "amin_client")

API_KEY = "amin_api_key"
"""Beside the hints: a hash of the request's API key, written by `HintMiddleware` over whatever the
client sent. It tells whose replies to learn from, and no length."""


@dataclass(frozen=True, slots=True)
class Hints:
    """The hints of one request, checked. Any may be missing."""

    estimate: LengthEstimate | None = None
    predicted_class: str | None = None
    client: str | None = None


PREDICTED = "amin_predicted"
"""Beside the hints: what was predicted from the text, written by `HintMiddleware` over whatever the
client sent. Believed only where the predictor is one that reads texts."""


PROMPT = "amin_prompt"
"""Beside the hints: the prompt's text, written by `HintMiddleware` where it is to be logged."""


def parse_hints(extra_args: Mapping[str, Any] | None, max_tokens: int) -> Hints:
    """Check the hints; raises `HintError` naming the field, the value and what is allowed.

    A lower bound alone is completed by `max_tokens`; both ends are clamped to it.
    """
    if not extra_args:
        return Hints()
    lower = _token_count("amin_lower", extra_args.get("amin_lower"))
    upper = _token_count("amin_upper", extra_args.get("amin_upper"))
    if lower is not None and upper is not None and lower > upper:
        raise HintError("amin_lower", lower, f"<= amin_upper ({upper})")
    estimate = None
    if lower is not None or upper is not None:
        limit = max(max_tokens, 1)
        estimate = LengthEstimate(lower or 1, max(upper or limit, lower or 1)).clamp(limit)
    return Hints(estimate, *(_name(field, extra_args.get(field)) for field in FIELDS[2:]))


def api_key(extra_args: Mapping[str, Any] | None) -> str | None:
    """The hash that stands for the request's API key, if there is one."""
    value = extra_args.get(API_KEY) if extra_args else None
    return value if isinstance(value, str) and len(value) <= MAX_NAME_LENGTH else None


def with_prediction(estimate: LengthEstimate) -> str:
    """An estimate as the value of `PREDICTED`, which `foretold` reads."""
    return f"{estimate.lower}:{estimate.upper}:{estimate.predicted_class or ''}"


def foretold(extra_args: Mapping[str, Any] | None) -> LengthEstimate | None:
    """What was predicted from the request's text; None where nothing was, or nothing sensible."""
    value = extra_args.get(PREDICTED) if extra_args else None
    parts = value.split(":", 2) if isinstance(value, str) else []
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts[:2]):
        return None
    lower, upper = int(parts[0][:10]), int(parts[1][:10])
    if not 1 <= lower <= upper:
        return None
    return LengthEstimate(lower, upper, parts[2][:MAX_NAME_LENGTH] or None)


def prompt_of(extra_args: Mapping[str, Any] | None) -> str | None:
    """The prompt's text, where it came along."""
    value = extra_args.get(PROMPT) if extra_args else None
    return value if isinstance(value, str) else None


def _token_count(field: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOKENS:
        raise HintError(field, value, f"an integer from 1 to {MAX_TOKENS}")
    return value


def _name(field: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH:
        raise HintError(field, value, f"a string of 1 to {MAX_NAME_LENGTH} characters")
    return value
