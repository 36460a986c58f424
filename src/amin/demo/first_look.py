"""The first table of the demo, in seconds: vLLM's real scheduler without a model (`vllm-dry`)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from amin.demo.contenders import Contender
from amin.demo.progress import Track
from amin.engine.stock import STOCK
from amin.engine.vllm.config import AminConfig
from amin.predictor.class_table import ClassBounds, write_class_table
from amin.record import RunResult
from amin.workload.lmsys_like import NOMINAL_FLOORS, embedded_replies, lmsys_like

NUM_REQUESTS = 400
REQUESTS_PER_SECOND = 8.0
"""Some 1.6 times what the engine of `DryConfig` can serve of such requests."""

WHAT = (
    f"{NUM_REQUESTS} LMSYS-like requests, Poisson {REQUESTS_PER_SECOND:g}/s (about 1.6 x "
    "capacity), predicted by a real classifier's five classes; simulated clock"
)


def first_look(chosen: Sequence[Contender], track: Track) -> list[RunResult]:
    """One run of each contender, the same requests and the same class table for all."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    from amin.engine.vllm.dry import DryConfig, DryEngine

    replies = embedded_replies(20_000, 0)
    jobs = lmsys_like(
        replies,
        num_requests=NUM_REQUESTS,
        requests_per_second=REQUESTS_PER_SECOND,
        seed=1,
        class_priorities=True,
    )
    advance = track("first look, without a model", len(chosen))
    results = []
    with tempfile.TemporaryDirectory() as directory:
        ends = zip(NOMINAL_FLOORS, replies.class_quantiles(0.95), strict=True)
        classes = {str(c): ClassBounds(low, high) for c, (low, high) in enumerate(ends)}
        predictor = write_class_table(Path(directory, "classes.json"), classes)
        for contender in chosen:
            settings: str | AminConfig = contender.scheduler
            if contender.scheduler not in STOCK:
                settings = AminConfig(contender.scheduler, predictor, client_hints=True)
            engine = DryEngine(DryConfig(watermark=contender.watermark), settings)
            engine.name = contender.name
            results.append(engine.run(jobs))
            advance()
    return results
