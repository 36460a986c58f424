"""Runs in an environment with ai-dynamo: TRACE NUM_BLOCKS BLOCK_SIZE; prints the seconds taken.

NVIDIA Dynamo's offline replay in vLLM mode (PyPI: ai-dynamo and ai-dynamo-runtime 1.6.1); reading
the trace is in it.
"""

import sys
import time

from dynamo.replay import run_trace_replay

trace, num_blocks, block_size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
engine = {
    "num_gpu_blocks": num_blocks,
    "block_size": block_size,
    "timing_model": {"type": "fixed", "prefill_ms": 1.0, "decode_ms": 30.0},
}
start = time.perf_counter()
report = run_trace_replay(trace, extra_engine_args={"engine": engine}, trace_block_size=block_size)
print(report)
print(time.perf_counter() - start)
