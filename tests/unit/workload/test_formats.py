"""Files as real tools write them, read by hand: arrival, prompt and reply of each request.

Shapes are those of: guidellm 0.8, aiperf 0.13, inference-perf (RequestLifecycleMetric), genai-perf
0.0.16, LLMPerf, Qwen-Bailian's traces, Dynamo, OpenAI's batch API, LiteLLM 1.110
(LiteLLM_SpendLogs), OpenTelemetry, WildChat, LMSYS-Chat-1M and vLLM 0.24 to 0.33.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amin.engine.simulator import SimulatorConfig
from amin.engine.step_time import StepTime
from amin.errors import ConfigError
from amin.experiment.load import rho
from amin.workload.read import read
from amin.workload.reading import Reading

CASES_FOLDER = Path(__file__).parents[4] / "shared/cases"

NS = 1_795_982_158_000_000_000

GUIDELLM = {
    "metadata": {"guidellm_version": "0.8.1"},
    "benchmarks": [
        {
            "type_": "generative_benchmark",
            "requests": {
                "successful": [
                    {"request_start_time": NS / 1e9 + 2, "prompt_tokens": 74, "output_tokens": 20},
                    {"request_start_time": NS / 1e9, "prompt_tokens": 30, "output_tokens": 9},
                ],
                "errored": [{"request_start_time": NS / 1e9 + 1, "prompt_tokens": 1}],
                "incomplete": [],
            },
        }
    ],
}


def _aiperf(seconds: float, prompt: int, reply: int, **metadata: Any) -> dict[str, Any]:
    due = int(NS + seconds * 1e9)
    lengths = {"input_sequence_length": prompt, "output_sequence_length": reply}
    return {
        "metadata": {"credit_issued_ns": due, "request_start_ns": due + 10**9} | metadata,
        "metrics": {name: {"value": n, "unit": "tokens"} for name, n in lengths.items()},
        "error": None,
    }


AIPERF = [
    _aiperf(0, 41, 44),
    _aiperf(1.5, 9, 3),
    _aiperf(1, 9, 9, was_cancelled=True),
    _aiperf(0.5, 9, 9, benchmark_phase="warmup"),
]


def _inference_perf(start: float, prompt: int, reply: int, **more: Any) -> dict[str, Any]:
    text = {"input_tokens": prompt}
    info = {"request_metrics": {"text": text}, "response_metrics": {"output_tokens": reply}}
    times = {"scheduled_time": start, "start_time": start + 1, "end_time": start + 2}
    return times | {"request": "{}", "info": info, "error": None} | more


INFERENCE_PERF = [
    _inference_perf(100.0, 12, 7),
    _inference_perf(103.0, 15, 2),
    _inference_perf(101.0, 15, 2, error={"error_type": "TimeoutError", "error_msg": ""}),
]
OLD_INFERENCE_PERF = [
    {"start_time": 5.0, "end_time": 6.0, "info": {"input_tokens": 12, "output_tokens": 7}}
]

GENAI_PERF = {
    "service_kind": "openai",
    "endpoint": "v1/chat/completions",
    "experiments": [
        {
            "experiment": {"mode": "request_rate", "value": 2},
            "requests": [
                {
                    "timestamp": NS + 10**9,
                    "request_inputs": {
                        "payload": json.dumps({"messages": [{"role": "user", "content": "x" * 38}]})
                    },
                    "response_timestamps": [NS + 2 * 10**9],
                    "response_outputs": [
                        {"response": 'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n'},
                        {"response": 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'},
                        {"response": 'data: {"choices":[{"delta":{"content":"b"}}]}\n\n'},
                        {"response": "data: [DONE]\n\n"},
                    ],
                }
            ],
        }
    ],
}

LLMPERF = [
    {"error_code": None, "ttft_s": 0.1, "number_input_tokens": 550, "number_output_tokens": 150},
    {"error_code": 500, "number_input_tokens": 550, "number_output_tokens": 0},
]


def _bailian(time: float, length: int, hashes: list[int]) -> dict[str, Any]:
    row = {"chat_id": length, "parent_chat_id": -1, "timestamp": time, "input_length": length}
    return row | {"output_length": 20, "type": "text", "turn": 1, "hash_ids": hashes}


BAILIAN = [_bailian(0.0, 17, [1, 2]), _bailian(61.114, 15, [1])]

BATCH = [
    {
        "id": "batch_req_1",
        "custom_id": "one",
        "response": {
            "status_code": 200,
            "body": {"usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}},
        },
        "error": None,
    },
    {"id": "2", "custom_id": "two", "response": None, "error": {"message": "expired"}},
]


def _litellm(start: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "request_id": f"chatcmpl-{start}",
        "call_type": "acompletion",
        "cache_hit": "False",
    }
    row |= {"startTime": start, "endTime": start, "prompt_tokens": 20, "completion_tokens": 5}
    return row | {"total_tokens": 25, "end_user": "", "user": "ann", "status": "success"} | more


LITELLM = [
    _litellm("2026-05-10T10:00:02.500000Z", end_user="bob", prompt_tokens=30),
    _litellm("2026-05-10T10:00:00Z"),
    _litellm("2026-05-10T10:00:01Z", status="failure", completion_tokens=0),
    _litellm("2026-05-10T10:00:01Z", cache_hit="True"),
]


def _otlp(start: int, **counts: int) -> dict[str, Any]:
    wrapped = [
        {"key": f"gen_ai.usage.{name}", "value": {"intValue": str(n)}} for name, n in counts.items()
    ]
    return {"name": "chat", "startTimeUnixNano": str(start), "attributes": wrapped}


OTLP = [
    {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            _otlp(NS + 10**9, input_tokens=7, output_tokens=2),
                            _otlp(NS, prompt_tokens=9, completion_tokens=4),
                            _otlp(NS),
                        ]
                    }
                ]
            }
        ]
    }
]

WILDCHAT = [
    {
        "conversation_hash": "a",
        "timestamp": "2026-04-09T00:00:10Z",
        "conversation": [
            {"role": "user", "content": "x" * 38},
            {"role": "assistant", "content": "y" * 76},
        ],
    },
    {
        "conversation_hash": "b",
        "timestamp": "2026-04-09T00:00:00Z",
        "conversation": [
            {"role": "user", "content": "x" * 76},
            {"role": "assistant", "content": "y" * 38},
        ],
    },
]

REPLAY = [
    {"timestamp": 1234500.0, "input_length": 256, "output_length": 128},
    {"timestamp": 1234500.5, "input_length": 512, "output_length": 64},
]

CASES = {
    # name: what is in the file, format, arrivals, prompts, replies, what is left out
    "guidellm": (GUIDELLM, "guidellm", [0, 2], [30, 74], [9, 20], ""),
    "aiperf": (AIPERF, "aiperf", [0, 1.5], [41, 9], [44, 3], "1 left out: failed; 1 left out: wa"),
    "inference-perf": (INFERENCE_PERF, "inference-perf", [0, 3], [12, 15], [7, 2], "1 left out"),
    "its older form": (OLD_INFERENCE_PERF, "inference-perf", [0], [12], [7], ""),
    "genai-perf": (GENAI_PERF, "genai-perf", [0], [10], [2], ""),
    "LLMPerf": (LLMPERF, "LLMPerf", [0], [550], [150], "1 left out: failed; without times"),
    "Bailian": (BAILIAN, "Qwen-Bailian", [0, 61.114], [17, 15], [20, 20], ""),
    "batch": (BATCH, "OpenAI batch output", [0], [12], [3], "1 left out: failed; without times"),
    "LiteLLM": (LITELLM, "LiteLLM spend logs", [0, 2.5], [20, 30], [5, 5], "the proxy's cache"),
    "OTLP": (
        OTLP,
        "OpenTelemetry (OTLP)",
        [0, 1],
        [9, 7],
        [4, 2],
        "1 left out: spans of something",
    ),
    "WildChat": (WILDCHAT, "conversations", [0, 10], [20, 10], [10, 20], "sorted by arrival"),
    "guidellm's replay": (REPLAY, "Mooncake", [0, 0.5], [256, 512], [128, 64], "taken for seconds"),
}


def _write(path: Path, content: Any, as_lines: bool) -> Path:
    if as_lines and isinstance(content, list):
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    else:
        path.write_text(json.dumps(content, indent=None if as_lines else 2))
    return path


@pytest.mark.parametrize("as_lines", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_each_format_is_recognised_and_read(tmp_path: Path, name: str, as_lines: bool) -> None:
    """As lines and as a document: the format's name, each number, and what is left out, counted."""
    content, form, arrivals, prompts, replies, said = CASES[name]
    found = read(_write(tmp_path / "f", content, as_lines))
    assert found.format == form
    assert found.trace.arrival_time.tolist() == pytest.approx(arrivals, abs=1e-6)
    assert found.trace.num_prompt_tokens.tolist() == prompts
    assert found.trace.num_output_tokens.tolist() == replies
    assert said in str(found)


