"""What reading prompts is worth: `text` and `similar` next to nothing, their lengths and the truth.

A log of prompts is split by prompt, over seeds: four fifths to learn from, a fifth to be served.
The rank correlation is that of what a predictor says of a prompt and the mean length of the replies
to it. Then these replies are served, in the simulator, by the flagship; nobody learns more of
prompts while that goes on. Where the log has several models, each model's habit is taken out.

    python -m benchmarks text_lengths --log FILE [--seeds N] [--kv-tokens M] [--load X] [--map]

With --map: the mean latency by load and memory, ÷ that of the flagship that is told nothing.

FILE is a log as for ``amin predictor train``, or arena-hard's prompts with the lengths of replies:
{"prompt": ..., "out": {model: {"tokens": ..., "wordpieces": ...}}} a line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from amin.arrays import Ints
from amin.experiment.evaluation import evaluate, latencies
from amin.experiment.example import LOAD
from amin.experiment.replies import replies_of
from amin.experiment.setting import Setting
from amin.experiment.yardsticks import Truth
from amin.predictor.interface import Predictor
from amin.predictor.ngrams import as_bytes, score
from amin.predictor.similar import SimilarPredictor
from amin.predictor.text import TextModel, TextPredictor
from amin.predictor.training import Replies, labels_of, train
from amin.request import LengthEstimate, Request
from amin.workload.files import opened
from amin.workload.generate import arrival_times
from amin.workload.log import is_log, read_log
from amin.workload.row import num_tokens
from amin.workload.trace import Trace

POLICIES = "expected-volume+1~10", "expected-volume"
SHARE_SERVED = 0.2
MEMORIES = 8192, 16384, 65536
LOADS: dict[str, tuple[str, float | None]] = {
    **{f"{load:g} x": ("poisson", load) for load in (0.5, 0.8, 0.95, 1.1, 1.5, 2.5)},
    "all at once": ("batch", None),
    "1.1 x, in bursts": ("gamma:4", 1.1),
}
NUM_BUCKETS = 10


class Frozen(Predictor):
    """A predictor that learns no more."""

    is_instant = True

    def __init__(self, inner: Predictor) -> None:
        self.name = inner.name
        self._inner = inner

    def predict(self, request: Request) -> LengthEstimate:
        """As the predictor itself."""
        return self._inner.predict(request)


class Nothing(Predictor):
    """Says nothing: lengths are learned by what a server sees without it."""

    name = "nothing"
    is_instant = True

    def predict(self, request: Request) -> LengthEstimate:
        """From 1 to max_tokens."""
        return LengthEstimate(1, max(request.max_tokens, 1))


class Bucket(Predictor):
    """The tenth of the prompts, by length, that a prompt is in."""

    name = "prompt length"
    is_instant = True

    def __init__(self, prompts: Sequence[str]) -> None:
        at = np.arange(1, NUM_BUCKETS) / NUM_BUCKETS
        self._edges = np.quantile([len(prompt) for prompt in prompts], at)

    def predict(self, request: Request) -> LengthEstimate:
        """Its number as a class."""
        number = int(np.searchsorted(self._edges, len(request.prompt or "")))
        return LengthEstimate(1, max(request.max_tokens, 1), str(number))


class Mean(Predictor):
    """Is told the mean length of all replies to each prompt: what reading could bring at most."""

    name = "the prompt's own mean"
    is_instant = True

    def __init__(self, means: dict[str, float]) -> None:
        self._means = means

    def predict(self, request: Request) -> LengthEstimate:
        """In classes of a quarter of a doubling."""
        number = round(4 * np.log2(self._means[request.prompt or ""]))
        return LengthEstimate(1, max(request.max_tokens, 1), str(number))


@dataclass(frozen=True)
class Split:
    """Replies to learn from; replies to serve; and of each prompt their mean (of logarithms)."""

    known: Replies
    served: Replies
    means: dict[str, float]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks text_lengths",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--log", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--kv-tokens", type=int, default=16384)
    parser.add_argument("--load", type=float, default=LOAD)
    parser.add_argument("--map", action="store_true", dest="is_map")
    parser.add_argument("--requests", type=int, default=6000, help="to serve, drawn with repeats")
    options = parser.parse_args(arguments)
    if options.log is None:
        print("skipped: needs --log FILE, prompts with the lengths of replies")
        return
    replies = normalised(read(options.log))
    if options.is_map:
        print_map(replies, options)
        return
    setting = Setting(options.kv_tokens, enable_prefix_caching=False)
    rows: dict[str, list[list[float]]] = {}
    for seed in range(options.seeds):
        of_seed = replace(setting, seed=seed)
        for name, row in measured(split(replies, seed), of_seed, options).items():
            rows.setdefault(name, []).append(row)
    print_table(rows)


def read(path: Path) -> Replies:
    """A log as for training, or arena-hard's."""
    with opened(path) as file:
        if is_log(file.readline()):
            return replies_of(read_log(path), path)
        file.seek(0)
        rows = [row for line in file for row in _replies(json.loads(line))]
    prompts, lengths, models = zip(*rows, strict=True)
    return Replies(prompts, np.array(lengths), np.zeros(len(rows), bool), models)


