"""vLLM's KV connectors, with a stand-in for their workers: transfers that end some steps later.

`OffloadingConnector` copies KV to the CPU and loads it back while its request waits, holding
memory; `ExampleConnector` loads what it finds in a folder, which here is nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from vllm.config import KVTransferConfig
from vllm.distributed.kv_transfer.kv_connector.v1.offloading.common import OffloadingWorkerMetadata
from vllm.v1.outputs import KVConnectorOutput

from amin.engine.vllm import seam
from amin.engine.vllm.dry_model import STOP_TOKEN
from amin.engine.vllm.dry_scheduler import model_folder
from amin.engine.vllm.scheduler import AminScheduler

pytestmark = pytest.mark.dry

NUM_BLOCKS, BLOCK_SIZE = 49, 16
STEPS_OF_A_TRANSFER = 3
MAX_STEPS = 5000
CONNECTORS: dict[str, dict[str, Any]] = {
    "OffloadingConnector": {"cpu_bytes_to_use": 2**24, "block_size": BLOCK_SIZE},
    "ExampleConnector": {"shared_storage_path": "/nowhere/at/all"},
}


def make_scheduler(connector: str, amin: dict[str, Any] | None, is_async: bool) -> Any:
    """A scheduler with a connector; stock where no settings of amin's are given."""
    with model_folder() as directory:
        config = seam.engine_config(
            directory,
            max_model_len=2048, block_size=BLOCK_SIZE, max_num_seqs=32,
            max_num_batched_tokens=512, enable_prefix_caching=True,
            kv_transfer_config=KVTransferConfig(
                kv_connector=connector, kv_role="kv_both",
                kv_connector_extra_config=CONNECTORS[connector],
            ),
            additional_config={} if amin is None else {"amin": amin},
        )  # fmt: skip
    config.scheduler_config.async_scheduling = is_async
    stock = seam.AsyncScheduler if is_async else seam.Scheduler
    return seam.build_scheduler(config, stock if amin is None else AminScheduler, NUM_BLOCKS)


class Server:
    """A scheduler and a stand-in for model and workers; `steps` is what each step scheduled."""

    def __init__(self, scheduler: Any, is_async: bool) -> None:
        self.scheduler = scheduler
        self.steps: list[Any] = []
        self.num_loads = 0
        self._hasher = seam.prefix_block_hasher(BLOCK_SIZE)
        self._lengths: dict[str, int] = {}
        self._transfers: list[tuple[int, int, str | None]] = []
        self._in_flight: list[tuple[Any, set[str]]] = []
        self._depth = 2 if is_async else 1

    def add(self, name: str, tokens: Sequence[int], length: int) -> None:
        """A request arrives, whose reply has so many tokens."""
        self._lengths[name] = length
        params = seam.SamplingParams(max_tokens=200, stop_token_ids=[STOP_TOKEN])
        self.scheduler.add_request(
            seam.Request(name, list(tokens), params, None, block_hasher=self._hasher)
        )

    def step(self) -> None:
        """One step; what was transferred long enough ago is done."""
        output = self.scheduler.schedule()
        scheduled = sorted(output.num_scheduled_tokens.items())
        preempted = sorted(output.preempted_req_ids or ())
        self.steps.append((scheduled, preempted, seam.num_free_blocks(self.scheduler)))
        self._begin_transfers(output)
        requests = self.scheduler.requests
        emitting = {i for i in output.num_scheduled_tokens if not requests[i].is_prefill_chunk}
        self._in_flight.append((output, emitting))
        # A step in which nothing is computed ends at once, and those before it, too.
        depth = self._depth if output.total_num_scheduled_tokens else 1
        while len(self._in_flight) >= depth:
            self._end_step(*self._in_flight.pop(0))

    def finish(self) -> None:
        """Step until all have ended; fails if that takes too many steps."""
        while self.scheduler.has_requests() or self._in_flight:
            self.step()
            assert len(self.steps) < MAX_STEPS, self.scheduler.get_request_counts()

    def _begin_transfers(self, output: Any) -> None:
        meta = output.kv_connector_metadata
        done = len(self.steps) + STEPS_OF_A_TRANSFER
        for job, load in getattr(meta, "load_jobs", {}).items():
            self._transfers.append((done, job, load.req_id))
            self.num_loads += 1
        for job in getattr(meta, "store_jobs", {}):
            self._transfers.append((done, job, None))
        # Blocks are given to somebody else: what copies them is waited for.
        flushed = getattr(meta, "jobs_to_flush", None) or set()
        self._transfers = [
            (0 if job in flushed else due, job, loaded) for due, job, loaded in self._transfers
        ]

    def _end_step(self, output: Any, emitting: set[str]) -> None:
        ended = [one for one in self._transfers if one[0] <= len(self.steps)]
        self._transfers = [one for one in self._transfers if one[0] > len(self.steps)]
        meta = OffloadingWorkerMetadata()
        for _, job, _ in ended:
            meta.mark_completed(job)
        told = KVConnectorOutput(
            finished_recving={loaded for _, _, loaded in ended if loaded},
            kv_connector_worker_meta=meta if ended else None,
        )
        ids = list(output.num_scheduled_tokens)
        self.scheduler.update_from_output(
            output,
            seam.ModelRunnerOutput(
                req_ids=ids,
                req_id_to_index={name: i for i, name in enumerate(ids)},
                sampled_token_ids=[self._sampled(name, name in emitting) for name in ids],
                kv_connector_output=told,
            ),
        )

    def _sampled(self, name: str, is_emitting: bool) -> list[int]:
        request = self.scheduler.requests.get(name)
        if request is None or not is_emitting:
            return []
        is_last = request.num_output_tokens + 1 >= self._lengths[name]
        return [STOP_TOKEN if is_last else 1000 + len(name)]