SHARED = {
    # name: format, arrivals, prompts, replies: what the page beside these files says is right
    "aiperf_profile_export.jsonl": ("aiperf", [0, 0.498, 0.593], [41, 57, 25], [44, 47, 41]),
    "azure2024.csv": ("Azure", [0, 0.0074, 0.990, 2.490], [2162, 2399, 76, 1500], [5, 6, 15, 8]),
    "bailian.jsonl": ("Qwen-Bailian", [0, 61.114, 125.5], [502, 521, 40], [1494, 132, 30]),
    "bailian_nohash.jsonl": ("Qwen-Bailian", [0, 61.114, 125.5], [502, 521, 40], [1494, 132, 30]),
    "bailian_short.jsonl": ("Qwen-Bailian", [0, 1.5, 3, 4.5, 6], [12, 13, 14, 15, 16], [20] * 5),
    "burstgpt3.csv": ("BurstGPT", [0, 51], [906, 36], [446, 29]),
    "guidellm_0.8.1.json": ("guidellm", [0, 0.197, 0.397], [74, 74, 74], [20, 20, 20]),
    "guidellm_replay.jsonl": ("Mooncake", [0, 0.5, 1.5], [256, 512, 300], [128, 64, 90]),
    "vidur_arrived_at.csv": ("Vidur", [0, 4, 10.5], [300, 400, 250], [40, 100, 20]),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", SHARED)
def test_files_of_the_real_tools(name: str) -> None:
    """Cut from what they wrote."""
    if not (CASES_FOLDER / name).exists():
        pytest.skip("the shared cases are not beside the repository")
    form, arrivals, prompts, replies = SHARED[name]
    found = read(CASES_FOLDER / name)
    assert found.format == form
    assert found.trace.arrival_time.tolist() == pytest.approx(arrivals, abs=1e-3)
    assert found.trace.num_prompt_tokens.tolist() == prompts
    assert found.trace.num_output_tokens.tolist() == replies


@pytest.mark.shared_data
def test_a_benchmark_with_a_limit_of_concurrency_is_as_hard_as_it_was() -> None:
    """30 requests a second were sent one at a time: 1.43 x the capacity, and not .30."""
    path = CASES_FOLDER / "vllm_bench_max_concurrency.json"
    if not path.exists():
        pytest.skip("the shared cases are not beside the repository")
    config = SimulatorConfig(64, 16, 256, step_time=StepTime(0.012, 0.0001))
    assert rho(read(path).trace, config) == pytest.approx(1.43, abs=0.01)


def test_blocks_are_of_the_size_that_the_format_has(tmp_path: Path) -> None:
    """Bailian's hashes stand for 16 tokens; another size can be said, and is proposed."""
    first, second = read(_write(tmp_path / "f", BAILIAN, True)).trace
    assert list(first.request.prompt_token_ids) == [1] * 16 + [2]
    assert list(second.request.prompt_token_ids) == [1] * 15
    row = {"timestamp": 0, "input_length": 100, "output_length": 5, "hash_ids": [1, 2]}
    path = _write(tmp_path / "m", [row], True)
    with pytest.raises(ConfigError, match="for other blocks: --hash-block-size 64"):
        read(path)
    (job,) = read(path, Reading(hash_block_size=64)).trace
    assert list(job.request.prompt_token_ids) == [1] * 64 + [2] * 36


def test_sessions_go_on_when_their_replies_have_ended(tmp_path: Path) -> None:
    """Dynamo's lines: turns of a session wait for each other and for a delay in milliseconds."""
    rows = [
        {"session_id": "a", "timestamp": 1000, "input_length": 10, "output_length": 5},
        {"session_id": "b", "timestamp": 500, "input_length": 20, "output_length": 6},
        {"session_id": "a", "delay": 2500, "input_length": 30, "output_length": 7},
    ]
    trace = read(_write(tmp_path / "f", rows, True)).trace
    assert trace.num_prompt_tokens.tolist() == [20, 10, 30]
    assert trace.arrival_time.tolist() == [0, 0.5, 0.5]
    assert trace.follows.tolist() == [-1, -1, 1]
    assert trace.think_time.tolist() == [0, 0, 2.5]


def test_spans_of_opentelemetrys_own_exporter(tmp_path: Path) -> None:
    """Written by the real SDK, where it is installed, as the console exporter prints them."""
    trace_sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="no opentelemetry-sdk here")
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    path = tmp_path / "spans"
    with path.open("w") as file:
        provider = trace_sdk.TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=file)))
        tracer = provider.get_tracer("test")
        for i in range(2):
            span = tracer.start_span("llm_request", start_time=NS + i * 10**9)
            span.set_attribute("gen_ai.usage.prompt_tokens", 11 + i)
            span.set_attribute("gen_ai.usage.completion_tokens", 5)
            span.set_attribute("gen_ai.request.max_tokens", 64)
            span.end()
    found = read(path)
    assert found.format == "OpenTelemetry spans"
    assert found.trace.arrival_time.tolist() == pytest.approx([0, 1], abs=1e-3)
    assert found.trace.num_prompt_tokens.tolist() == [11, 12]
    assert found.trace.max_tokens.tolist() == [64, 64]


