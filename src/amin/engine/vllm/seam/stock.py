"""What vLLM does by itself: the scheduler class that it takes, and the models left to it."""

from __future__ import annotations

import importlib
from typing import Any

from amin.engine.vllm.seam.names import AsyncScheduler, Scheduler, SchedulingPolicy
from amin.errors import UnsupportedEngineError

_DIFFUSION = "vllm.v1.core.sched.diffusion_scheduler"


def why_left_to_vllm(vllm_config: Any, kv_cache_config: Any) -> str | None:
    """Why there is nothing to schedule by, in words; None for a model that makes replies."""
    if getattr(vllm_config, "diffusion_config", None) is not None:
        return "a diffusion model has a scheduler of vLLM's own"
    if vllm_config.model_config.runner_type == "pooling":
        return "a pooling model makes no replies"
    if not kv_cache_config.kv_cache_groups:
        return "the model has no KV cache"
    return None


def stock_scheduler(vllm_config: Any) -> type[Any]:
    """The class that vLLM takes where none is named (VllmConfig, SchedulerConfig).

    Raises `UnsupportedEngineError` where it has none for a diffusion model.
    """
    is_async = vllm_config.scheduler_config.async_scheduling
    if getattr(vllm_config, "diffusion_config", None) is None:
        return AsyncScheduler if is_async else Scheduler  # type: ignore[no-any-return]
    try:
        module = importlib.import_module(_DIFFUSION)
        found = module.DiffusionAsyncScheduler if is_async else module.DiffusionScheduler
    except (ImportError, AttributeError) as error:
        raise UnsupportedEngineError(
            f"a diffusion model needs vLLM's own scheduler, which is not to be found ({error}); "
            "start the server without amin"
        ) from error
    return found  # type: ignore[no-any-return]


def stock_policy(scheduler: Any) -> SchedulingPolicy:
    """What the operator asked of vLLM's own scheduler: FCFS or priority."""
    return SchedulingPolicy(scheduler.scheduler_config.policy)


def engine_rank(vllm_config: Any) -> int:
    """Which of the engines of a server this is, with data parallelism; 0 where there is but one.

    Engines of a dense model are told that they are alone, and keep their index all the same.
    """
    parallel = vllm_config.parallel_config
    return int(getattr(parallel, "data_parallel_index", parallel.data_parallel_rank))
