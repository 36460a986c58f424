"""Serve requests of given lengths on vLLM with a model of random weights, in a process of its own.

``python -m benchmarks.random_model JOB.json``. Such a model never ends a reply, so in the step that
makes a reply's last token a stop token is put in its place: the scheduler is told no sooner. The
engine runs in this very process, so that its scheduler can be observed; the clock is real.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from amin.demo.serve_one import ENVIRONMENT, scheduler_options
from amin.engine.vllm.config import AminConfig
from amin.record import RunResult
from amin.report.results import write_result
from amin.workload.generate import LMSYS_LIKE, generate
from amin.workload.lmsys_like import embedded_replies, lmsys_like
from amin.workload.trace import Trace

MODELS: dict[str, dict[str, Any]] = {
    # Llama 3.1 8B.
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "num_hidden_layers": 32,
        "vocab_size": 128256,
    },
    "tiny": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "vocab_size": 1000,
    },
}
STOP_TOKEN, OTHER_TOKEN = 1, 2
"""Where the model itself makes the first one, it is taken for the other."""
WARM_UP = 1, 2, 4, 8, 16, 32, 64, 128
"""Sizes of the batches that are run before the clock is."""


@dataclass(frozen=True)
class Job:
    """What one process is to serve; `scheduler` is a stock name or a policy of amin's.

    `engine` has further engine arguments of vLLM, as JSON.
    """

    model: str
    name: str
    scheduler: str
    out: str
    num_requests: int
    requests_per_second: float
    seed: int = 1
    watermark: float = 0.0
    predictor: str = AminConfig.predictor
    num_gpu_blocks: int = 1024
    block_size: int = 16
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    async_scheduling: bool = True
    engine: str = "{}"
    workload: str = LMSYS_LIKE

    def trace(self) -> Trace:
        """What is served; nobody names a class to a predictor that is to find out by itself."""
        trace = requests(self.num_requests, self.requests_per_second, self.seed, self.workload)
        if self.predictor != AminConfig.predictor:
            return trace
        return replace(trace, predicted_class=np.empty(0, np.object_))


def requests(
    number: int, requests_per_second: float, seed: int, workload: str = LMSYS_LIKE
) -> Trace:
    """A generator's; of LMSYS-like ones, the predicted classes are those that a real BERT gave."""
    if workload != LMSYS_LIKE:
        return generate(workload, number, seed=seed, rate=requests_per_second)
    replies, _ = embedded_replies(5000, seed=seed).halves()
    return lmsys_like(
        replies,
        num_requests=number,
        requests_per_second=requests_per_second,
        seed=seed,
        class_priorities=True,
    )


def serve(job: Job) -> tuple[RunResult, list[tuple[int, float]]]:
    """The run, and (scheduled tokens, seconds) of its steps."""
    from amin.engine.vllm import seam
    from amin.engine.vllm.observer import Observer

    trace = job.trace()
    engine = start_engine(job, int((trace.num_prompt_tokens + trace.max_tokens).max()))
    scheduler = engine.engine_core.engine_core.scheduler
    _warm_up(engine, seam)
    steps = _noting_steps(scheduler)
    _ending_replies(scheduler, trace.num_output_tokens.tolist())
    start = time.perf_counter()
    observer = Observer(scheduler, lambda: time.perf_counter() - start)
    finish_times = _replay(engine, seam, trace, start)
    records = []
    # In the order in which they were added: vLLM extends the ids that it was given.
    for i, record in enumerate(observer.records.values()):
        record.request_id = str(i)
        record.arrival_time = float(trace.arrival_time[i])
        record.finish_time = finish_times[str(i)]
        records.append(record)
    result = observer.result(records, policy=job.name, engine="vllm", seed=0)
    return result, steps


def start_engine(job: Job, max_model_len: int) -> Any:
    """vLLM's engine in this process, its model made up."""
    from amin.engine.vllm import seam

    common = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    common |= {"torch_dtype": "bfloat16", "max_position_embeddings": max_model_len}  # type: ignore[dict-item]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "config.json").write_text(json.dumps(common | MODELS[job.model]))
        return seam.LLMEngine.from_engine_args(
            seam.EngineArgs(
                model=directory,
                load_format="dummy",
                skip_tokenizer_init=True,
                max_model_len=max_model_len,
                max_num_seqs=job.max_num_seqs,
                max_num_batched_tokens=job.max_num_batched_tokens,
                block_size=job.block_size,
                num_gpu_blocks_override=job.num_gpu_blocks,
                enable_prefix_caching=False,
                watermark=job.watermark,
                async_scheduling=job.async_scheduling,
                **scheduler_options(job.scheduler, job.predictor, seed=0),
                **json.loads(job.engine),
            )
        )