def test_parquet_is_read_like_lines(tmp_path: Path) -> None:
    """WildChat as it is published, dates and all; a table, too."""
    pyarrow = pytest.importorskip("pyarrow", reason="no pyarrow here")
    from pyarrow import parquet

    rows = [
        row | {"timestamp": datetime.fromisoformat(str(row["timestamp"])).astimezone(UTC)}
        for row in WILDCHAT
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "w.parquet")
    found = read(tmp_path / "w.parquet")
    assert found.format == "conversations"
    assert found.trace.arrival_time.tolist() == [0, 10]
    assert found.trace.num_prompt_tokens.tolist() == [20, 10]
    table = pyarrow.table(
        {"arrived_at": [1.0, 3.5], "prefill_tokens": [5, 6], "decode_tokens": [7, 8]}
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    trace = read(tmp_path / "t.parquet").trace
    assert trace.arrival_time.tolist() == [0, 2.5]
    assert trace.num_output_tokens.tolist() == [7, 8]


OLD_LINES = """\
INFO 11-26 10:00:00 [api_server.py:1] Started server process [7]
INFO 11-26 10:00:01 [logger.py:39] Received request cmpl-a: prompt: 'it\\'s', params: \
SamplingParams(n=1, max_tokens=16), prompt_token_ids: [1, 2, 3], lora_request: None.
INFO 11-26 10:00:03 [logger.py:39] Received request cmpl-b: prompt: 'x', params: \
SamplingParams(n=1, max_tokens=32), prompt_token_ids: [4], lora_request: None.
INFO 11-26 10:00:04 [logger.py:70] Generated response cmpl-b (streaming delta): output: 'a', \
output_token_ids: [9], finish_reason: None
INFO 11-26 10:00:05 [logger.py:70] Generated response cmpl-b (streaming complete): output: 'ab', \
output_token_ids: [9, 8], finish_reason: stop
INFO 11-26 10:00:06 [logger.py:70] Generated response cmpl-a: output: 'abc', \
output_token_ids: [9, 8, 7], finish_reason: length
INFO 11-26 10:00:07 [logger.py:39] Received request cmpl-c: prompt: 'x', params: \
SamplingParams(n=1, max_tokens=32), prompt_token_ids: [4], lora_request: None.
"""

NEW_LINES = """\
(APIServer pid=7) DEBUG 11-26 10:00:01 [request_logger.py:52] Request cmpl-a details: prompt: \
'it', prompt_token_ids: [1, 2, 3], prompt_embeds shape: None.
(APIServer pid=7) INFO 11-26 10:00:01 [request_logger.py:65] Received request cmpl-a: params: \
SamplingParams(n=1, max_tokens=16), lora_request: None.
(APIServer pid=7) DEBUG 11-26 10:00:06 [request_logger.py:101] Generated response cmpl-a details: \
output_token_ids: [9, 8, 7]
(APIServer pid=7) INFO 11-26 10:00:06 [request_logger.py:108] Generated response cmpl-a: output: \
'abcdefghijklmnop', finish_reason: length
"""


def test_vllms_own_log_lines(tmp_path: Path) -> None:
    """Request and reply are paired by id; what has no reply is left out and counted."""
    path = tmp_path / "log"
    path.write_text(OLD_LINES)
    found = read(path)
    assert found.trace.arrival_time.tolist() == [0, 2]
    assert found.trace.num_prompt_tokens.tolist() == [3, 1]
    assert found.trace.num_output_tokens.tolist() == [3, 2]
    assert found.trace.max_tokens.tolist() == [16, 32]
    assert "1 left out: failed" in str(found)
    path.write_text(NEW_LINES)
    found = read(path)
    assert found.trace.num_prompt_tokens.tolist() == [3]
    assert found.trace.num_output_tokens.tolist() == [3]
    path.write_text("\n".join(line for line in NEW_LINES.split("\n") if "DEBUG" not in line))
    with pytest.raises(ConfigError, match="request cmpl-a: no prompt in the log, allowed"):
        read(path)


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    """A thousand requests within a microsecond, decades, and prompts that are times."""
    path = tmp_path / "t.csv"
    header = "arrival_time,num_prompt_tokens,num_output_tokens\n"
    for rows in ("0,1,2\n0.0000005,1,2\n", "0,1,2\n900000000,1,2\n"):
        path.write_text(header + rows)
        with pytest.raises(ConfigError, match=r"between 1 ms and ten years\. Say the unit"):
            read(path)
    path.write_text(header + "0,1795982158000,2\n")
    with pytest.raises(ConfigError, match="Is that a column of tokens"):
        read(path)


def test_an_unknown_file_names_the_formats_and_the_nearest(tmp_path: Path) -> None:
    """Of JSON, too, the columns that are probably meant are proposed."""
    path = _write(tmp_path / "f", [{"when": 1, "in_tok": 2, "out_tok": 3}], True)
    with pytest.raises(ConfigError, match=r"guidellm.*Mooncake.*Did you mean --columns"):
        read(path)
    said = "arrival_time=when,num_prompt_tokens=in_tok,num_output_tokens=out_tok"
    assert read(path, Reading.of(said)).trace.num_output_tokens.tolist() == [3]
    inputs = _write(tmp_path / "i", {"data": [{"session_id": "a", "payloads": []}]}, False)
    with pytest.raises(ConfigError, match="not how long replies are; allowed: the profile_export"):
        read(inputs)


def test_broken_lines_are_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    """The first of them too; else it is named."""
    path = tmp_path / "f"
    path.write_text('{"timestamp": 0,\n' + "".join(json.dumps(row) + "\n" for row in REPLAY))
    assert "1 left out: broken" in str(read(path, Reading(skip_broken=True)))
    path.write_text("".join(json.dumps(row) + "\n" for row in REPLAY) + '{"timestamp": 0}\n')
    with pytest.raises(ConfigError, match="line 3: input_length: missing"):
        read(path)
    assert len(read(path, num_requests=2).trace) == 2
