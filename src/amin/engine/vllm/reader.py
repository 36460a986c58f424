"""Asks a predictor that reads texts, in the API's process; the engine never waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from amin.engine.vllm.hints import MAX_TOKENS
from amin.predictor.guarded import checked
from amin.predictor.interface import Predictor
from amin.predictor.seldom import Seldom
from amin.prompt_text import prompt_text
from amin.request import LengthEstimate, Request

PATIENCE = 1.0
"""Seconds that a request waits for the answer of a predictor that is not instant."""

_LOGGER = logging.getLogger(__name__)


class TextReader:
    """What goes wrong costs the prediction, and at most one warning a minute."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._seldom = Seldom()

    async def read(self, body: Mapping[str, Any]) -> LengthEstimate | None:
        """The estimate for the request with this body; None for one without a text."""
        prompt = prompt_text(body)
        if prompt is None:
            return None
        # The tokens are not counted yet, and the engine knows max_tokens better.
        request = Request("", num_prompt_tokens=1, max_tokens=MAX_TOKENS, prompt=prompt)
        try:
            if self._predictor.is_instant:
                return checked(self._predictor.predict(request))
            answer = asyncio.to_thread(self._predictor.predict, request)
            return checked(await asyncio.wait_for(answer, PATIENCE))
        except Exception as error:  # whatever a predictor may raise
            self._warn(error)
            return None

    def _warn(self, error: Exception) -> None:
        if self._seldom.is_due():
            _LOGGER.warning(
                "predictor %s: %s: %s; such requests have no prediction",
                self._predictor.name,
                type(error).__name__,
                error,
            )
