"""What is known of a request, and how much of it a policy may see.

`Request` holds facts that never change, `Sampling` among them. `LengthEstimate` is a guess about
its output. `RequestView` is all that a policy sees: the true output length cannot be reached from
it.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from amin.errors import ConfigError


def is_text(value: object) -> bool:
    """Whether it is a plain str that can be written down: a lone surrogate cannot be encoded."""
    if type(value) is not str:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class LengthEstimate:
    """A guess of the number of output tokens: at least `lower`, at most `upper` (both >= 1).

    It may be wrong on either side; the engine clamps it to what the request and the cache allow.
    `predicted_class` names a class of requests that the guesser holds to be alike, if it has any:
    their lengths are then learned together, and the guess is put right by what they turn out to be.
    Raises `ConfigError` for anything but two integers, the smaller first, and text or None.
    """

    lower: int
    upper: int
    predicted_class: str | None = None

    def __post_init__(self) -> None:
        # One is made for each request: say what is wrong only where something is.
        if not (type(self.lower) is type(self.upper) is int and 1 <= self.lower <= self.upper):
            self._check()
        if not (self.predicted_class is None or is_text(self.predicted_class)):
            value = reprlib.repr(self.predicted_class)
            raise ConfigError(f"predicted_class: got {value}, allowed: text (a str) or None")

    def _check(self) -> None:
        for name in ("lower", "upper"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}: got {value!r}, allowed: an integer >= 1")
        if self.lower > self.upper:
            raise ConfigError(f"lower: got {self.lower}, allowed: <= upper ({self.upper})")

    def clamp(self, limit: int) -> LengthEstimate:
        """The same estimate with both ends in 1..`limit` (at least 1)."""
        limit = max(limit, 1)
        lower, upper = min(self.lower, limit), min(self.upper, limit)
        return LengthEstimate(lower, upper, self.predicted_class)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is sampled, as far as it may bear on its length.

    Names are those of vLLM's SamplingParams; `is_structured` says that the reply must follow a
    grammar (JSON schema, regex, choice, ...).
    """

    temperature: float = 1.0
    min_tokens: int = 0
    ignore_eos: bool = False
    stop: tuple[str, ...] = ()
    is_structured: bool = False


class Request(msgspec.Struct, frozen=True):
    """The facts of one request, as a server knows them when it arrives.

    Lengths in tokens, `arrival_time` in seconds. `predicted_class`, `client` and `hint` are what
    the client or a gateway said, present only where the operator trusts them (`client_hints`).
    `prompt_token_ids` is empty where the engine has none (embeddings, a trace of lengths); it is
    the engine's own sequence: read it, do not keep it. `prompt` is the text where it is seen: in
    the API's process, and in a log that has it; `foretold` is what was predicted from it there.
    `reading_pace` is how many tokens the reader of the reply takes in a second: 0 where nobody
    reads along, since the client does not stream; None for what the operator says of all.

    A Struct, since an engine makes one for each arrival and a frozen dataclass takes ten times as
    long. `msgspec.structs.replace` makes another with some facts changed.
    """

    request_id: str
    num_prompt_tokens: int
    max_tokens: int
    arrival_time: float = 0.0
    priority: int = 0
    predicted_class: str | None = None
    hint: LengthEstimate | None = None
    sampling: Sampling = Sampling()
    prompt_token_ids: Sequence[int] = ()
    client: str | None = None
    prompt: str | None = None
    foretold: LengthEstimate | None = None
    reading_pace: float | None = None

    def __repr__(self) -> str:
        """Without its prompt, which is long and may be private."""
        names = [n for n in self.__struct_fields__ if n not in ("prompt_token_ids", "prompt")]
        return f"Request({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


class RequestView(NamedTuple):
    """The visible state of one request at one moment. All fields are integers.

    A NamedTuple, because it then means the same in plain Python and inside a compiled kernel.

    ====================  ====================================================================
    num_prompt_tokens     s, the length of the prompt
    num_output_tokens     a, output tokens made and still held (0 again after a restart)
    num_computed_tokens   tokens whose KV is in memory now (0 while waiting)
    max_tokens            the client's cap on the output
    lower, upper          the predicted interval of the output length
    bound                 L, what the policy believes of the output length now
    priority              the client's priority, smaller is more urgent (vLLM's convention)
    arrival_index         0, 1, 2, ... in the order of arrival
    admission_index       0, 1, 2, ... in the order of the latest admission (-1 while waiting)
    num_preemptions       how often the request was preempted so far
    mean_remaining        tokens of output that were expected to remain, >= 1, and
    mean_square_remaining   the expected square of that number, both as of when the request last
                          began to wait
    num_cached_tokens     tokens of the prompt that the prefix cache held when it was last looked
                          up, while the request waited; they need not be computed
    ====================  ====================================================================
    """

    num_prompt_tokens: int
    num_output_tokens: int
    num_computed_tokens: int
    max_tokens: int
    lower: int
    upper: int
    bound: int
    priority: int
    arrival_index: int
    admission_index: int
    num_preemptions: int
    mean_remaining: int
    mean_square_remaining: int
    num_cached_tokens: int
