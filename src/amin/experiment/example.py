"""What `amin compare` and `amin demo` show to somebody who brings no trace. Imports nothing."""

WORKLOAD = "lmsys-like"
LOAD = 1.5
KV_TOKENS = 8176
NUM_SEEDS = 5

POLICIES = (
    "vllm-fcfs",
    "vllm-fcfs@0.05",
    "vllm-priority",
    "vllm-priority@0.05",
    "amax",
    "amin-static",
    "amin-dynamic",
    "amin-dynamic+1~10",
    "expected-volume+1~10",
    "hindsight",
    "smallest-volume",
)
"""Stock vLLM, also with a watermark; the paper's policies; with a promise on the tail A_min and the
default of ``amin serve``; and two that are told the truth."""