def _serve(connector: str, amin: dict[str, Any] | None, seed: int, is_async: bool) -> Server:
    """Turns of conversations, so that what was copied away is asked for again."""
    server = Server(make_scheduler(connector, amin, is_async), is_async)
    rng = random.Random(seed)
    prompts = [[100 + talk] * rng.randint(20, 160) for talk in range(12)]
    for turn in range(48):
        talk = rng.randrange(len(prompts))
        prompts[talk] = [*prompts[talk], *[2000 + turn] * rng.randint(1, 30)][:400]
        server.add(f"r{turn}", prompts[talk], rng.randint(1, 60))
        for _ in range(rng.randint(0, 6)):
            server.step()
    server.finish()
    return server


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("connector", CONNECTORS)
def test_fcfs_decides_as_stock_vllm(connector: str, seed: int, is_async: bool) -> None:
    """What is scheduled, who is preempted and what is free is the same in every step."""
    fcfs: dict[str, Any] = {"policy": "fcfs", "predictor": "constant:1"}
    fcfs |= {"tail_promise": None, "stream_promise": None}
    ours, stock = (_serve(connector, amin, seed, is_async) for amin in (fcfs, None))
    assert ours.steps == stock.steps
    assert ours.num_loads == stock.num_loads
    assert ours.num_loads > 0 or connector == "ExampleConnector"
    assert sum(len(preempted) for _, preempted, _ in stock.steps) > 0


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_default_stalls_and_leaks_nothing(connector: str, seed: int, is_async: bool) -> None:
    """Everybody ends, all memory is free, the books are empty and nothing of amin's failed."""
    server = _serve(connector, {}, seed, is_async)
    scheduler = server.scheduler
    assert seam.num_free_blocks(scheduler) == NUM_BLOCKS - 1
    assert len(scheduler.amin.ledger) == 0
    assert scheduler.amin.guard.is_empty
    assert not scheduler.amin_boundary.faults
    assert server.num_loads > 0 or connector == "ExampleConnector"


@pytest.mark.parametrize(
    ("connector", "floor"), [("OffloadingConnector", 1), ("ExampleConnector", 15)]
)
def test_next_to_nothing_is_kept_free_where_preemption_swaps(connector: str, floor: int) -> None:
    """A request whose KV is copied out finds it again: it is forecast to make one token more."""
    scheduler = make_scheduler(connector, {}, is_async=False)
    assert seam.swaps(scheduler) == (floor == 1)
    assert scheduler.amin.memory.floor == floor
