"""How arrays of numbers are annotated, wherever there are any, and how Python fills a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats3 = npt.NDArray[np.float64]
"""Of three dimensions; the type itself says nothing of that."""


def row_writer(num_columns: int) -> Callable[[Ints, int, Sequence[int]], None]:
    """Writes a whole row of a table of integers: (table, row's number, integers).

    numpy takes four times as long to make an array of a list first.
    """
    pack_into, num_bytes = Struct(f"{num_columns}q").pack_into, 8 * num_columns

    def write(table: Ints, row: int, integers: Sequence[int]) -> None:
        pack_into(table.data, row * num_bytes, *integers)

    return write
