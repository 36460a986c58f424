"""Serve one list of prompts with one scheduler on a real model, in a process of its own.

``python -m amin.demo.serve_one JOB.json`` reads a `ServeJob`, prints one line of JSON for each
request that ends, and leaves the records in ``job.out``. The engine runs in this very process, so
that its scheduler can be observed; the clock is real.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amin.engine.settings import Label
from amin.engine.stock import STOCK
from amin.engine.vllm.config import AminConfig
from amin.record import RequestRecord, RunResult
from amin.report.results import write_result

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    # With more threads vLLM's CPU engine stalls erratically on small machines.
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class ServeJob:
    """What one process is to serve. `scheduler` is a stock name or a policy of amin's.

    `name` is what results call it; `prompts` are (id, kind, text); `priorities` and the
    table that `predictor` names go by kind; `lengths_file` is what was learned before.
    `requests_per_second` 0 means that all arrive at once.
    """

    model: str
    name: str
    scheduler: str
    prompts: list[tuple[str, str, str]]
    out: str
    watermark: float = 0.0
    predictor: str = AminConfig.predictor
    lengths_file: str = ""
    priorities: dict[str, int] | None = None
    requests_per_second: float = 0.0
    seed: int = 0
    max_tokens: int = 192
    temperature: float = 0.8
    num_gpu_blocks: int = 48
    block_size: int = 32
    max_model_len: int = 1024
    max_num_seqs: int = 32


def serve(job: ServeJob) -> RunResult:
    """Serve the job to its end; arrivals follow the clock, latency counts from the arrival."""
    from amin.engine.vllm.observer import Observer

    engine, tokenizer = _start_engine(job)
    scheduler = engine.engine_core.engine_core.scheduler
    arrivals = _arrival_times(job)
    requests = [_request(job, i, tokenizer) for i in range(len(job.prompts))]
    _warm_up(engine, requests[0])
    start = time.perf_counter()
    observer = Observer(scheduler, lambda: time.perf_counter() - start)
    submitted = num_ended = 0
    while num_ended < len(requests):
        now = time.perf_counter() - start
        while submitted < len(requests) and arrivals[submitted] <= now:
            engine.add_request(*requests[submitted][:3], priority=requests[submitted][3])
            submitted += 1
        if not engine.has_unfinished_requests():
            time.sleep(max(arrivals[submitted] - now, 0.0))
            continue
        for output in engine.step():
            if output.finished:
                num_ended += 1
                _report(num_ended, len(output.outputs[0].token_ids))
    return _result(job, observer, arrivals)


def scheduler_options(
    scheduler: str, predictor: str, seed: int, lengths_file: str = ""
) -> dict[str, Any]:
    """vLLM's engine arguments for a stock scheduler or a policy of amin's that believes hints.

    ``policy+1~10`` is a policy with a tail promise and a stream promise.
    """
    if scheduler in STOCK:
        return {"scheduling_policy": scheduler.removeprefix("vllm-")}
    label = Label.of(scheduler)
    settings = AminConfig(
        policy=label.policy,
        predictor=predictor,
        client_hints=True,
        **label.promises,
        lengths_file=lengths_file,
        seed=seed,
    )
    return {
        "scheduling_policy": "fcfs",
        "scheduler_cls": "amin.engine.vllm.AminScheduler",
        "additional_config": {"amin": asdict(settings)},
    }


def _start_engine(job: ServeJob) -> tuple[Any, Any]:
    from amin.engine.vllm import seam

    engine = seam.LLMEngine.from_engine_args(
        seam.EngineArgs(
            model=job.model,
            max_model_len=job.max_model_len,
            max_num_seqs=job.max_num_seqs,
            block_size=job.block_size,
            num_gpu_blocks_override=job.num_gpu_blocks,
            kv_cache_memory_bytes=1 << 28,
            enable_prefix_caching=False,
            watermark=job.watermark,
            enforce_eager=True,
            distributed_executor_backend="uni",
            seed=job.seed,
            **scheduler_options(job.scheduler, job.predictor, job.seed, job.lengths_file),
        )
    )
    return engine, engine.get_tokenizer()


def _arrival_times(job: ServeJob) -> list[float]:
    if not job.requests_per_second:
        return [0.0] * len(job.prompts)
    gaps = np.random.default_rng(job.seed).exponential(size=len(job.prompts))
    return [float(t) for t in np.cumsum(gaps) / job.requests_per_second]


def _request(job: ServeJob, index: int, tokenizer: Any) -> tuple[str, Any, Any, int]:
    from amin.engine.vllm import seam

    _, kind, text = job.prompts[index]
    tokens = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
    )
    params = seam.SamplingParams(
        temperature=job.temperature,
        seed=job.seed * 100_003 + index,
        max_tokens=job.max_tokens,
        extra_args={"amin_class": kind},
    )
    priority = (job.priorities or {}).get(kind, 0)
    return str(index), {"prompt_token_ids": tokens}, params, priority


def _warm_up(engine: Any, request: tuple[str, Any, Any, int]) -> None:
    params = request[2].clone()
    params.max_tokens = 8
    engine.add_request("warm-up", request[1], params)
    while engine.has_unfinished_requests():
        engine.step()


def _report(num_ended: int, num_output_tokens: int) -> None:
    print(json.dumps({"ended": num_ended, "num_output_tokens": num_output_tokens}), flush=True)


def _result(job: ServeJob, observer: Any, arrivals: list[float]) -> RunResult:
    records: list[RequestRecord] = []
    # In the order in which they were added: vLLM extends the ids that it was given.
    for index, record in enumerate(observer.records.values()):
        record.request_id = f"{index}-{job.prompts[index][0]}"
        record.arrival_time = arrivals[index]
        records.append(record)
    result: RunResult = observer.result(records, policy=job.name, engine="vllm", seed=job.seed)
    return result


def main() -> None:
    """Entry point of the process."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    job = ServeJob(**json.loads(Path(sys.argv[1]).read_text()))
    write_result(serve(job), Path(job.out))


if __name__ == "__main__":
    main()