def _replies(entry: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    for model, counts in entry["out"].items():
        if length := counts["tokens"] or counts["wordpieces"]:
            yield entry["prompt"], length, model


def normalised(replies: Replies) -> Replies:
    """As if all were by one model of average habit."""
    _, of_prompt = np.unique(np.array(replies.prompts, np.object_), return_inverse=True)
    lengths = np.maximum(np.exp(labels_of(replies, of_prompt)).round(), 1).astype(np.int64)
    return replace(replies, num_output_tokens=lengths, models=[""] * len(lengths))


def split(replies: Replies, seed: int) -> Split:
    """By prompt."""
    prompts, of_prompt = np.unique(np.array(replies.prompts, np.object_), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(prompts))
    is_served = np.isin(of_prompt, order[: int(SHARE_SERVED * len(prompts))])
    means = np.bincount(of_prompt, np.log(replies.num_output_tokens)) / np.bincount(of_prompt)

    def part(rows: Ints) -> Replies:
        chosen = [replies.prompts[i] for i in rows]
        return Replies(
            chosen, replies.num_output_tokens[rows], replies.is_cut[rows], [""] * len(rows)
        )

    known, served = np.flatnonzero(~is_served), np.flatnonzero(is_served)
    return Split(part(known), part(served), dict(zip(prompts, np.exp(means), strict=True)))


def measured(of: Split, setting: Setting, options: argparse.Namespace) -> dict[str, list[float]]:
    """Rank correlation, nats gained, and (mean, p99) ÷ FCFS under each policy, by predictor."""
    model, similar = train(of.known), taught(of.known)
    trace = served(of.served, options.requests, setting.seed)
    found = {}
    for predictor in (
        Nothing(), Bucket(of.known.prompts), similar, TextPredictor(model), Mean(of.means), Truth()
    ):  # fmt: skip
        one = predictor if isinstance(predictor, Truth) else Frozen(predictor)
        answers = evaluate(one, trace)
        gained = answers.as_dict()["loglik_gain"]
        ratios = latencies(answers, trace, POLICIES, setting, options.load)
        flat = [number for pair in ratios.values() for number in pair]
        found[predictor.name] = [correlation(predictor, model, of), gained, *flat]
    return found


def taught(known: Replies) -> SimilarPredictor:
    """`similar`, after all these replies in any order."""
    similar = SimilarPredictor()
    for i in np.random.default_rng(0).permutation(len(known.prompts)).tolist():
        request = Request("", 1, 10**6, prompt=known.prompts[i])
        similar.learn(request, int(known.num_output_tokens[i]), False)
    return similar


def served(replies: Replies, number: int, seed: int) -> Trace:
    """So many of the replies, drawn with repeats."""
    rows = np.random.default_rng(seed).integers(0, len(replies.prompts), number)
    prompts = [replies.prompts[i] for i in rows]
    lengths = np.array([num_tokens(prompt) for prompt in prompts])
    trace = Trace.of_lengths(lengths, replies.num_output_tokens[rows], np.zeros(number))
    return replace(trace, prompt=np.array(prompts, np.object_))


def correlation(predictor: Predictor, model: TextModel, of: Split) -> float:
    """Of what is said of each prompt and the mean of its replies; NaN where nothing is said."""
    prompts = sorted(set(of.served.prompts))
    said = []
    for prompt in prompts:
        if isinstance(predictor, Truth):
            return float("nan")
        if isinstance(predictor, TextPredictor):
            said.append(score(as_bytes(prompt), model.weights))
            continue
        named = predictor.predict(Request("", 1, 10**6, prompt=prompt)).predicted_class
        said.append(float((named or "0").split()[-1]))
    if len(set(said)) == 1:
        return float("nan")
    return float(spearmanr(said, [of.means[prompt] for prompt in prompts]).statistic)


def print_map(replies: Replies, options: argparse.Namespace) -> None:
    """(text, similar) ÷ nothing in each place, and in how many either is worse by 1 %."""
    ratios: dict[tuple[str, int], list[list[float]]] = {}
    for seed in range(options.seeds):
        of = split(replies, seed)
        trace = served(of.served, options.requests, seed)
        told = [Nothing(), TextPredictor(train(of.known)), taught(of.known)]
        answers = [evaluate(Frozen(one), trace) for one in told]
        for memory in MEMORIES:
            setting = Setting(memory, enable_prefix_caching=False, seed=seed)
            for name, (arrivals, load) in LOADS.items():
                unit = arrival_times(len(trace), 1.0, arrivals, seed)
                at = replace(trace, arrival_time=unit)
                means = [
                    latencies(found, at, POLICIES[:1], setting, load)[POLICIES[0]][0]
                    for found in answers
                ]
                ratios.setdefault((name, memory), []).append(
                    [mean / means[0] for mean in means[1:]]
                )
    found = {place: np.mean(values, axis=0) for place, values in ratios.items()}
    print("| load | " + " | ".join(f"{memory:,} tokens" for memory in MEMORIES) + " |")
    print("|---" * (1 + len(MEMORIES)) + "|")
    for name in LOADS:
        cells = [", ".join(f"{ratio:.2f}" for ratio in found[name, memory]) for memory in MEMORIES]
        print(f"| {name} | {' | '.join(cells)} |")
    worse = np.sum([values > 1.01 for values in found.values()], axis=0)
    print(f"worse by more than 1 %: text in {worse[0]}, similar in {worse[1]} of {len(found)}")


def print_table(rows: dict[str, list[list[float]]]) -> None:
    """Means over seeds, and how much of the way from nothing to the truth each goes."""
    means = {name: np.mean(values, axis=0) for name, values in rows.items()}
    nothing, truth = means["nothing"], means["truth"]
    titles = [f"{policy}: mean, p99 ÷ FCFS, of the way" for policy in POLICIES]
    print(f"| told | rank correlation | nats gained | {' | '.join(titles)} |")
    print("|---" * (3 + len(titles)) + "|")
    for name, row in means.items():
        spread = np.std([values[0] for values in rows[name]])
        cells = [f"{row[0]:.2f} ± {spread:.2f}", f"{row[1]:.3f}"]
        for i in range(2, len(row), 2):
            way = (nothing[i] - row[i]) / (nothing[i] - truth[i])
            cells.append(f"{row[i]:.3f}, {row[i + 1]:.3f}, {way:.2f}")
        print(f"| {name} | {' | '.join(cells)} |")
