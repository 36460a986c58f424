"""The names of vLLM that are used. A vLLM outside the supported range is refused before them."""

from __future__ import annotations

from amin.engine.vllm.versions import require_supported_version

require_supported_version()

from vllm import SamplingParams  # noqa: E402
from vllm.config import VllmConfig  # noqa: E402
from vllm.engine.arg_utils import EngineArgs  # noqa: E402
from vllm.logger import init_logger  # noqa: E402
from vllm.lora.request import LoRARequest  # noqa: E402
from vllm.sampling_params import RequestOutputKind  # noqa: E402
from vllm.utils.hashing import sha256  # noqa: E402
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash  # noqa: E402
from vllm.v1.core.sched.async_scheduler import AsyncScheduler  # noqa: E402
from vllm.v1.core.sched.request_queue import (  # noqa: E402
    RequestQueue,
    SchedulingPolicy,
    create_request_queue,
)
from vllm.v1.core.sched.scheduler import Scheduler  # noqa: E402
from vllm.v1.engine.llm_engine import LLMEngine  # noqa: E402
from vllm.v1.kv_cache_interface import (  # noqa: E402
    ChunkedLocalAttentionSpec,
    FullAttentionSpec,
    KVCacheConfig,
    KVCacheGroupSpec,
    SlidingWindowSpec,
)
from vllm.v1.outputs import DraftTokenIds, ModelRunnerOutput  # noqa: E402
from vllm.v1.request import Request, RequestStatus  # noqa: E402
from vllm.v1.structured_output import StructuredOutputManager  # noqa: E402

__all__ = [
    "AsyncScheduler",
    "ChunkedLocalAttentionSpec",
    "DraftTokenIds",
    "EngineArgs",
    "FullAttentionSpec",
    "KVCacheConfig",
    "KVCacheGroupSpec",
    "LLMEngine",
    "LoRARequest",
    "ModelRunnerOutput",
    "Request",
    "RequestOutputKind",
    "RequestQueue",
    "RequestStatus",
    "SamplingParams",
    "Scheduler",
    "SchedulingPolicy",
    "SlidingWindowSpec",
    "StructuredOutputManager",
    "VllmConfig",
    "create_request_queue",
    "get_request_block_hasher",
    "init_none_hash",
    "logger",
    "sha256",
]

logger = init_logger("vllm.amin")
"""Below vLLM's own logger, the only one that vLLM configures: INFO lines of others go nowhere."""
