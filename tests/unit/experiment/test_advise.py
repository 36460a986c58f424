"""What is advised, on traffic of which the answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.experiment.advice import as_dict, as_markdown, in_words
from amin.experiment.advise import OURS, STOCK, advise
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic

SETTING = Setting(8176)
BUSY = Traffic("lmsys-like", 500, load=1.5)


def test_advises_a_setting_whose_tail_is_as_good() -> None:
    """Of all settings with such a tail, the one with the lowest mean; and says what to run."""
    advice = advise(BUSY, SETTING)
    best = advice.advised
    assert best is not None
    good = [o for o in advice.options() if o.p99.value <= 1.02 and o.worst.value <= 1.10]
    assert best.mean.value == min(option.mean.value for option in good) < 0.98
    assert best.command in "\n".join(in_words(advice))
    assert len(in_words(advice)) <= 12
    for option in advice.options():
        assert f"| {option.label} |" in as_markdown(advice)


def test_advises_nothing_where_nobody_waits() -> None:
    """At a third of the capacity vLLM is left alone."""
    advice = advise(replace(BUSY, load=0.3), SETTING)
    assert advice.advised is None
    assert any("change nothing" in line for line in in_words(advice))


def test_priorities_are_tried_where_there_are_any(tmp_path: Path) -> None:
    """Without them vLLM's priority scheduling is FCFS."""
    trace = tmp_path / "t.csv"
    rows = "".join(f"{i / 9},50,{20 + i % 7 * 30}\n" for i in range(200))
    trace.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n" + rows)
    labels = advise(Traffic(str(trace)), SETTING).compared[1.0].labels
    assert labels == (*STOCK, *OURS)
    assert "vllm-priority@0.05" in advise(BUSY, SETTING).compared[1.0].labels


def test_more_traffic_is_tried() -> None:
    """The same requests, half as often again: a higher load beside the trace's own."""
    advice = advise(BUSY, SETTING)
    rho = [comparison.rows[0]["rho"] for comparison in advice.compared.values()]
    assert rho == pytest.approx([1.5, 1.875, 2.25], rel=0.15)


def test_all_at_once_needs_a_load(tmp_path: Path) -> None:
    """Lengths alone do not say how hard they press."""
    trace = tmp_path / "t.csv"
    trace.write_text("num_prefill_tokens,num_decode_tokens\n10,10\n10,20\n")
    with pytest.raises(ConfigError, match="load: all requests arrive at once"):
        advise(Traffic(str(trace)), SETTING)


def test_ranges_are_of_other_days(tmp_path: Path) -> None:
    """A file is looked at as it is, and on days made of its pieces; short ones are said to be."""
    trace = tmp_path / "t.csv"
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.exponential(0.2, 400))
    rows = (f"{time},50,{20 + 40 * i % 200}\n" for i, time in enumerate(times))
    trace.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n" + "".join(rows))
    advice = advise(Traffic(str(trace)), Setting(2048))
    assert {len(c.rows) // len(c.labels) for c in advice.compared.values()} == {6, 1}
    option = advice.options()[-1]
    assert option.mean.least < option.mean.most
    assert option.mean.least <= option.mean.value <= option.mean.most
    told = as_dict(advice, "amin advise")
    assert told["warnings"] == ["only 400 requests, which say little of a 99th percentile"]
    assert told["is_step_time_assumed"] is True
    assert told["options"]["1"][-1]["mean"]["most"] == option.mean.most


def test_an_uneven_day_and_one_far_above_capacity_are_named(tmp_path: Path) -> None:
    """Twice the requests in one half; a queue that only grows."""
    trace = tmp_path / "t.csv"
    times = [*np.linspace(0, 50, 400), *np.linspace(50.1, 100, 200)]
    rows = "".join(f"{time},50,200\n" for time in times)
    trace.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n" + rows)
    warnings = advise(Traffic(str(trace)), Setting(1024)).warnings
    assert any("one half of the time has 2.0 x the requests" in one for one in warnings)
    assert any("the queue grows from the first to the last" in one for one in warnings)
