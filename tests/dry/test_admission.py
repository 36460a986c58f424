"""The forecast decides how many are admitted: hand-made cases, counted in blocks of 4 tokens."""

from collections.abc import Callable
from typing import Any

import pytest
from vllm.config import VllmConfig

from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MakeJob = Callable[..., Job]
MakeStepper = Callable[..., Any]


@pytest.mark.parametrize(
    ("policy", "settings", "num_admitted"),
    [
        # A prompt of 4 is 1 block now; after 13 tokens it is 4 + 13 - 1 = 16 tokens, 4 blocks.
        ("fcfs", {}, 10),
        ("amin-static", {"predictor": "constant:13"}, 2),
        ("amin-dynamic", {"predictor": "constant:13"}, 2),
        # 12 tokens: 15 tokens in memory, the same 4 blocks; 9 tokens: 12, which are 3 blocks.
        ("amin-static", {"predictor": "constant:12"}, 2),
        ("amin-static", {"predictor": "constant:9"}, 3),
        ("amin-static", {"predictor": "constant:1"}, 10),
        # A floor of 16 tokens: 4 + 16 - 1 = 19 tokens, 5 blocks, whatever is predicted.
        ("amin-static", {"predictor": "constant:1", "forecast_floor": 16}, 2),
        # A step later is memory free again: 14 steps, 17 tokens, 5 blocks.
        ("amin-static", {"predictor": "constant:13", "async_scheduling": True}, 2),
        ("amin-static", {"predictor": "constant:9", "async_scheduling": True}, 2),
        # vLLM keeps 30 % of 11 blocks free, 3: 7 are left, for two of 3 blocks or one of 4.
        ("amin-static", {"predictor": "constant:9", "watermark": 0.3}, 2),
        ("amin-static", {"predictor": "constant:13", "watermark": 0.3}, 1),
    ],
)
def test_as_many_are_admitted_as_are_forecast_to_fit(
    stepper: MakeStepper, job: MakeJob, policy: str, settings: dict[str, Any], num_admitted: int
) -> None:
    """Of 20 equal requests in 10 blocks, exactly so many run after the first step."""
    run = stepper(policy, num_gpu_blocks=11, **settings)
    run.add(*(job(str(i), 4, 30) for i in range(20)))
    run.step()
    assert len(run.running) == num_admitted


def test_short_ones_fit_beside_long_ones(stepper: MakeStepper, job: MakeJob) -> None:
    """Two long ones need 8 of 10 blocks in the end; six that end before need 6 of them now.

    In the first step 6 short ones (1 token) and 2 long ones hold a block each: 8. In the 13th the
    long ones hold 4 each: 8. A third long one would need 12.
    """
    run = stepper("amin-static", num_gpu_blocks=11, client_hints=True)
    run.add(*(job(f"long{i}", 4, 13, lower=13) for i in range(3)))
    run.add(*(job(f"short{i}", 4, 1, lower=1) for i in range(6)))
    run.step()
    # The short ones ended in this very step.
    assert run.running == ["long0", "long1"]
    assert run.waiting == ["long2"]
    run.finish()
    assert run.preempted == []


def test_the_head_that_does_not_fit_ends_the_admission(stepper: MakeStepper, job: MakeJob) -> None:
    """No skipping ahead: a small one behind a large head waits with it."""
    run = stepper("amin-static", num_gpu_blocks=11, client_hints=True)
    run.add(job("first", 20, 30, lower=2))
    run.step()
    run.add(job("large", 24, 30, lower=3), job("small", 1, 30, lower=4))
    run.step()
    assert run.running == ["first"]
    assert run.waiting == ["large", "small"]


def test_an_idle_engine_admits_anything(stepper: MakeStepper, job: MakeJob) -> None:
    """A forecast beyond the cache delays a request until it is alone, and no longer."""
    run = stepper("amax", num_gpu_blocks=11, max_model_len=4096)
    run.add(job("a", 4, 3, max_tokens=1000), job("b", 4, 3, max_tokens=1000))
    run.step()
    assert run.running == ["a"]
    run.step(3)
    assert run.running == ["b"]


