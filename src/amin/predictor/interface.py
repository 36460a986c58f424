"""The predictor contract, on one page.

A predictor has two verbs:

- `predict(request)`  on arrival: an interval for the number of output tokens. Only the lower end
                      matters to A_min; where nothing is known of the upper, say max_tokens.
- `learn(request, num_output_tokens, is_censored)`  when the request ends. `is_censored` means that
                      it was cut (aborted, or stopped by max_tokens): the true length is larger.

Both run in the engine's loop unless `is_instant` is False, in which case they run on a thread of
their own. The engine waits for answers, for all arrivals of a step together at most
`predictor_timeout` seconds. A predictor that raises, hangs or answers nonsense costs no more than
that and its answer: the request gets the bound 1 (`amin.predictor.guarded`).

To write your own: subclass `Predictor`, run `amin.predictor.conformance.check_predictor` on it,
and name it to the engine as ``your.module:factory`` (called with no argument).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from amin.request import LengthEstimate, Request


class Predictor(ABC):
    """Guesses output lengths; see the module's text for the contract."""

    name: str
    is_instant: bool = False
    """True only for a few arithmetic operations or a look-up: called without a thread."""

    @abstractmethod
    def predict(self, request: Request) -> LengthEstimate:
        """The interval for this request. Does not change the predictor."""

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:  # noqa: B027
        """Take in the outcome of a request that ended; by default nothing is learned."""
