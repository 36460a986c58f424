"""How far to forecast a request that has passed its bound: the sweep behind ``forecast_floor``.

The paper's A_min expects such a request to end with its next token (1). The same set-up and options
as dry_policies.

    python -m benchmarks forecast_floor [--replies FILE.csv.gz] [--rate R] [--seeds N]
"""

from collections.abc import Sequence

from benchmarks.dry_policies import STOCK, Row, run

FLOORS = (1, 2, 4, 8, 16, 32, 64)


def main(arguments: Sequence[str]) -> None:
    """Sweep with class bounds and with the bound 1."""
    cells = [(bounds, floor) for bounds in ("floors", "1 for all") for floor in FLOORS]
    run([STOCK, *(Row("amin-static", *cell) for cell in cells)], __doc__, arguments)
