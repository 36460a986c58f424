"""vLLM's own schedulers, by the names that comparisons give them."""

STOCK = ("vllm-fcfs", "vllm-priority")
