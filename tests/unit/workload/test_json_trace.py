"""Traces from JSON documents: conversations, and results of vLLM's own benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.read import read, read_trace
from amin.workload.reading import Reading
from amin.workload.row import CHARACTERS_PER_TOKEN, num_tokens

ARENA = Path(__file__).parents[4] / "shared/data/arena_hard_prompts_outlen.jsonl.gz"

TURNS = [{"from": "human", "value": "x" * 38}, {"from": "gpt", "value": "y" * 380}]
RESULTS: dict[str, Any] = {
    "request_throughput": 2.0,
    "start_times": [5.5, 5.0, 6.0],
    "input_lens": [10, 20, 30],
    "output_lens": [1, 2, 0],
    "errors": ["", "", "refused"],
}


def _write(path: Path, document: Any, indent: int | None = None) -> Path:
    path.write_text(json.dumps(document, indent=indent))
    return path


def test_reads_conversations(tmp_path: Path) -> None:
    """The first turn and its reply, in tokens of 3.8 characters; what has no reply is left out."""
    entries = [{"conversations": TURNS + TURNS}, {"conversations": TURNS[:1]}]
    trace = read_trace(_write(tmp_path / "s.json", entries))
    assert trace.num_prompt_tokens.tolist() == [10]
    assert trace.num_output_tokens.tolist() == [100]
    assert trace.arrival_time.tolist() == [0]


@pytest.mark.parametrize("indent", [None, 2])
def test_reads_the_results_of_vllms_benchmark(tmp_path: Path, indent: int | None) -> None:
    """In the order of their start, from 0 on; requests that failed are left out."""
    trace = read_trace(_write(tmp_path / "r.json", RESULTS, indent))
    assert trace.arrival_time.tolist() == [0, 0.5]
    assert trace.num_prompt_tokens.tolist() == [20, 10]
    assert trace.num_output_tokens.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "no lines, allowed: one request per line"),
        ([{"conversations": TURNS[:1]}], "no request that ended, 1 left out: conversations"),
        ([{"id": 1}], "entry 0: no format that is known"),
        ([{"conversations": 1}], "entry 0: no conversations, allowed: a list of turns"),
        ([{"conversations": [{"value": 1}]}], "entry 0: value: allowed: a text in every turn"),
        ({"request_throughput": 1}, "no list start_times, allowed: what --save-detailed writes"),
        (RESULTS | {"input_lens": [1]}, "lists of unequal length"),
        (RESULTS | {"input_lens": [0.5, 1, 1]}, "input_lens: got 0.5, allowed: an integer"),
        (RESULTS | {"output_lens": ["x", 1, 1]}, "output_lens: got 'x', allowed"),
        (RESULTS | {"output_lens": [0, 0, 0]}, "no request that ended"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, document: Any, message: str) -> None:
    """One line with file, field and value."""
    with pytest.raises(ConfigError, match=f"x.json: .*{message}"):
        read_trace(_write(tmp_path / "x.json", document))


def test_a_limit_of_concurrency_keeps_requests_back_that_have_arrived(tmp_path: Path) -> None:
    """What ``vllm bench serve --max-concurrency`` says they waited for is not the server's time."""
    waited = RESULTS | {"queue_times": [0.5, 0.0, 0.0]}
    trace = read_trace(_write(tmp_path / "r.json", waited))
    assert trace.arrival_time.tolist() == [0, 0]
    assert trace.num_prompt_tokens.tolist() == [10, 20]


def test_of_several_runs_one_is_chosen(tmp_path: Path) -> None:
    """As ``--append-result`` writes them, one after the other; which is asked for."""
    path = tmp_path / "r.json"
    path.write_text(json.dumps(RESULTS) + "\n" + json.dumps(RESULTS | {"input_lens": [4, 5, 6]}))
    with pytest.raises(ConfigError, match=r"2 runs \(1: 2 requests, 2: 2 requests\).*--run 1"):
        read(path)
    assert read(path, Reading(run=2)).trace.num_prompt_tokens.tolist() == [5, 4]
    with pytest.raises(ConfigError, match="run: got 3, allowed: 1, 2"):
        read(path, Reading(run=3))


def test_a_cut_document_is_named(tmp_path: Path) -> None:
    """It is not JSON."""
    path = tmp_path / "x.json"
    path.write_text('[{"conversations": [')
    with pytest.raises(ConfigError, match=r"x.json: not JSON"):
        read_trace(path)


@pytest.mark.shared_data
def test_characters_per_token_are_those_of_real_replies() -> None:
    """The mean over the replies that were published with a count of their tokens."""
    import gzip

    if not ARENA.exists():
        pytest.skip("the shared data folder is not beside the repository")
    with gzip.open(ARENA, "rt") as file:
        replies = [reply for line in file for reply in json.loads(line)["out"].values()]
    sizes = np.array([(r["chars"], r["tokens"]) for r in replies if r["tokens"] and r["chars"]])
    assert sizes[:, 0].sum() / sizes[:, 1].sum() == pytest.approx(CHARACTERS_PER_TOKEN, abs=0.02)
    assert num_tokens("") == 1
