from amin.demo.contenders import contenders
from amin.demo.first_look import first_look
from amin.experiment import example


def test_the_first_look_runs_every_contender_on_the_example() -> None:
    """In the simulator, headroom and all; each run is reported as it ends."""
    chosen = contenders(["vllm-priority-watermark", "amin-dynamic"])
    told = []

    def track(what: str, total: int):  # type: ignore[no-untyped-def]
        assert total == 3 * example.NUM_SEEDS
        return lambda: told.append(what)

    comparison = first_look(chosen, track)
    assert comparison.labels == ("vllm-fcfs", "vllm-priority@0.05", "amin-dynamic")
    assert len(told) == 3 * example.NUM_SEEDS
    assert max(comparison.ratios("amin-dynamic", "mean_e2e_latency")) < 0.8
