"""What the observer writes down of a real engine is what vLLM itself counts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.live.in_process import LiveEngine, StartEngine, make_prompts
from tests.live.shape import SHAPE, Json

pytestmark = pytest.mark.live

NUM_BLOCKS = SHAPE["num_gpu_blocks_override"] - 1


class Ticks:
    """A clock that counts steps, and what vLLM's scheduler hands out in each."""

    def __init__(self, engine: LiveEngine) -> None:
        self.num_steps = 0
        self.num_scheduled_tokens = 0
        self.num_most_running = 0
        self._schedule = engine.scheduler.schedule
        engine.scheduler.schedule = self._count

    def _count(self, *args: Any, **kwargs: Any) -> Any:
        output = self._schedule(*args, **kwargs)
        self.num_steps += 1
        self.num_scheduled_tokens += output.total_num_scheduled_tokens
        self.num_most_running = max(self.num_most_running, len(output.num_scheduled_tokens))
        return output


@pytest.mark.parametrize(
    "amin", [None, {"policy": "amin-dynamic", "forecast_floor": 1}], ids=["stock", "amin-dynamic"]
)
@pytest.mark.parametrize("enable_prefix_caching", [False, True], ids=["plain", "prefix-caching"])
def test_records_agree_with_vllm(
    start_engine: StartEngine, amin: Json | None, enable_prefix_caching: bool
) -> None:
    """Tokens, preemptions, aborts, memory and recomputed work, request by request and in sum."""
    from amin.engine.vllm.observer import Observer  # needs vLLM

    engine = start_engine(amin, enable_prefix_caching=enable_prefix_caching)
    ticks = Ticks(engine)
    observer = Observer(engine.scheduler, lambda: float(ticks.num_steps))
    prompts = make_prompts(40)
    ids = [engine.add(str(index), prompt) for index, prompt in enumerate(prompts)]
    requests = [engine.scheduler.requests[request_id] for request_id in ids]
    outputs: dict[str, tuple[int, ...]] = {}
    for _ in range(30):
        outputs |= engine.step()
    scheduler = engine.scheduler
    waiting = [request for request in scheduler.waiting if not request.num_preemptions]
    aborted = [ids.index(scheduler.running[0].request_id), ids.index(waiting[-1].request_id)]
    for index in aborted:
        engine.abort(str(index))
    outputs |= engine.finish()

    assert list(observer.records) == ids
    for index, request_id in enumerate(ids):
        record, request = observer.records[request_id], requests[index]
        assert record.num_prompt_tokens == len(prompts[index].tokens)
        assert record.num_output_tokens == request.num_output_tokens
        assert record.num_preemptions == request.num_preemptions
        if index in aborted:
            assert str(index) not in outputs
            assert record.status == "aborted"
            assert record.finish_time == 30
        else:
            assert record.status == "finished"
            assert record.num_output_tokens == len(outputs[str(index)])
            times = (record.first_scheduled_time, record.first_token_time, record.finish_time)
            assert 0 < times[0] <= times[1] <= times[2] <= ticks.num_steps
            assert record.finish_time - record.first_token_time >= record.num_output_tokens - 1

    records = observer.records.values()
    assert 0 < sum(r.num_preemptions for r in records) == engine.metric("vllm:num_preemptions")
    assert sum(r.num_output_tokens for r in records) == engine.metric("vllm:generation_tokens")
    num_recomputed = sum(r.num_recomputed_tokens for r in records)
    num_lost = sum(r.num_lost_tokens for r in records)
    assert num_recomputed > 0
    if enable_prefix_caching:
        assert num_recomputed < num_lost
    else:
        # All that vLLM scheduled: each token once, but the last, and what was computed again.
        once = sum(r.num_computed_tokens for r in requests)
        assert ticks.num_scheduled_tokens == once + num_recomputed

    samples = observer.samples
    assert [sample.time for sample in samples] == list(range(1, ticks.num_steps + 1))
    assert max(sample.num_running for sample in samples) == ticks.num_most_running
    assert NUM_BLOCKS - 3 <= max(sample.num_used_blocks for sample in samples) <= NUM_BLOCKS