@pytest.mark.parametrize(
    ("shares", "num_blocks", "is_admitted"),
    [(True, 9, True), (True, 8, False), (False, 13, True), (False, 12, False)],
)
def test_a_shared_prefix_is_counted_once(
    stepper: MakeStepper, job: MakeJob, shares: bool, num_blocks: int, is_admitted: bool
) -> None:
    """A prompt of 20 tokens, of which a running request holds 16: 4 blocks less are needed.

    The running one: 17 tokens, 8 to make, at its end 24 tokens in 6 blocks; 7 steps are left of
    it. The other then holds 20 + 6 = 26 tokens in 7 blocks, 3 of them its own: 9 or 13 in all.
    """
    run = stepper(
        "amin-static", num_gpu_blocks=num_blocks + 1, enable_prefix_caching=True,
        client_hints=True,
    )  # fmt: skip
    run.add(job("first", 17, 30, lower=8, tokens=(1,) * 17))
    run.step()
    prefix = (1,) * 16 if shares else (2,) * 16
    run.add(job("second", 20, 30, lower=8, tokens=(*prefix, 3, 4, 5, 6)))
    run.step()
    assert ("second" in run.running) == is_admitted


@pytest.mark.parametrize(("num_blocks", "is_admitted"), [(12, True), (11, False)])
def test_a_prefix_outlives_its_first_holder(
    stepper: MakeStepper, job: MakeJob, num_blocks: int, is_admitted: bool
) -> None:
    """Blocks whose first holder has ended still count while another one holds them.

    In step 4 the second holds 22 tokens, at its forecast end with the third 25, in 7 blocks, of
    which 4 came from the first. The third will hold 19 tokens in 5 blocks: 12 in all.
    """
    run = stepper(
        "amin-static", num_gpu_blocks=num_blocks + 1, enable_prefix_caching=True,
        client_hints=True,
    )  # fmt: skip
    run.add(job("first", 17, 3, lower=3, tokens=(1,) * 17))
    run.step()
    run.add(job("second", 20, 30, lower=8, tokens=(*(1,) * 16, 3, 4, 5, 6)))
    run.step(2)
    assert run.running == ["second"]
    run.add(job("third", 16, 30, lower=4, tokens=(2,) * 16))
    run.step()
    assert ("third" in run.running) == is_admitted


def test_memory_that_a_lower_bound_promised_is_given(stepper: MakeStepper, job: MakeJob) -> None:
    """True lower bounds, no upper ones: those admitted together reach them without preemption."""
    run = stepper("amin-static", num_gpu_blocks=26, predictor="constant:20")
    run.add(*(job(str(i), 4 + i % 5, 20) for i in range(30)))
    run.finish()
    assert run.preempted == []


def test_a_shared_prefix_is_counted_once_while_both_run(stepper: MakeStepper, job: MakeJob) -> None:
    """The discount of 4 blocks outlives the step of admission: a third one is let in beside them.

    Two that share 16 tokens, 24 at their end: 6 blocks, of which the second counts 2. The third has
    1 block and ends at once. 9 blocks hold all; were the discount forgotten, it would take 13.
    """
    run = stepper("amin-static", num_gpu_blocks=10, enable_prefix_caching=True, client_hints=True)
    run.add(job("first", 17, 30, lower=8, tokens=(1,) * 17))
    run.step()
    run.add(job("second", 17, 30, lower=7, tokens=(*(1,) * 16, 9)))
    run.step()
    assert run.running == ["first", "second"]
    run.add(job("third", 4, 30, lower=1))
    run.step()
    assert run.running == ["first", "second", "third"]


