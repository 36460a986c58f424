from collections.abc import Callable

from amin.record import RunResult
from amin.report.headline import headline

MakeResult = Callable[..., RunResult]


def test_the_best_policy_and_its_price(make_result: MakeResult) -> None:
    """The gain comes with every column in which the winner loses, and the losers are named."""
    said = headline(
        [
            make_result("fcfs", (2.0, 4.0)),
            make_result("amax", (3.0, 6.0)),
            make_result("amin", (0.9, 4.5), num_preemptions=3),
        ]
    )
    assert said.finding == (
        "amin has the best mean e2e latency: 0.90x that of fcfs (2.70 s against 3.00 s)."
    )
    assert said.details == (
        "amin is worse than fcfs in p99 e2e latency (1.12x), p99 longest gap (7.00x), "
        "readers paused > 1 s (100.0% against 0.0%), output tok/s (2.22 against 2.50), "
        "preemptions (6 against 0).",
        "Slower than fcfs in the mean: amax (1.50x).",
    )
    assert said.cautions == ()


def test_a_small_loss_is_told(make_result: MakeResult) -> None:
    """A p99 of 1.03x stands next to the better mean."""
    said = headline([make_result("fcfs"), make_result("amin", (1.5, 4.1))])
    assert said.details[0].startswith("amin is worse than fcfs in p99 e2e latency (1.02x)")


def test_a_win_without_a_price(make_result: MakeResult) -> None:
    """Where nothing is worse, that is said, not left out."""
    said = headline([make_result("fcfs"), make_result("amin", (1.5, 2.5))])
    assert said.details == ("amin is worse than fcfs in no column of the table.",)


def test_a_baseline_that_nobody_beats(make_result: MakeResult) -> None:
    """The page does not look for a winner where there is none."""
    said = headline(
        [make_result("fcfs"), make_result("a", (4.0, 6.0)), make_result("b", (3.0, 6.0))]
    )
    assert said.finding == (
        "No policy is faster than fcfs in mean e2e latency: "
        "the best other, b, has 1.50x that of fcfs (4.50 s against 3.00 s)."
    )


def test_less_than_a_percent_is_no_difference(make_result: MakeResult) -> None:
    """0.3 % faster is not called faster."""
    said = headline([make_result("fcfs"), make_result("amin", (1.99, 3.99))])
    assert said.finding.startswith("No policy differs much from fcfs in mean e2e latency")


def test_finishing_less_does_not_win(make_result: MakeResult) -> None:
    """A run that drops its slow request is left out, with a word about it."""
    said = headline([make_result("fcfs"), make_result("drop", (2.0,), num_aborted=1)])
    assert "no other run to compare it with" in said.finding
    assert said.cautions == ("Finished fewer requests than fcfs, so not compared: drop.",)


def test_other_requests_do_not_win(make_result: MakeResult) -> None:
    """A run of other prompts is not compared, however fast."""
    said = headline([make_result("fcfs"), make_result("easy", (0.1, 0.1), num_prompt_tokens=1)])
    assert "no other run to compare it with" in said.finding
    assert said.cautions == ("Ran other requests than fcfs, so not compared: easy.",)


def test_engines_are_not_mixed_silently(make_result: MakeResult) -> None:
    """A measured run next to a simulated one is called out."""
    said = headline([make_result("fcfs", engine="vllm"), make_result("amin", engine="vllm-dry")])
    assert "different engines" in said.cautions[0]


def test_nothing_finished(make_result: MakeResult) -> None:
    """Without a finished request in the baseline, or any run, there is nothing to compare."""
    for runs in ([], [make_result(latencies=())], [make_result(latencies=()), make_result()]):
        assert headline(runs).finding.startswith("Nothing to compare")


def test_a_difference_within_the_noise_is_no_win(make_result: MakeResult) -> None:
    """The baseline differs from itself by 10 %: 5 % faster is not called faster, 20 % is."""
    baseline, again = make_result("fcfs"), make_result("fcfs again", (2.2, 4.4))
    said = headline([baseline, make_result("amin", (1.9, 3.8))], again)
    assert said.finding.startswith("No policy differs much from fcfs")
    assert "fcfs ran twice and differed from itself by 10% in mean e2e" in said.cautions[0]
    said = headline([baseline, make_result("amin", (1.6, 3.2))], again)
    assert said.finding.startswith("amin has the best mean e2e latency: 0.80x")


def test_a_loss_within_the_noise_is_no_price(make_result: MakeResult) -> None:
    """Column by column: a p99 of 1.05x counts where the baseline's own moved less."""
    baseline = make_result("fcfs")
    for latencies, is_told in (((2.0, 4.4), False), ((2.0, 4.1), True)):
        said = headline(
            [baseline, make_result("amin", (0.5, 4.2))], make_result("fcfs again", latencies)
        )
        assert ("p99 e2e latency" in said.details[0]) == is_told


def test_one_run_on_a_real_clock_is_called_one_run(make_result: MakeResult) -> None:
    """A simulated clock has no noise to speak of."""
    for engine, num_cautions in (("vllm", 1), ("vllm-dry", 0)):
        said = headline([make_result("fcfs", engine=engine), make_result("amin", engine=engine)])
        assert sum("ran once" in caution for caution in said.cautions) == num_cautions


def test_who_is_told_the_truth_is_a_yardstick_and_no_finding(make_result: MakeResult) -> None:
    """With promises and a watermark in its name, too; where nobody else ran, nobody wins."""
    truth = (
        make_result("hindsight+1~10", (0.5, 1.0)),
        make_result("smallest-volume@0.05", (0.5, 1.1)),
    )
    said = headline([make_result("fcfs"), make_result("amin", (1.5, 2.5)), *truth])
    assert said.finding.startswith("amin has the best mean e2e latency")
    assert said.details[-1].startswith("Yardsticks that are told every length, which no server is:")
    assert "hindsight+1~10 (0.25x)" in said.details[-1]
    alone = headline([make_result("fcfs"), *truth])
    assert alone.finding == "Only policies that are told the truth were run."
