"""A workload as columns: what a simulator and a file hold, and a sequence of `Job` to all others.

A million requests fit into some 60 MB this way; a `Job` is made when one is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import overload

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats, Ints
from amin.errors import ConfigError
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job

Texts = npt.NDArray[np.object_]

_MAY_BE_EMPTY = (
    "request_id",
    "predicted_class",
    "prompt_token_ids",
    "client",
    "prompt",
    "reading_pace",
    "reply_token_ids",
    "follows",
    "think_time",
)


@dataclass(frozen=True, eq=False)
class Trace(Sequence[Job]):
    """Requests in the order of arrival, an entry of each array per request.

    arrival_time       seconds, ascending from 0 on
    num_prompt_tokens, num_output_tokens, max_tokens   >= 1; the output may exceed max_tokens, and
                       is cut there
    lower, upper       what was predicted of the output length; both 0 where nothing was
    priority           smaller is more urgent
    request_id, predicted_class, client   texts; an empty array where there are none: ids are then
                       the numbers from 0 on
    prompt             texts, None where one is not known; an empty array where there are none
    prompt_token_ids   sequences of integers, as in `Request`; an empty array where none is known
    reading_pace       as in `Request`, NaN for None; an empty array where none is known
    reply_token_ids    as in `Job`; an empty array where none is known
    follows, think_time   the row that each one follows, or -1, and seconds, as in `Job`; empty
                       arrays where nobody follows anybody
    """

    arrival_time: Floats
    num_prompt_tokens: Ints
    num_output_tokens: Ints
    max_tokens: Ints
    lower: Ints
    upper: Ints
    priority: Ints
    request_id: Texts
    predicted_class: Texts
    prompt_token_ids: Texts = field(default_factory=lambda: np.empty(0, np.object_))
    client: Texts = field(default_factory=lambda: np.empty(0, np.object_))
    prompt: Texts = field(default_factory=lambda: np.empty(0, np.object_))
    reading_pace: Floats = field(default_factory=lambda: np.empty(0))
    reply_token_ids: Texts = field(default_factory=lambda: np.empty(0, np.object_))
    follows: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    think_time: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        for column in fields(self):
            length = len(getattr(self, column.name))
            may_be_empty = column.name in _MAY_BE_EMPTY
            if length != len(self.arrival_time) and not (may_be_empty and not length):
                raise ConfigError(
                    f"{column.name}: got {length} values, allowed: {len(self.arrival_time)}"
                )

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Trace:
        """The columns of any workload; a `Trace` is returned as it is."""
        if isinstance(jobs, Trace):
            return jobs
        requests = [job.request for job in jobs]
        is_open = all(job.follows is None for job in jobs)
        rows = {} if is_open else {r.request_id: i for i, r in enumerate(requests)}
        hints = [request.hint for request in requests]

        def ints(values: list[int]) -> Ints:
            return np.array(values, np.int64)

        return cls(
            arrival_time=np.array([request.arrival_time for request in requests], np.float64),
            num_prompt_tokens=ints([request.num_prompt_tokens for request in requests]),
            num_output_tokens=ints([job.num_output_tokens for job in jobs]),
            max_tokens=ints([request.max_tokens for request in requests]),
            lower=ints([hint.lower if hint else 0 for hint in hints]),
            upper=ints([hint.upper if hint else 0 for hint in hints]),
            priority=ints([request.priority for request in requests]),
            request_id=np.array([request.request_id for request in requests], np.object_),
            predicted_class=np.array([r.predicted_class for r in requests], np.object_),
            prompt_token_ids=as_objects([r.prompt_token_ids for r in requests]),
            client=np.array([r.client for r in requests], np.object_),
            prompt=np.array([r.prompt for r in requests], np.object_),
            reading_pace=np.array([r.reading_pace for r in requests], np.float64),
            reply_token_ids=as_objects([job.reply_token_ids for job in jobs]),
            follows=ints([] if is_open else [rows.get(str(job.follows), -1) for job in jobs]),
            think_time=np.array([] if is_open else [job.think_time for job in jobs]),
        )

    @classmethod
    def of_lengths(cls, prompt: Ints, output: Ints, arrival_time: Floats) -> Trace:
        """A trace of which nothing else is known; the cap is the longest output."""
        zero = np.zeros(len(prompt), np.int64)
        none = np.empty(0, np.object_)
        return cls(
            arrival_time=arrival_time,
            num_prompt_tokens=prompt.astype(np.int64),
            num_output_tokens=output.astype(np.int64),
            max_tokens=zero + int(output.max(initial=1)),
            lower=zero,
            upper=zero,
            priority=zero,
            request_id=none,
            predicted_class=none,
        )

    def _pace_of(self, index: int) -> float | None:
        if not len(self.reading_pace) or np.isnan(self.reading_pace[index]):
            return None
        return float(self.reading_pace[index])

    def id_of(self, index: int) -> str:
        """The request's id."""
        return str(self.request_id[index]) if len(self.request_id) else str(index)

    def __len__(self) -> int:
        return len(self.arrival_time)

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice | Ints) -> Trace: ...
    def __getitem__(self, index: int | slice | Ints) -> Job | Trace:
        """A request; or those of a slice or of an array of indices.

        Who follows one that is left out follows whom that one followed, thinking for both.
        """
        if isinstance(index, slice | np.ndarray):
            columns = (getattr(self, column.name) for column in fields(self))
            part = Trace(*(column[index] if len(column) else column for column in columns))
            return part if not len(self.follows) else self._linked_anew(part, index)
        index = range(len(self))[index]
        hint = None
        if self.lower[index]:
            hint = LengthEstimate(int(self.lower[index]), int(self.upper[index]))
        request = Request(
            request_id=self.id_of(index),
            num_prompt_tokens=int(self.num_prompt_tokens[index]),
            max_tokens=int(self.max_tokens[index]),
            arrival_time=float(self.arrival_time[index]),
            priority=int(self.priority[index]),
            predicted_class=self.predicted_class[index] if len(self.predicted_class) else None,
            hint=hint,
            prompt_token_ids=self.prompt_token_ids[index] if len(self.prompt_token_ids) else (),
            client=self.client[index] if len(self.client) else None,
            prompt=self.prompt[index] if len(self.prompt) else None,
            reading_pace=self._pace_of(index),
        )
        return Job(
            request,
            int(self.num_output_tokens[index]),
            self.reply_token_ids[index] if len(self.reply_token_ids) else (),
            self._id_followed(index),
            float(self.think_time[index]) if len(self.think_time) else 0.0,
        )

    def _id_followed(self, index: int) -> str | None:
        if not len(self.follows) or self.follows[index] < 0:
            return None
        return self.id_of(int(self.follows[index]))

    def _linked_anew(self, part: Trace, index: slice | Ints) -> Trace:
        rows = np.arange(len(self))[index]
        places = np.full(len(self), -1)
        places[rows] = np.arange(len(rows))
        follows, think_time = part.follows.copy(), part.think_time.copy()
        while True:
            is_gone = (follows >= 0) & (places[follows] < 0)
            if not is_gone.any():
                break
            think_time[is_gone] += self.think_time[follows[is_gone]]
            follows[is_gone] = self.follows[follows[is_gone]]
        return replace(
            part, follows=np.where(follows < 0, -1, places[follows]), think_time=think_time
        )


def as_objects(values: Sequence[Sequence[int]]) -> Texts:
    """An array of sequences, of which NumPy would make a matrix; empty where all of them are."""
    column = np.empty(len(values) if any(values) else 0, np.object_)
    for i in range(len(column)):
        column[i] = values[i]
    return column
