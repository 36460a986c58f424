"""What stands before servers writes down: batches, a proxy's spend logs, traces of spans."""

from __future__ import annotations

from typing import Any

from amin.workload.json_format import Entry, Found, JsonFormat, at, keys
from amin.workload.reading import Reading
from amin.workload.row import FAILED, LeftOut, Row, count
from amin.workload.times import seconds_of

_USAGE = "gen_ai.usage."


def _batch(entry: Entry, number: int, reading: Reading) -> Found:
    """Output of OpenAI's batch API, vLLM's ``run-batch`` among it: all was there from the start."""
    usage = at(entry, "response.body.usage")
    if entry.get("error") or not usage:
        yield LeftOut(FAILED)
        return
    yield Row(
        count(usage, "prompt_tokens", "input_tokens"),
        count(usage, "completion_tokens", "output_tokens", least=0),
        request_id=entry["custom_id"],
    )


def _litellm(entry: Entry, number: int, reading: Reading) -> Found:
    """Spend logs of LiteLLM's proxy (LiteLLM_SpendLogs in its schema.prisma)."""
    if entry.get("status") == "failure":
        yield LeftOut(FAILED)
        return
    if str(entry.get("cache_hit")) == "True":
        yield LeftOut("answered from the proxy's cache")
        return
    who = entry.get("end_user") or entry.get("user") or entry.get("api_key")
    yield Row(
        count(entry, "prompt_tokens", least=0),
        count(entry, "completion_tokens", least=0),
        seconds_of(entry["startTime"], reading.unit),
        client=who or None,
        request_id=entry.get("request_id"),
    )


def _otlp(entry: Entry, number: int, reading: Reading) -> Found:
    """Spans in OTLP's JSON, as a collector's file exporter writes them."""
    for resource in entry["resourceSpans"]:
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                named = {pair.get("key"): _value(pair) for pair in span.get("attributes") or ()}
                yield _of_span(named, span.get("startTimeUnixNano"), "ns")


def _span(entry: Entry, number: int, reading: Reading) -> Found:
    """A span as OpenTelemetry's console exporter writes it."""
    yield _of_span(entry["attributes"], entry["start_time"], reading.unit)


def _of_span(attributes: dict[str, Any], start: Any, unit: str | None) -> Row | LeftOut:
    """By OpenTelemetry's conventions for generative AI, and the older names that vLLM writes."""
    prompts, replies = (
        (_USAGE + "input_tokens", _USAGE + "prompt_tokens"),
        (
            _USAGE + "output_tokens",
            _USAGE + "completion_tokens",
        ),
    )
    if all(attributes.get(name) is None for name in replies):
        return LeftOut("spans of something else")
    cap = attributes.get("gen_ai.request.max_tokens")
    return Row(
        count(attributes, *prompts),
        count(attributes, *replies, least=0),
        seconds_of(start, unit),
        max_tokens=None if cap is None else count(attributes, "gen_ai.request.max_tokens"),
    )


def _value(pair: dict[str, Any]) -> Any:
    """An attribute's value, which OTLP wraps by its type; its integers are texts."""
    wrapped = pair.get("value")
    return next(iter(wrapped.values()), None) if isinstance(wrapped, dict) else None


GATEWAYS = (
    JsonFormat("OpenAI batch output", keys("custom_id", "response"), _batch),
    JsonFormat("LiteLLM spend logs", keys("startTime", "completion_tokens"), _litellm),
    JsonFormat("OpenTelemetry (OTLP)", keys("resourceSpans"), _otlp),
    JsonFormat("OpenTelemetry spans", keys("attributes", "start_time"), _span),
)
