"""How arrays of numbers are annotated, wherever there are any."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats3 = npt.NDArray[np.float64]
"""Of three dimensions; the type itself says nothing of that."""
