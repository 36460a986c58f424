"""amin from Python: what the commands do, with results to work on.

    import amin

    run = amin.simulate("azure.csv.gz", kv_tokens=65_536, policy="vllm-fcfs")
    run.summary.mean_e2e_latency, run.to_pandas()
    amin.compare("lmsys-like", ["vllm-fcfs", "expected-volume+1~10"], kv_tokens=8176, load=1.5)
    amin.advise("log.jsonl").advised

`traffic` is a file of any kind that docs/traffic.md lists, the name of a workload, or a `Traffic`.
`server` are fields of `amin.experiment.setting.Setting` beside its policy and promises: block_size,
step_time, max_num_seqs, enable_prefix_caching ...; what is not said is as vLLM and ``amin serve``
start, or as a log of ``amin serve --log`` says. Raises `ConfigError` naming what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amin.experiment import example
from amin.experiment.advise import Advice
from amin.experiment.advise import advise as _advise
from amin.experiment.comparison import Comparison
from amin.experiment.comparison import compare as _compare
from amin.experiment.run import Run
from amin.experiment.run import simulate as _simulate
from amin.experiment.served_setting import as_told
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.policy.interface import Policy


def simulate(
    traffic: str | Path | Traffic,
    *,
    kv_tokens: int | None = None,
    load: float | None = None,
    num_requests: int | None = None,
    **setting: Any,
) -> Run:
    """One policy on this traffic, as ``amin simulate``.

    kv_tokens     tokens that the KV cache holds; None: what the traffic's log says
    load          arrival rate as a multiple of capacity; None: the traffic's own times
    num_requests  of a file the first so many (None: all), of a workload 1,000
    setting       fields of `Setting`: ``policy``, ``tail_promise``, ``seed``, the server's shape

    The run's `summary` has latencies in seconds and shares of requests; `to_pandas` a row for each.
    """
    chosen = _traffic(traffic, load, num_requests)
    made = Setting(**as_told(chosen, kv_tokens, setting))
    return _simulate(chosen.trace(made.seed, made.config), made)


def compare(
    traffic: str | Path | Traffic,
    policies: Sequence[str | Policy] = example.POLICIES,
    *,
    kv_tokens: int | None = None,
    load: float | None = None,
    num_requests: int | None = None,
    seeds: int = example.NUM_SEEDS,
    **server: Any,
) -> Comparison:
    """Policies side by side, the first being what the others are compared with.

    A policy is a name, maybe with a watermark and promises (``vllm-fcfs@0.05``,
    ``amin-dynamic+1~10``), or a `Policy`. Of a file the first seed is the file as it is, each
    further one another day made of its pieces. `Comparison.ratios` has ratios to the first policy,
    a value for each seed; `to_pandas` a row for each policy and seed.
    """
    chosen = _traffic(traffic, load, num_requests)
    setting = Setting(**as_told(chosen, kv_tokens, server))
    return _compare(policies, chosen, setting, range(1, seeds + 1))


def advise(
    traffic: str | Path | Traffic,
    *,
    kv_tokens: int | None = None,
    load: float | None = None,
    num_requests: int | None = None,
    **server: Any,
) -> Advice:
    """Which setting for this traffic, as ``amin advise``.

    `Advice.advised` is None where nothing should be changed; `warnings` say why the answer may not
    hold, and `to_pandas` has a row for each setting and each growth of the traffic.
    """
    chosen = _traffic(traffic, load, num_requests)
    return _advise(chosen, Setting(**as_told(chosen, kv_tokens, server)))


def _traffic(
    traffic: str | Path | Traffic, load: float | None, num_requests: int | None
) -> Traffic:
    if isinstance(traffic, Traffic):
        return traffic
    return Traffic(str(traffic), num_requests, load)
