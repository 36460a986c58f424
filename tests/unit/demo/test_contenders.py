import numpy as np
import pytest

from amin.demo.budget import Speed
from amin.demo.contenders import BASELINE, CONTENDERS, contenders
from amin.demo.measured import Measured, learned_from
from amin.engine.vllm.config import AminConfig
from amin.errors import ConfigError, UnknownNameError
from amin.policy.catalog import POLICIES
from amin.request import Request


def test_the_baseline_is_always_there_and_first() -> None:
    """Whatever is chosen is compared with stock FCFS."""
    assert contenders()[0] == BASELINE
    assert list(contenders()) == list(CONTENDERS)
    chosen = contenders(["amin-static", "vllm-priority-watermark"])
    assert [c.name for c in chosen] == ["vllm-fcfs", "amin-static", "vllm-priority-watermark"]
    assert contenders(["vllm-fcfs"]) == [BASELINE]


def test_stock_vllm_is_shown_with_its_best_setting_too() -> None:
    """FCFS and priority, both with headroom."""
    stock = {(c.scheduler, c.watermark) for c in CONTENDERS if c.scheduler.startswith("vllm-")}
    assert stock == {("vllm-fcfs", 0.0), ("vllm-fcfs", 0.05), ("vllm-priority", 0.05)}


def test_the_default_of_a_server_is_shown() -> None:
    """With the promise that it makes; any other policy may have one, too."""
    default = AminConfig()
    assert f"{default.policy}+{default.tail_promise:g}~{default.stream_promise:g}" in [
        c.scheduler for c in CONTENDERS
    ]
    assert contenders(["amin-dynamic+0.5"])[1].scheduler == "amin-dynamic+0.5"
    with pytest.raises(ConfigError, match=r"tail_promise: got -1"):
        contenders(["amin-dynamic+-1"])


def test_any_policy_may_take_part() -> None:
    """Of the catalog, or somebody's own."""
    (_, retract, own) = contenders(["retract", "amin.policy.amin:AMIN_STATIC"])
    assert (retract.scheduler, retract.summary) == ("retract", POLICIES["retract"].summary)
    assert own.scheduler == "amin.policy.amin:AMIN_STATIC"


def test_an_unknown_name_lists_all_that_are_known() -> None:
    """Stock vLLM among them."""
    with pytest.raises(UnknownNameError, match="schedulers: unknown 'foo'") as caught:
        contenders(["foo"])
    for name in ("vllm-fcfs", "vllm-priority-watermark", "amin-static", "retract"):
        assert name in str(caught.value)


def test_all_are_told_the_same() -> None:
    """vLLM's priorities put the kinds in the order of the bounds that A_min is given."""
    replies = {"story": [(9, 200), (9, 400)], "yes-no": [(9, 2)], "list": [(9, 40), (9, 300)]}
    measured = Measured(replies, Speed(1, 1, 1))
    assert measured.priorities == {"yes-no": 0, "list": 1, "story": 2}


def test_the_default_has_learned_from_the_same_replies() -> None:
    """Told the kind, it foretells about what a dozen replies had, from the first request on."""
    rng = np.random.default_rng(0)
    replies = {
        kind: [(30, int(length)) for length in rng.integers(low, high, 12)]
        for kind, low, high in (("yes-no", 2, 9), ("story", 150, 192), ("list", 40, 90))
    }
    lengths = learned_from(Measured(replies, Speed(1, 1, 1)), max_tokens=192)
    assert lengths.feature == "class"
    for kind, of_kind in replies.items():
        request = Request("", 30, 192, predicted_class=kind)
        median = float(np.median([length for _, length in of_kind]))
        assert median / 2 < lengths.lower_bound(request, 0.5) < 2 * median
