import gzip
import json
import math
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.confusion import Confusion
from amin.workload.interface import check_workload
from amin.workload.lmsys_like import (
    MAX_TOKENS,
    NOMINAL_FLOORS,
    Replies,
    embedded_replies,
    lmsys_like,
    read_replies,
)

# Beside the repository's root; licences keep it out of the repository.
REAL = Path(__file__, "../../../../../shared/data").resolve() / (
    "ssjf_lmsys1m_vicuna13b_bert_5class.csv.gz"
)
TABLE = json.loads(resources.files("amin.workload").joinpath("lmsys_like.json").read_text())


@pytest.fixture(scope="module")
def replies() -> Replies:
    """Twenty thousand replies of the shipped table."""
    return embedded_replies(20_000, seed=0)


@pytest.fixture(scope="module")
def real() -> Replies:
    """The published file that the table was measured on."""
    if not REAL.exists():
        pytest.skip("the shared data folder is not beside the repository")
    return read_replies(REAL)


def test_is_a_workload(replies: Replies) -> None:
    """Arrivals ascend from after 0, ids are unique, lengths are within their limits."""
    jobs = lmsys_like(replies, num_requests=500, requests_per_second=7.0, seed=1)
    check_workload(jobs)
    assert len(jobs) == 500
    assert jobs[0].request.arrival_time > 0
    for job in jobs:
        assert 1 <= job.request.num_prompt_tokens <= 660
        assert 2 <= job.num_output_tokens <= job.request.max_tokens == MAX_TOKENS
        assert job.request.predicted_class in {"0", "1", "2", "3", "4"}


def test_arrivals_have_the_asked_rate(replies: Replies) -> None:
    """The mean gap of 20,000 Poisson arrivals is within 3 % (4 sigma) of 1 / rate."""
    jobs = lmsys_like(replies, num_requests=20_000, requests_per_second=4.0, seed=1)
    gaps = np.diff([job.request.arrival_time for job in jobs])
    assert gaps.mean() == pytest.approx(0.25, rel=0.03)
    assert gaps.std() == pytest.approx(0.25, rel=0.06)


def test_an_infinite_rate_is_all_at_once(replies: Replies) -> None:
    """requests_per_second = inf puts every arrival at 0."""
    jobs = lmsys_like(replies, num_requests=50, requests_per_second=math.inf, seed=1)
    assert {job.request.arrival_time for job in jobs} == {0.0}


def test_equal_seeds_give_equal_workloads(replies: Replies) -> None:
    """The same arguments give the same jobs, another seed others."""
    runs = [
        lmsys_like(replies, num_requests=100, requests_per_second=1.0, seed=seed)
        for seed in (5, 5, 6)
    ]
    assert list(runs[0]) == list(runs[1]) != list(runs[2])


def test_class_priorities_change_nothing_else(replies: Replies) -> None:
    """The priority is the predicted class, and the requests are the same ones."""
    asked = {"num_requests": 100, "requests_per_second": 1.0, "seed": 5}
    plain = lmsys_like(replies, **asked)  # type: ignore[arg-type]
    ranked = lmsys_like(replies, **asked, class_priorities=True)  # type: ignore[arg-type]
    assert {job.request.priority for job in plain} == {0}
    for a, b in zip(plain, ranked, strict=True):
        assert b.request.priority == int(b.request.predicted_class or -1)
        assert (a.num_output_tokens, a.request.arrival_time, a.request.num_prompt_tokens) == (
            b.num_output_tokens,
            b.request.arrival_time,
            b.request.num_prompt_tokens,
        )


def test_replies_are_cut_at_max_tokens(replies: Replies) -> None:
    """A client's cap below a reply's length ends the reply there."""
    jobs = lmsys_like(replies, num_requests=200, requests_per_second=1.0, seed=5, max_tokens=40)
    lengths = [job.num_output_tokens for job in jobs]
    assert max(lengths) == 40
    assert min(lengths) < 40


def test_prompts_have_the_median_of_the_model(replies: Replies) -> None:
    """Lognormal with median 28: half of the prompts lie below."""
    jobs = lmsys_like(replies, num_requests=20_000, requests_per_second=1.0, seed=1)
    prompts = [job.request.num_prompt_tokens for job in jobs]
    assert np.median(prompts) == pytest.approx(28, abs=1)


def test_halves_split_the_rows() -> None:
    """Even rows and odd rows; together they are all."""
    even, odd = Replies(np.arange(5), np.arange(5) * 10).halves()
    assert even.lengths.tolist() == [0, 2, 4]
    assert odd.classes.tolist() == [10, 30]


