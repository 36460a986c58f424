"""What a client may say of its request: ``vllm_xargs`` over HTTP, ``extra_args`` offline.

``amin_lower``, ``amin_upper``  integers, the interval of the output length in tokens
``amin_class``                  a short string, the row of the server's class table
``amin_reading_pace``           tokens that its reader takes in a second, at most 1,000; 0: nobody
                                reads along, and nothing is promised of pauses
``amin_client``                 a short string, whose requests are alike: a tenant, an application

Believed only where the operator sets `client_hints`: a client that lies would jump the queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amin.errors import HintError
from amin.request import LengthEstimate, is_text

MAX_TOKENS = 10**9
MAX_NAME_LENGTH = 128
MAX_PACE = 1000
FIELDS = ("amin_lower", "amin_upper", "amin_class", "amin_client", "amin_reading_pace")


@dataclass(frozen=True, slots=True)
class Hints:
    """The hints of one request, checked. Any may be missing."""

    estimate: LengthEstimate | None = None
    predicted_class: str | None = None
    client: str | None = None
    reading_pace: float | None = None


NO_HINTS = Hints()
"""What most requests say."""


def parse_hints(extra_args: Mapping[str, Any] | None, max_tokens: int) -> Hints:
    """Check the hints; raises `HintError` naming the field, the value and what is allowed.

    A lower bound alone is completed by `max_tokens`; both ends are clamped to it.
    """
    if not extra_args:
        return NO_HINTS
    lower = _token_count("amin_lower", extra_args.get("amin_lower"))
    upper = _token_count("amin_upper", extra_args.get("amin_upper"))
    if lower is not None and upper is not None and lower > upper:
        raise HintError("amin_lower", lower, f"<= amin_upper ({upper})")
    estimate = None
    if lower is not None or upper is not None:
        limit = max(max_tokens, 1)
        estimate = LengthEstimate(lower or 1, max(upper or limit, lower or 1)).clamp(limit)
    return Hints(
        estimate,
        _name("amin_class", extra_args.get("amin_class")),
        _name("amin_client", extra_args.get("amin_client")),
        _pace(extra_args.get("amin_reading_pace")),
    )


def _token_count(field: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOKENS:
        raise HintError(field, value, f"an integer from 1 to {MAX_TOKENS}")
    return value


def _pace(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_PACE:
        raise HintError("amin_reading_pace", value, f"a number from 0 to {MAX_PACE}")
    return float(value)


def _name(field: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not is_text(value):
        raise HintError(field, value, f"a string of 1 to {MAX_NAME_LENGTH} characters")
    return value
