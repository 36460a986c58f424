"""The map: every policy in every place, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amin.errors import ConfigError
from amin.experiment.map import MapConfig, Place, run_map, shipped_map
from amin.experiment.map_page import as_markdown, as_page, summary
from amin.policy.catalog import POLICIES

SMALL = """
title = "small"
step_time = "linear:0.03,0.00015"
block_size = 16
enable_prefix_caching = false
num_requests = 60
seeds = 2
loads = [1.5]
shapes = ["batch", "users:2"]
[[policy]]
name = "vllm-fcfs"
[[policy]]
name = "ours, told nothing"
policy = "expected-volume+1~10"
is_told = false
[[policy]]
name = "ours"
policy = "expected-volume+1~10"
[[workload]]
name = "chat"
source = "lmsys-like"
kv_tokens = [2048, 4096]
[quick]
seeds = 1
"""


def test_every_policy_is_tried_in_every_place(tmp_path: Path) -> None:
    """With each seed; kept, and not run again; in the tables and on the page."""
    config = MapConfig.parse(SMALL, "small.toml")
    found = run_map(config, folder=tmp_path)
    assert list(found.rows) == [
        Place("chat", tokens, load)
        for tokens in (2048, 4096)
        for load in ("1.5", "batch", "users:2")
    ]
    for place, rows in found.rows.items():
        assert [row["label"] for row in rows] == [name for name in config.labels for _ in range(2)]
        assert found.ratio(place, "vllm-fcfs", "mean_e2e_latency")[0] == 1.0
        assert all(0 <= row["goodput"] <= 1 for row in rows)
        assert all(0 <= row["share_paused"] <= 1 for row in rows)
    again = run_map(config, folder=tmp_path)
    assert again.rows == found.rows
    assert len(list(tmp_path.iterdir())) == 6 * 3 * 2
    assert "### chat, 4,096 KV tokens, at once" in as_markdown(found)
    assert "at capacity or above (6 places)" in as_markdown(found)
    page = as_page(found)
    assert "<svg" in page
    paused = found.mean(Place("chat", 2048, "1.5"), "vllm-fcfs", "share_paused")
    assert paused > 0
    assert f"({100 * paused:.0f})" in page


@pytest.mark.parametrize(
    ("load", "is_at_capacity"),
    [("0.95", False), ("1", True), ("batch", True), ("gamma:4", True), ("users:2", True)],
)
def test_where_there_is_too_much_to_do(load: str, is_at_capacity: bool) -> None:
    """At capacity or above; all at once, too, and the bursts, which come at 1.1 x."""
    assert Place("chat", 4096, load).is_at_capacity == is_at_capacity


def test_users_are_twice_as_many_as_fit() -> None:
    """So many ask at once, and twice the memory has twice as many of them."""
    config = MapConfig.parse(SMALL, "small.toml")
    users = []
    for kv_tokens in (2048, 4096):
        cell = config.cells(Place("chat", kv_tokens, "users:2"))[0]
        trace = cell.traffic.trace(1, cell.setting.config)
        held = float((trace.num_prompt_tokens + trace.num_output_tokens / 2).mean())
        users.append(int((trace.follows < 0).sum()))
        assert 1.4 < users[-1] * held / kv_tokens < 3
    assert abs(users[1] - 2 * users[0]) <= 1


def test_a_map_of_quiet_places_alone() -> None:
    """Nothing is said of loads that it does not have."""
    config = replace(MapConfig.parse(SMALL, "small.toml"), loads=[0.5], shapes=[], seeds=1)
    lines = summary(run_map(config)).splitlines()
    assert "(0 places)" in lines[0]
    assert lines[3].startswith("| ours, told nothing | - | ")


def test_who_is_told_nothing_knows_nothing() -> None:
    """Neither class nor bounds reach it; the same policy, told, has them."""
    config = MapConfig.parse(SMALL, "small.toml")
    cells = {cell.label: cell for cell in config.cells(config.places[0])}
    for label, is_told in (("ours, told nothing", False), ("ours", True)):
        cell = cells[label]
        trace = cell.traffic.trace(1, cell.setting.config)
        assert (len(trace.predicted_class) > 0) == is_told
        assert trace.lower.any() == is_told


def test_the_map_that_ships_can_be_run() -> None:
    """Its policies are known, its cells are settings that are allowed; quick has far fewer."""
    full, quick = (MapConfig.parse(shipped_map(), "map.toml", is_quick=q) for q in (False, True))
    assert "--quick: a sample" in quick.title
    assert "quick" not in full.title
    for place in full.places:
        for cell in full.cells(place):
            cell.setting.check_policy()
    assert len(quick.places) * quick.seeds * 3 < len(full.places) * full.seeds
    named = {policy.get("policy", policy["name"]).split("+")[0] for policy in full.policy}
    assert {"least-computed-first", "cost-aware", "retract", "past-future", "amax"} <= named
    assert named - set(POLICIES) <= {"vllm-fcfs", "vllm-fcfs@0.05", "vllm-priority@0.05"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = ", r"mine\.toml: "),
        (SMALL.replace("seeds = 2", "sedes = 2", 1), "mine.toml: .*sedes"),
        (SMALL.replace("seeds = 2", "", 1), "mine.toml: .*seeds"),
    ],
)
def test_a_file_that_is_wrong_is_named(text: str, words: str) -> None:
    """With what is wrong in it."""
    with pytest.raises(ConfigError, match=words):
        MapConfig.parse(text, "mine.toml")
