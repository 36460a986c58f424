"""The policy contract, on one page.

A policy is three questions about one request's visible state, and one thing that it learns:

- `order`             whose turn is next among the waiting? Smallest first. Asked once each time a
                      request enters the queue; ties go to the earlier arrival.
- `forecast`          how many more output tokens should memory be reserved for? At least 1. A
                      request is admitted when the projected KV use of all running requests and
                      itself stays within the cache at every future step; the first of the queue
                      that does not fit ends the admission (no skipping ahead).
- `preemption_order`  who leaves first when memory runs out? Smallest first. Ties are broken at
                      random from the engine's seed.
- `initial_bound`     what to believe of the output length on arrival, and
  `learn`             on a preemption. The engine keeps the answer as ``view.bound``, never lets
                      it fall, and clamps it so that prompt + bound fit the cache.

Each is a pure function ``(RequestView) -> number``: no clock, no randomness, no I/O, no state.
Two flags make a policy one for simulators alone. `is_clairvoyant`: it is told the true length, as
lower and upper end of the prediction. `leaves_at_bound`: a request that has made as many tokens as
its bound leaves, learns, and waits again (time slices); vLLM has no way to make it. A third,
`needs_kept_tokens`, says that it may go on for ever where preempted requests restart, as in the
paper's model: an engine that has them restart refuses it. `preempted_first` is vLLM's own way:
whoever was preempted waits ahead of all others, the latest first. That is the order of arrival
unless somebody was passed over, by a limit on LoRA adapters for one.

Each must compile under ``numba.njit``: arithmetic, comparisons, ``min``/``max``, ``if``. The same
functions then drive the simulator and every engine. Memory arithmetic, paging and the eviction
mode (restart, recompute, swap) belong to the engine and never to a policy.

To write your own: fill in a `Policy`, run `amin.policy.conformance.check_policy` on it, and name
it to the engine as ``your.module:POLICY``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amin.errors import ConfigError
from amin.request import RequestView

Rule = Callable[[RequestView], int]


def fits_now(r: RequestView) -> int:
    """Reserves for the next token only: what fits now is admitted."""
    return 1


def keep_bound(r: RequestView) -> int:
    """Learns nothing."""
    return r.bound


def lower_bound(r: RequestView) -> int:
    """Believes the lower end of the prediction."""
    return r.lower


_LEARNED = {"mean_remaining", "mean_square_remaining"}


@dataclass(frozen=True)
class Policy:
    """Three rules and a bound; see the module's text for what each must answer."""

    name: str
    summary: str
    order: Rule
    preemption_order: Rule
    forecast: Rule = fits_now
    initial_bound: Rule = lower_bound
    learn: Rule = keep_bound
    is_clairvoyant: bool = False
    leaves_at_bound: bool = False
    needs_kept_tokens: bool = False
    preempted_first: bool = False

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip().lower():
            raise ConfigError(f"name: got {self.name!r}, allowed: lower case, not empty")
        for rule in ("order", "preemption_order", "forecast", "initial_bound", "learn"):
            if not callable(getattr(self, rule)):
                raise ConfigError(f"{rule}: got {getattr(self, rule)!r}, allowed: a function")

    @property
    def is_servable(self) -> bool:
        """Whether an engine that serves people can run it."""
        return not (self.is_clairvoyant or self.leaves_at_bound)

    @property
    def has_forecast(self) -> bool:
        """False where admission asks only whether the request fits now (the engine's own test)."""
        return self.forecast is not fits_now

    @property
    def forecasts_alike(self) -> bool:
        """Whether the forecast reads nothing of a request: then it is the same for all."""
        code = getattr(self.forecast, "__code__", None)
        return code is not None and not (code.co_names or code.co_freevars)

    @property
    def reads_lengths(self) -> bool:
        """Whether a rule may read what is learned of lengths: simulations are slower with it."""
        rules = self.order, self.forecast, self.preemption_order, self.initial_bound, self.learn
        codes = [getattr(rule, "__code__", None) for rule in rules]
        return any(code is None or _LEARNED & set(code.co_names) for code in codes)
