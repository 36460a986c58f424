"""What load generators write: each request that they sent, when, and how long the reply was.

A generator with a limit of concurrency keeps requests back; they arrived when it began to do so,
not when they were sent.
"""

from __future__ import annotations

import json
from typing import Any

from amin.errors import ConfigError
from amin.prompt_text import prompt_text
from amin.workload.json_format import Entry, Found, JsonFormat, at, keys
from amin.workload.reading import Reading
from amin.workload.row import FAILED, LeftOut, Row, count, integer, num_tokens
from amin.workload.times import seconds_of


def _vllm(entry: Entry, number: int, reading: Reading) -> Found:
    """``vllm bench serve --save-result --save-detailed``, several runs with ``--append-result``.

    benchmarks/lib/endpoint_request_func.py counts start_time from the moment when a request is
    sent, and serve.py keeps how long it waited for a place within ``--max-concurrency`` apart.
    """
    names = "start_times", "input_lens", "output_lens"
    columns: list[Any] = [entry.get(name) for name in names]
    for name, column in zip(names, columns, strict=True):
        if not isinstance(column, list):
            raise ConfigError(f"no list {name}, allowed: what --save-detailed writes, too")
    waited = entry.get("queue_times") or [0.0] * len(columns[0])
    if len({len(column) for column in (*columns, waited)}) != 1:
        raise ConfigError(f"{', '.join(names)}: lists of unequal length")
    for start, prompt, output, wait in zip(*columns, waited, strict=True):
        arrival = seconds_of(start, "s") - seconds_of(wait, "s")
        made = integer(output, "output_lens", 0)
        yield Row(integer(prompt, "input_lens", 0), made, arrival, run=number)


def _guidellm(entry: Entry, number: int, reading: Reading) -> Found:
    """A report of guidellm: a benchmark for each rate, the requests of each by how they ended."""
    for run, benchmark in enumerate(entry["benchmarks"], start=1):
        for request in at(benchmark, "requests.successful") or ():
            yield Row(
                count(request, "prompt_tokens", least=0),
                count(request, "output_tokens", least=0),
                seconds_of(at(request, "request_start_time"), "s"),
                run=run,
            )


def _aiperf(entry: Entry, number: int, reading: Reading) -> Found:
    """``profile_export.jsonl`` of aiperf: a request is due when its credit is issued."""
    if entry.get("error") or at(entry, "metadata.was_cancelled"):
        yield LeftOut(FAILED)
        return
    if at(entry, "metadata.benchmark_phase") == "warmup":
        yield LeftOut("warming up")
        return
    due = at(entry, "metadata.credit_issued_ns") or at(entry, "metadata.request_start_ns")
    lengths = [at(entry, f"metrics.{end}_sequence_length.value") for end in ("input", "output")]
    yield Row(
        integer(lengths[0], "input_sequence_length", 0),
        integer(lengths[1] or 0, "output_sequence_length", 0),
        seconds_of(due, "ns"),
    )


def _aiperf_inputs(entry: Entry, number: int, reading: Reading) -> Found:
    raise ConfigError(
        "aiperf's inputs.json says what is asked and not how long replies are; allowed: the "
        "profile_export.jsonl beside it"
    )


def _inference_perf(entry: Entry, number: int, reading: Reading) -> Found:
    """``per_request_lifecycle_metrics.json`` of inference-perf; the server's counts, if any."""
    if entry.get("error"):
        yield LeftOut(FAILED)
        return
    info = entry["info"]
    usage = at(info, "response_metrics.server_usage") or {}
    prompt = at(info, "request_metrics.text.input_tokens") or info.get("input_tokens")
    output = (
        usage.get("completion_tokens")
        or at(info, "response_metrics.output_tokens")
        or info.get("output_tokens")
    )
    due = entry.get("scheduled_time")
    yield Row(
        integer(prompt, "input_tokens", 0),
        integer(output or 0, "output_tokens", 0),
        seconds_of(entry["start_time"] if due is None else due, "s"),
        session=entry.get("session_id"),
    )


def _genai_perf(entry: Entry, number: int, reading: Reading) -> Found:
    """``profile_export.json`` of genai-perf: what was sent and received.

    The prompt's tokens are estimated from its text; of a reply that was streamed each chunk with a
    text is one.
    """
    for run, experiment in enumerate(entry["experiments"], start=1):
        for request in experiment.get("requests") or ():
            asked = at(request, "request_inputs.payload")
            prompt = prompt_text(json.loads(asked)) if isinstance(asked, str) else None
            if prompt is None:
                raise ConfigError("request_inputs.payload: no prompt, allowed: OpenAI's API")
            output = sum(map(_num_received, request.get("response_outputs") or ()))
            time = seconds_of(request.get("timestamp"), "ns")
            yield Row(num_tokens(prompt), output, time, run=run)


def _num_received(response: Any) -> int:
    """Tokens of one response: a chunk of a stream has one, a whole reply as many as it says."""
    text = str(at(response, "response") or "").strip()
    num_received = 0
    for line in text.split("\n"):
        try:
            body = json.loads(line.removeprefix("data:"))
        except ValueError:
            continue  # [DONE]
        if said := at(body, "usage.completion_tokens"):
            return integer(said, "usage.completion_tokens", 0)
        choice = (at(body, "choices") or [{}])[0]
        whole = at(choice, "message.content")
        num_received += num_tokens(whole) if whole else 0
        num_received += bool(at(choice, "delta.content") or at(choice, "text"))
    return num_received


def _llmperf(entry: Entry, number: int, reading: Reading) -> Found:
    """``..._individual_responses.json`` of LLMPerf, which keeps no times."""
    if entry.get("error_code") is not None:
        yield LeftOut(FAILED)
        return
    prompt = count(entry, "number_input_tokens", least=0)
    yield Row(prompt, count(entry, "number_output_tokens", least=0))


def _is_of_vllm(entry: Entry) -> bool:
    return "request_throughput" in entry or "input_lens" in entry


BENCHMARKS = (
    JsonFormat("vllm bench serve", _is_of_vllm, _vllm),
    JsonFormat("guidellm", keys("benchmarks"), _guidellm),
    JsonFormat("aiperf", keys("metadata", "metrics"), _aiperf),
    JsonFormat("aiperf inputs", keys("data"), _aiperf_inputs),
    JsonFormat("inference-perf", keys("info", "start_time"), _inference_perf),
    JsonFormat("genai-perf", keys("experiments"), _genai_perf),
    JsonFormat("LLMPerf", keys("number_input_tokens", "number_output_tokens"), _llmperf),
)
