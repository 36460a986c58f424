"""Results as a pandas frame, where pandas is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amin.errors import ConfigError


def frame(rows: Sequence[dict[str, Any]]) -> Any:
    """A `pandas.DataFrame` of these rows; raises `ConfigError` where pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise ConfigError("frame: no pandas here; run: pip install 'amin[frame]'") from error
    return pandas.DataFrame(rows)
