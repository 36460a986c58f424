"""What the API's process tells the engine's of a request, beside what its client sends.

A hash of the API key, what a predictor foretold from the text, and the text itself where that is to
be logged. `HintMiddleware` writes these notes down while the body of the request is read; they are
put into the request's ``extra_args`` only when vLLM hands it to the engine
(`amin.engine.vllm.seam.frontend`), after vLLM has written its own log of the request, and the
engine takes them out again (`taken_from`).

A note is bytes. JSON has no bytes, so no client can send one: what it puts under `NAME` is nothing.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

from amin.request import LengthEstimate

NAME = "amin_notes"


@dataclass(slots=True)
class Notes:
    """Of one request. Any may be missing.

    client     a name for its API key that does not tell the key
    predicted  (lower, upper, class) of what was foretold from its text
    prompt     its text
    """

    client: str | None = None
    predicted: tuple[int, int, str | None] | None = None
    prompt: str | None = None

    @property
    def foretold(self) -> LengthEstimate | None:
        """What was foretold from the text, as an estimate."""
        return LengthEstimate(*self.predicted) if self.predicted else None

    def as_bytes(self) -> bytes:
        """As they travel; nothing for notes that say nothing."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(said).encode() if said else b""


CURRENT: ContextVar[Notes | None] = ContextVar("amin_notes", default=None)
"""The notes of the HTTP request that this task answers."""

_NOTHING = Notes()


def taken_from(params: Any) -> Notes:
    """The notes in a request's sampling parameters, which are no longer there afterwards."""
    extra_args = getattr(params, "extra_args", None)
    if not extra_args or NAME not in extra_args:
        return _NOTHING
    value = extra_args.pop(NAME)
    params.extra_args = extra_args or None
    return Notes(**json.loads(value)) if isinstance(value, bytes) else _NOTHING