def _noting_steps(scheduler: Any) -> list[tuple[int, float]]:
    """(tokens, seconds) of each step to come.

    A step lasts from the end of the one before, what the engine does between them with it, or from
    when it was scheduled if nobody was there before: scheduling asynchronously, the next one is
    scheduled while it still runs.
    """
    steps: list[tuple[int, float]] = []
    scheduled: dict[int, float] = {}
    last_end = 0.0
    schedule, update = scheduler.schedule, scheduler.update_from_output

    def noting_schedule(*args: Any, **kwargs: Any) -> Any:
        at = time.perf_counter()
        output = schedule(*args, **kwargs)
        scheduled[id(output)] = at
        return output

    def noting_update(output: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal last_end
        start, end = last_end or scheduled[id(output)], time.perf_counter()
        del scheduled[id(output)]
        steps.append((output.total_num_scheduled_tokens, end - start))
        outputs = update(output, *args, **kwargs)
        last_end = end if scheduler.has_requests() else 0.0
        return outputs

    scheduler.schedule, scheduler.update_from_output = noting_schedule, noting_update
    return steps


def _ending_replies(scheduler: Any, lengths: list[int]) -> None:
    update = scheduler.update_from_output

    def ending_update(output: Any, sampled: Any) -> Any:
        for i, request_id in enumerate(sampled.req_ids):
            request = scheduler.requests.get(request_id)
            # vLLM extends the ids that it was given.
            length = lengths[int(request_id.split("-")[0])]
            tokens = sampled.sampled_token_ids[i]
            if request is None or not tokens:
                continue
            if request.num_output_tokens + 1 >= length:
                tokens[:] = [STOP_TOKEN]
            elif tokens == [STOP_TOKEN]:
                tokens[:] = [OTHER_TOKEN]
        return update(output, sampled)

    scheduler.update_from_output = ending_update


def _prompt(length: int, seed: int) -> dict[str, Any]:
    tokens = np.random.default_rng(seed).integers(10, 900, length)
    return {"prompt_token_ids": tokens.tolist()}


def _warm_up(engine: Any, seam: Any) -> None:
    """Batches of several sizes, so that nothing is compiled while the clock runs."""
    for size in WARM_UP:
        for i in range(size):
            params = seam.SamplingParams(max_tokens=4, ignore_eos=True, detokenize=False)
            engine.add_request(f"warm-{size}-{i}", _prompt(16 + i, i), params)
        while engine.has_unfinished_requests():
            engine.step()


def _replay(engine: Any, seam: Any, trace: Trace, start: float) -> dict[str, float]:
    """When each request got its last token."""
    submitted = 0
    finish_times: dict[str, float] = {}
    while len(finish_times) < len(trace):
        now = time.perf_counter() - start
        while submitted < len(trace) and trace.arrival_time[submitted] <= now:
            _submit(engine, seam, trace, submitted)
            submitted += 1
        if not engine.has_unfinished_requests():
            if submitted < len(trace):
                time.sleep(max(float(trace.arrival_time[submitted]) - now, 0.0))
            continue
        for output in engine.step():
            if output.finished:
                finish_times[output.request_id] = time.perf_counter() - start
    return finish_times


def _submit(engine: Any, seam: Any, trace: Trace, i: int) -> None:
    params = seam.SamplingParams(
        temperature=0.0,
        max_tokens=int(trace.max_tokens[i]),
        ignore_eos=True,
        stop_token_ids=[STOP_TOKEN],
        detokenize=False,
        extra_args={"amin_class": str(trace.predicted_class[i])}
        if trace.predicted_class.size
        else None,
    )
    prompt = _prompt(int(trace.num_prompt_tokens[i]), i)
    engine.add_request(str(i), prompt, params, priority=int(trace.priority[i]))


def main() -> None:
    """Entry point of the process."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    job = Job(**json.loads(Path(sys.argv[1]).read_text()))
    result, steps = serve(job)
    write_result(result, Path(job.out))
    with Path(job.out, "steps.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["num_scheduled_tokens", "seconds"])
        writer.writerows(steps)


if __name__ == "__main__":
    main()