def test_class_quantiles() -> None:
    """The quantile of each class on its own, rounded down, at least 1."""
    lengths = np.array([0, 0, 10, 20, 30, 41, 50, 7, 9])
    classes = np.array([0, 0, 1, 1, 2, 2, 3, 4, 4])
    assert Replies(lengths, classes).class_quantiles(0.5) == (1, 15, 35, 50, 8)


def test_the_table_is_a_distribution() -> None:
    """Shares sum to 1, quantiles ascend within 1..511, one row for each class."""
    assert sum(TABLE["class_share"]) == pytest.approx(1, abs=1e-5)
    assert len(TABLE["class_share"]) == len(TABLE["length_quantiles"]) == len(NOMINAL_FLOORS)
    for quantiles in TABLE["length_quantiles"]:
        assert quantiles == sorted(quantiles)
        assert 1 <= quantiles[0] <= quantiles[-1] == MAX_TOKENS


def test_embedded_replies_follow_the_table(replies: Replies) -> None:
    """Shares and medians of many draws are those of the table."""
    for c, (share, quantiles) in enumerate(
        zip(TABLE["class_share"], TABLE["length_quantiles"], strict=True)
    ):
        drawn = replies.lengths[replies.classes == c]
        assert len(drawn) / len(replies) == pytest.approx(share, abs=0.015)
        assert np.median(drawn) == pytest.approx(quantiles[32], rel=0.1)


@pytest.mark.shared_data
def test_the_table_is_that_of_the_real_file(real: Replies) -> None:
    """The shipped shares and quantiles are those of the 85,482 published rows."""
    assert len(real) == 85_482
    for c, (share, quantiles) in enumerate(
        zip(TABLE["class_share"], TABLE["length_quantiles"], strict=True)
    ):
        lengths = real.lengths[real.classes == c]
        assert len(lengths) / len(real) == pytest.approx(share, abs=1e-6)
        measured = np.quantile(lengths, np.linspace(0, 1, len(quantiles)))
        assert np.abs(measured - quantiles).max() <= 1


@pytest.mark.shared_data
def test_class_floors_are_the_published_ones(real: Replies) -> None:
    """The 5 % quantiles by class that amin's documents quote: 2, 20, 58, 91, 53."""
    assert real.class_quantiles(0.05) == (2, 20, 58, 91, 53)


@pytest.mark.shared_data
def test_the_confusion_matrix_is_that_of_the_real_file(real: Replies) -> None:
    """Of each true class, the share that was predicted to be in each class, within 3 %."""
    counts = np.array(Confusion.named("ssjf").counts)
    true = np.searchsorted(NOMINAL_FLOORS, real.lengths, "right") - 1
    for c in range(len(NOMINAL_FLOORS)):
        measured = np.bincount(real.classes[true == c], minlength=5) / (true == c).sum()
        assert np.abs(counts[c] / counts[c].sum() - measured).max() < 0.03


@pytest.mark.parametrize("name", ["replies.csv", "replies.csv.gz"])
def test_reads_plain_and_compressed(tmp_path: Path, name: str) -> None:
    """Columns are found by name; others are ignored."""
    text = "latency,predicted_length,output_token_length\n0.5,3,77\n0.1,0,2\n"
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    replies = read_replies(tmp_path / name)
    assert (replies.lengths.tolist(), replies.classes.tolist()) == ([77, 2], [3, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output_token_length,predicted_length\n", "no rows"),
        ("", "no rows"),
        ("output_token_length\n5\n", "row 2: predicted_length: got ''"),
        (
            "output_token_length,predicted_length\n5,1\n-5,1\n",
            "row 3: output_token_length: got '-5'",
        ),
        (
            "output_token_length,predicted_length\n5,1.0\n",
            "row 2: predicted_length: got '1.0'",
        ),
        ("output_token_length,predicted_length\n5,5\n", "row 2: predicted_length: got '5'"),
        ("output_token_length,predicted_length\n0,1\n", "row 2: output_token_length: got '0'"),
        ("output_token_length,predicted_length\n\u00b2,1\n", "row 2: output_token_length: got"),
    ],
)
def test_a_malformed_file_is_named_with_row_and_value(
    tmp_path: Path, text: str, message: str
) -> None:
    """File, row, column and value; a class beyond the five and a reply of no token too."""
    path = tmp_path / "replies.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_replies(path)
    assert str(caught.value).startswith(f"{path}: {message}")
