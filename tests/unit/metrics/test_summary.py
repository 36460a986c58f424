import json
from dataclasses import asdict

from amin.metrics import coverage, latency, status, streaming, throughput, waste
from amin.metrics.summary import summarize
from amin.record import RequestRecord, RunResult


def _result(records: list[RequestRecord]) -> RunResult:
    return RunResult("fcfs", "simulator", 0, 10, 16, records)


def test_counts_by_status(records: list[RequestRecord]) -> None:
    """Every request is finished, rejected or aborted, and counted once."""
    summary = summarize(_result(records))
    assert (summary.num_finished, summary.num_rejected, summary.num_aborted) == (3, 1, 1)


def test_each_field_is_the_function_of_its_name(records: list[RequestRecord]) -> None:
    """No field is filled from a neighbour's function."""
    modules = (coverage, latency, status, streaming, throughput, waste)
    for name, value in asdict(summarize(_result(records))).items():
        (function,) = (getattr(module, name) for module in modules if hasattr(module, name))
        assert value == function(records), name


def test_an_empty_run_is_summarised_for_json() -> None:
    """Counts are 0, the undefined is None, and the strictest JSON writer takes it."""
    numbers = summarize(_result([])).as_dict()
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert {name for name, value in numbers.items() if value == 0} == {
        "num_finished",
        "num_rejected",
        "num_aborted",
        "num_preemptions",
        "num_lost_tokens",
        "num_recomputed_tokens",
    }
    assert {value for value in numbers.values() if value != 0} == {None}


def test_defined_numbers_reach_json_unchanged(records: list[RequestRecord]) -> None:
    """`as_dict` rounds nothing."""
    assert summarize(_result(records)).as_dict()["mean_e2e_latency"] == 3.0
