"""The predictor contract, on one page.

A predictor has two verbs:

- `predict(request)`  on arrival: an interval for the number of output tokens. Only the lower end
                      matters to A_min; where nothing is known of the upper, say max_tokens. The
                      request carries what the server sees: prompt tokens, sampling, max_tokens,
                      and the class that a trusted client names. Where the predictor tells kinds of
                      requests apart, the estimate also names the kind.
- `learn(request, num_output_tokens, is_censored)`  when the request ends. `is_censored` means that
                      it was cut (aborted, or stopped by max_tokens): the true length is larger.

Both run in the engine's loop if `is_instant`, else on a thread of their own: the request starts
with the bound 1 and gets its prediction when the answer comes, whether it still waits or runs
already. The engine never waits. A predictor that raises, hangs or answers nonsense costs its
answers and nothing else (`amin.predictor.guarded`). A thread that computes in Python holds the
interpreter's lock by turns with the engine: do heavy work in code that releases it, or in another
process.

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
    needs_class: bool = False
    """True if it says nothing of a request whose client names no class."""
    needs_text: bool = False
    """True if it reads the prompt's text: then it is asked in the API's process, where that is."""

    @abstractmethod
    def predict(self, request: Request) -> LengthEstimate:
        """The interval for this request. Does not change the predictor."""

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:  # noqa: B027
        """Take in the outcome of a request that ended; by default nothing is learned."""
