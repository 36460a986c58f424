"""Agents at work: many short replies, each of which calls a tool, behind a long shared prompt.

Made, not measured; the shape is that of public traces of agents: contexts of thousands of tokens
that grow by what tools return, replies of some dozens, pauses of seconds in which a tool runs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amin.workload.hashed_prompt import part_of
from amin.workload.trace import Trace, as_objects

INSTRUCTIONS = (1024, 1536, 2048)
"""Tokens of the instructions and tools of each kind of agent, shared by all of its tasks."""

NUM_CALLS = 3, 13
TASK, CALL, TOOL_RESULT, ANSWER = (30, 400), (20, 160), (30, 500), (60, 400)
"""Tokens, from - to (excluded): of the task, a call, what a tool returns, the answer."""

MEDIAN_PAUSE, SIGMA_PAUSE = 1.5, 1.0
"""Seconds that a tool runs, lognormal."""

MAX_TOKENS = 1024


def agents(num_requests: int, starts: np.ndarray, seed: int) -> Trace:
    """So many replies of agents, whose tasks begin at `starts` (seconds, one for each at least)."""
    rng = np.random.default_rng([seed, 5])
    rows: list[tuple[float, int, int, int, float]] = []
    prompts, replies = [], []
    for task in range(num_requests):
        if len(rows) >= num_requests:
            break
        kind = int(rng.integers(len(INSTRUCTIONS)))
        shared = INSTRUCTIONS[kind]
        prompt, num_calls = shared + int(rng.integers(*TASK)), int(rng.integers(*NUM_CALLS))
        for call in range(min(num_calls, num_requests - len(rows))):
            reply = int(rng.integers(*(ANSWER if call == num_calls - 1 else CALL)))
            pause = float(rng.lognormal(np.log(MEDIAN_PAUSE), SIGMA_PAUSE)) if call else 0.0
            number = len(INSTRUCTIONS) + task
            behind = {"template": kind, "num_shared": shared}
            prompts.append(part_of(number, 0, prompt, **behind))
            replies.append(part_of(number, prompt, reply, **behind))
            follows = len(rows) - 1 if call else -1
            rows.append((float(starts[task]), prompt, reply, follows, pause))
            prompt += reply + int(rng.integers(*TOOL_RESULT))
    times, lengths, outputs, follows_rows, pauses = (np.array(c) for c in zip(*rows, strict=True))
    return replace(
        Trace.of_lengths(lengths, outputs, times),
        max_tokens=np.full(len(rows), MAX_TOKENS),
        prompt_token_ids=as_objects(prompts),
        reply_token_ids=as_objects(replies),
        follows=follows_rows,
        think_time=pauses,
    )