@pytest.mark.parametrize(("num_blocks", "is_admitted"), [(13, True), (12, False)])
def test_a_prefix_that_nobody_holds_is_not_discounted(
    stepper: MakeStepper, job: MakeJob, num_blocks: int, is_admitted: bool
) -> None:
    """A hit on free blocks saves computing, but takes them from the free ones like any other.

    "again" has 16 tokens, of which 12 are in the cache since "gone" left, and ends with 21: 6
    blocks. "runs" then has 26 tokens, 7 blocks: 13 in all, and not 10.
    """
    run = stepper(
        "amin-static", num_gpu_blocks=num_blocks + 1, enable_prefix_caching=True,
        client_hints=True,
    )  # fmt: skip
    run.add(job("gone", 16, 1, lower=1, tokens=(1,) * 16))
    run.step()
    assert run.running == []
    run.add(job("runs", 20, 30, lower=8, tokens=(2,) * 20))
    run.step()
    run.add(job("again", 16, 30, lower=6, tokens=(1,) * 16))
    run.step()
    assert ("again" in run.running) == is_admitted


def test_blocks_to_come_of_a_chunked_prompt_are_not_taken_for_used(
    stepper: MakeStepper, job: MakeJob
) -> None:
    """Half a prompt in memory explains half its blocks, and hides no others.

    4 blocks came from "first", which has ended, and are held by "second" alone: use that no running
    request explains, also while 8 of the 10 blocks of "long" are still to come.
    """
    run = stepper(
        "amin-static", enable_prefix_caching=True, long_prefill_token_threshold=8,
        client_hints=True,
    )  # fmt: skip
    run.add(job("first", 17, 3, lower=3, tokens=(1,) * 17))
    run.step()
    run.add(job("second", 20, 30, lower=20, tokens=(*(1,) * 16, 3, 4, 5, 6)))
    run.step(3)
    assert run.running == ["second"]
    run.add(job("long", 40, 30, lower=21, tokens=tuple(range(40))))
    run.step()
    run.add(job("small", 4, 30, lower=22))
    run.step()
    assert run.running == ["second", "long", "small"]
    assert run.scheduler.amin.memory._unexplained == 4


def test_lookahead_tokens_are_reserved(
    stepper: MakeStepper, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Speculative decoding takes so many slots beyond the tokens: here 8, two blocks for each.

    Without, a prompt of 4 with 9 tokens to make ends with 12 tokens, 3 blocks; with them 20, 5.
    """
    for lookahead, num_admitted in ((0, 5), (8, 3)):
        monkeypatch.setattr(VllmConfig, "num_lookahead_tokens", lookahead)
        run = stepper("amin-static", num_gpu_blocks=16, predictor="constant:9")
        run.add(*(job(str(i), 4, 9) for i in range(8)))
        run.step()
        assert len(run.running) == num_admitted
        run.finish()
        assert run.preempted == []


def test_no_bound_goes_beyond_the_models_length(stepper: MakeStepper, job: MakeJob) -> None:
    """What is promised for 1000 tokens in a model of 40 is promised for the 36 that are left."""
    run = stepper("amax", max_model_len=40)
    run.add(job("a", 4, 9, max_tokens=1000))
    view = run.scheduler.amin.ledger.view("a")
    assert (view.max_tokens, view.upper, view.bound) == (36, 36, 36)
    (known,) = run.scheduler.amin.intake._known.values()
    assert known.facts.max_tokens == 36


def test_a_prompt_that_takes_several_steps_is_held_as_long(
    stepper: MakeStepper, job: MakeJob
) -> None:
    """With true bounds nobody leaves, though prompts of 40 are computed 4 tokens at a time."""
    run = stepper(
        "amax", num_gpu_blocks=40, client_hints=True, max_num_batched_tokens=64, max_num_seqs=16,
        long_prefill_token_threshold=4,
    )  # fmt: skip
    run.add(*(job(str(i), 3 + 37 * (i % 2), 5 + 2 * i, upper=5 + 2 * i) for i in range(16)))
    run.finish()
    assert run.preempted == []
