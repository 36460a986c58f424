"""From Python: the commands' answers, on the same defaults, as objects and frames."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import amin
from amin.cli import cli
from amin.errors import ConfigError

ASKED: dict[str, Any] = {"kv_tokens": 8176, "load": 1.5, "num_requests": 200}


def test_importing_amin_loads_nothing() -> None:
    """Neither numpy nor numba, until a function is asked for; an unknown name is none."""
    code = "import sys, amin; print([m for m in ('numpy', 'numba') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="has no attribute 'schedule'"):
        _ = amin.schedule


def test_simulate_is_the_command() -> None:
    """The same numbers on the same defaults; a row for each request."""
    run = amin.simulate("lmsys-like", **ASKED)
    options = "--workload lmsys-like --kv-tokens 8176 --load 1.5 --num-requests 200 --json"
    told = CliRunner().invoke(cli, ["simulate", *options.split()])
    assert json.loads(told.output)["mean_e2e_latency"] == run.summary.mean_e2e_latency
    frame = run.to_pandas()
    assert len(frame) == 200
    latency = frame.finish_time - frame.arrival_time
    assert latency.mean() == pytest.approx(run.summary.mean_e2e_latency)


def test_compare_takes_names_and_policies_and_a_server(tmp_path: Path) -> None:
    """A row for each policy and seed; a server's fields change what comes out."""
    policies = ["vllm-fcfs", "expected-volume+1~10"]
    found = amin.compare("lmsys-like", policies, seeds=2, **ASKED)
    frame = found.to_pandas()
    assert frame.label.tolist() == [policy for policy in policies for _ in range(2)]
    few = amin.compare("lmsys-like", policies, seeds=2, max_num_seqs=4, **ASKED)
    assert few.rows[0]["mean_e2e_latency"] > found.rows[0]["mean_e2e_latency"]
    with pytest.raises(ConfigError, match="--kv-tokens: missing"):
        amin.compare("lmsys-like", policies)


def test_advise_has_a_row_for_each_setting() -> None:
    """And each growth of the traffic; what is advised is one of them."""
    advice = amin.advise("lmsys-like", **ASKED)
    frame = advice.to_pandas()
    assert set(frame.growth) == {1.0, 1.25, 1.5}
    assert advice.advised is not None
    mine = frame[(frame.growth == 1) & (frame.setting == advice.advised.label)]
    assert mine["mean"].tolist() == [advice.advised.mean.value]
