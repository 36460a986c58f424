"""Requests that wait for others: conversations turn by turn, and a fixed number of users.

A prompt of a later turn begins with all that was said before, the replies among it, so that a
prefix cache may still hold it. The next question comes when its user has read and thought.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from amin.arrays import Floats, Ints
from amin.errors import ConfigError
from amin.workload.hashed_prompt import part_of
from amin.workload.trace import Trace, as_objects

MEAN_TURNS, MEAN_THINK_TIME, MAX_CONTEXT = 4.0, 20.0, 2048
"""Made, not measured: questions of a conversation and seconds between a reply and the next one."""


def as_conversations(
    trace: Trace,
    seed: int,
    *,
    mean_turns: float = MEAN_TURNS,
    mean_think_time: float = MEAN_THINK_TIME,
    max_context: int = MAX_CONTEXT,
) -> Trace:
    """The same questions and replies, those of neighbouring rows as turns of one conversation.

    The number of turns is geometric, the seconds between a reply and the next question are
    exponential. A conversation begins when the first of its rows would have arrived, and ends
    before prompt and reply would be longer than `max_context` tokens. Raises `ConfigError` naming
    field, value and what is allowed.
    """
    if not mean_turns >= 1:
        raise ConfigError(f"mean_turns: got {mean_turns}, allowed: >= 1")
    if not 0 <= mean_think_time < math.inf:
        raise ConfigError(f"mean_think_time: got {mean_think_time}, allowed: seconds >= 0")
    rng = np.random.default_rng([seed, 4])
    goes_on = rng.random(len(trace)) < 1 - 1 / mean_turns
    replies = np.minimum(trace.num_output_tokens, trace.max_tokens)
    prompts = trace.num_prompt_tokens.copy()
    follows, first = np.full(len(trace), -1), np.arange(len(trace))
    said = 0
    for row in range(len(trace)):
        is_turn = row > 0 and goes_on[row] and said + prompts[row] + replies[row] <= max_context
        if is_turn:
            follows[row], first[row] = row - 1, first[row - 1]
            prompts[row] += said
        said = int(prompts[row] + replies[row])
    ends = prompts.tolist()
    return replace(
        trace,
        arrival_time=trace.arrival_time[first],
        num_prompt_tokens=prompts,
        prompt_token_ids=as_objects(
            [part_of(text, 0, end) for text, end in zip(first.tolist(), ends, strict=True)]
        ),
        reply_token_ids=as_objects(
            [part_of(*row) for row in zip(first.tolist(), ends, replies.tolist(), strict=True)]
        ),
        follows=follows,
        think_time=np.where(follows < 0, 0.0, rng.exponential(mean_think_time, len(trace))),
    )


def in_closed_loop(trace: Trace, num_users: int, think_time: float = 0.0) -> Trace:
    """The same requests from so many users, each of whom asks again when a reply has ended.

    Whoever follows nobody in the trace follows the end of what the same user asked before, after
    `think_time` seconds; users take turns in the order of the trace. Times of arrival are not kept.
    """
    if num_users < 1:
        raise ConfigError(f"closed_loop: got {num_users}, allowed: users >= 1")
    if not 0 <= think_time < math.inf:
        raise ConfigError(f"think_time: got {think_time}, allowed: seconds >= 0")
    trace = _one_after_another(trace)
    follows = trace.follows.copy() if len(trace.follows) else np.full(len(trace), -1)
    pauses: Floats = trace.think_time.copy() if len(trace.think_time) else np.zeros(len(trace))
    begins = np.flatnonzero(follows < 0)
    ends = np.append(begins[1:], len(trace)) - 1
    follows[begins[num_users:]] = ends[: max(len(begins) - num_users, 0)]
    pauses[begins[num_users:]] = think_time
    return replace(trace, arrival_time=np.zeros(len(trace)), follows=follows, think_time=pauses)


def _one_after_another(trace: Trace) -> Trace:
    """The same trace, who follows somebody right behind them."""
    if not len(trace.follows) or not len(trace):
        return trace
    first: Ints = np.arange(len(trace))
    for row, followed in enumerate(trace.follows.tolist()):
        if followed >= 0:
            first[row] = first[followed]
    order = np.argsort(first, kind="stable")
    ids = np.array([trace.id_of(i) for i in range(len(trace))], np.object_)
    return replace(trace, request_id=ids)[order]
