"""Does amin decide on this vLLM as it does on those it was tested with? Seconds, and no model.

``python -m amin.engine.vllm.self_test`` prints what is wrong, a line each, and exits 1 if anything
is. A server on a vLLM newer than tested runs this before it serves (`amin.engine.vllm.untested`),
and so does ``amin doctor``: names that are relied on, and tiny golden runs on vLLM's real
scheduler, among them vLLM's own policies and the same in amin's words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amin.engine.step_time import StepTime
from amin.engine.stock import STOCK
from amin.engine.vllm.untested import PREFIX
from amin.errors import UnsupportedEngineError
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job

GOLDEN = Path(__file__).with_name("golden.json")
"""By policy, of each request of `TRACE`: the step of its end, and how often it was preempted."""

# (name, prompt, output, arrival, lower, upper, priority)
TRACE = [
    ("a", 9, 30, 0, 12, 35, 1),
    ("b", 17, 6, 0, 4, 8, 0),
    ("c", 5, 44, 0, 20, 50, 2),
    ("d", 12, 3, 2, 2, 9, 0),
    ("e", 22, 12, 5, 12, 12, 2),
    ("f", 3, 25, 5, 3, 30, 1),
    ("g", 8, 16, 9, 5, 20, 0),
    ("h", 14, 9, 20, 15, 16, 1),
]


def jobs() -> list[Job]:
    """The requests of `TRACE`."""
    return [
        Job(
            Request(name, prompt, 1000, float(at), priority, hint=LengthEstimate(lower, upper)),
            output,
        )
        for name, prompt, output, at, lower, upper, priority in TRACE
    ]


def decided(policy: str) -> dict[str, list[int]]:
    """What is decided for `TRACE` now, as `GOLDEN` has it: 21 blocks of 4 tokens, steps of 1 s."""
    from amin.engine.vllm.config import AminConfig
    from amin.engine.vllm.dry import DryEngine
    from amin.engine.vllm.dry_config import DryConfig

    shape = DryConfig(num_gpu_blocks=22, block_size=4, step_time=StepTime(1.0, 0.0))
    if policy in STOCK:
        engine = DryEngine(shape, policy)
    else:
        paper: Any = {"client_hints": True, "forecast_floor": 1}
        paper |= {"tail_promise": None, "stream_promise": None}
        engine = DryEngine(shape, AminConfig(policy, "constant:1", **paper))
    records = sorted(engine.run(jobs()).records, key=lambda record: record.request_id)
    faults = getattr(engine.scheduler, "amin_boundary", None)
    if faults is not None and faults.faults:
        raise UnsupportedEngineError(f"faults: {dict(faults.faults)}")
    return {
        record.request_id: [int(record.finish_time), record.num_preemptions] for record in records
    }


def problems() -> Iterator[str]:
    """What is wrong with this vLLM, in words; nothing where amin can serve on it."""
    try:
        from amin.engine.vllm import seam
        from amin.engine.vllm.dry import DryEngine
        from amin.engine.vllm.dry_config import DryConfig

        missing = seam.missing_names(DryEngine(DryConfig(), "vllm-fcfs").scheduler)
    except Exception as error:  # whatever a vLLM that nobody has seen may do
        yield f"vLLM's scheduler cannot be made: {type(error).__name__}: {error}"
        return
    if missing:
        yield f"missing in vLLM: {', '.join(missing)}"
        return
    golden = json.loads(GOLDEN.read_text("utf-8"))["runs"]
    for policy, expected in golden.items():
        try:
            found = decided(policy)
        except Exception as error:
            yield f"golden run of {policy}: {type(error).__name__}: {error}"
            continue
        wrong = sorted(name for name in expected if found.get(name) != expected[name])
        if wrong:
            yield f"golden run of {policy}: request {wrong[0]} and {len(wrong) - 1} more differ"


def main() -> None:
    """Print what is wrong, a line each, and exit 1 if anything is."""
    found = list(problems())
    for problem in found:
        print(f"{PREFIX}{problem}", flush=True)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
