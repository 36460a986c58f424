"""Turns of conversations, agents and closed loops are what they say they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.step_time import StepTime
from amin.errors import ConfigError
from amin.request import Request
from amin.workload.arrivals import Arrivals
from amin.workload.generate import generate
from amin.workload.interface import Job, check_workload
from amin.workload.trace import Trace
from amin.workload.turns import as_conversations, in_closed_loop


@pytest.mark.parametrize("name", ["sessions", "agents"])
def test_a_later_prompt_begins_with_all_that_was_said_before(name: str) -> None:
    """The prompt before and its reply, token by token; many follow somebody, and not all do."""
    trace = generate(name, 200, seed=3, rate=2.0)
    check_workload(trace)
    follows = trace.follows.tolist()
    assert 20 < sum(row < 0 for row in follows) < 150
    for row, before in enumerate(follows):
        if before >= 0:
            said = [*trace.prompt_token_ids[before], *trace.reply_token_ids[before]]
            assert list(trace.prompt_token_ids[row])[: len(said)] == said
            assert trace.num_prompt_tokens[row] > len(said)
        assert len(trace.prompt_token_ids[row]) == trace.num_prompt_tokens[row]
        assert len(trace.reply_token_ids[row]) == trace.num_output_tokens[row]


def test_conversations_share_nothing_and_end_before_the_longest_context() -> None:
    """Two conversations have no token in common; with one turn each there are no followers."""
    chat = generate("lmsys-like", 300, seed=4, rate=2.0)
    trace = as_conversations(chat, 4, mean_turns=20.0, max_context=1200)
    first = np.flatnonzero(trace.follows < 0)
    tokens = [set(trace.prompt_token_ids[row]) for row in first.tolist()]
    assert sum(map(len, tokens)) == len(set().union(*tokens))
    length = trace.num_prompt_tokens + trace.num_output_tokens
    assert (length[trace.follows >= 0] <= 1200).all()
    alone = as_conversations(chat, 4, mean_turns=1.0)
    assert (alone.follows < 0).all()
    assert (alone.num_prompt_tokens == chat.num_prompt_tokens).all()


@pytest.mark.parametrize("name", ["lmsys-like", "sessions"])
def test_a_user_of_a_closed_loop_asks_once_at_a_time(name: str) -> None:
    """Never more than so many are unanswered, and so many are while work is left; a user thinks
    for as long as was said."""
    users, think = 7, 2.5
    trace = in_closed_loop(generate(name, 100, seed=5, rate=1.0), users, think)
    check_workload(trace)
    engine = SimulatedEngine(SimulatorConfig(600, 16, step_time=StepTime(0.1, 0.001)), "fcfs")
    done = engine.simulate(trace).columns()
    begins = np.flatnonzero(trace.follows >= 0)
    waited = done.arrival_time[begins] - done.finish_time[trace.follows[begins]]
    assert waited == pytest.approx(trace.think_time[begins])
    if name == "lmsys-like":
        assert (trace.think_time[begins] == think).all()
    for time in done.arrival_time:
        assert ((done.arrival_time <= time) & (done.finish_time > time)).sum() <= users
    assert (done.arrival_time == 0).sum() == users


def test_who_follows_one_left_out_follows_whom_that_one_followed() -> None:
    """In a slice of a trace, thinking for both; the first of a slice comes when the trace says."""
    names = "abcde"
    jobs = [
        Job(Request(name, 3, 9, 4.0), 2, (), before, 1.5 * i)
        for i, (name, before) in enumerate(zip(names, [None, "a", "b", "c", "d"], strict=True))
    ]
    trace = Trace.of(jobs)
    assert [job.follows for job in trace] == [None, "a", "b", "c", "d"]
    part = trace[np.array([0, 3, 4])]
    assert part.follows.tolist() == [-1, 0, 1]
    assert part.think_time.tolist() == [0.0, 1.5 + 3.0 + 4.5, 6.0]
    assert trace[2:].follows.tolist() == [-1, 0, 1]
    arrivals = Arrivals(jobs, [0, 3, 4])
    assert [job.request.request_id for job in arrivals.until(4.0)] == ["a"]
    assert not arrivals
    arrivals.ended("a", 7.0)
    assert arrivals.next_time == 7.0 + 9.0
    assert [(j.request.request_id, j.request.arrival_time) for j in arrivals.until(99)] == [
        ("d", 16.0)
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: in_closed_loop(t, 0), "closed_loop: got 0"),
        (lambda t: in_closed_loop(t, 2, -1.0), "think_time: got -1.0"),
        (lambda t: as_conversations(t, 1, mean_turns=0.5), "mean_turns: got 0.5"),
        (lambda t: as_conversations(t, 1, mean_think_time=-2), "mean_think_time: got -2"),
    ],
)
def test_nonsense_is_named(make: Any, message: str) -> None:
    """Field, value and what is allowed."""
    with pytest.raises(ConfigError, match=message):
        make(generate("lmsys-like", 5, seed=1))


@pytest.mark.parametrize("follows", [("b", None), (None, "x"), (None, "r0", "r0")])
def test_a_request_follows_an_earlier_one_that_nobody_else_follows(follows: Any) -> None:
    """Anything else is refused, named by its id."""
    jobs = [
        Job(Request(f"r{i}", 3, 9, 0.0), 2, (), before, 0.0) for i, before in enumerate(follows)
    ]
    with pytest.raises(ConfigError, match="follows: got"):
        check_workload(jobs)


def test_one_reply_in_250_is_an_outlier() -> None:
    """Of 4,000 tokens; all else is as without them."""
    trace, plain = generate("outliers", 1000, seed=6), generate("lmsys-like", 1000, seed=6)
    is_long = trace.num_output_tokens == 4000
    assert is_long.sum() == 4
    assert (trace.num_output_tokens[~is_long] == plain.num_output_tokens[~is_long]).all()
    assert (trace.max_tokens >= 4000).all()
