"""Run the named benchmarks, or all of them: ``python -m benchmarks [NAME [OPTION ...]]``."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "dry_policies",
    "flagship",
    "precedence",
    "map_on_vllm",
    "forecast_floor",
    "schedule_cost",
    "online_cost",
    "text_lengths",
    "simulator_speed",
    "decision_cost",
    "sweep_scaling",
    "smollm2",
    "gpu",
)


def main() -> None:
    """The first argument is a benchmark, the rest are its options."""
    name, *options = sys.argv[1:] or [""]
    if name and name not in NAMES:
        sys.exit(f"benchmark: unknown {name!r}; allowed: {', '.join(NAMES)}")
    for chosen in [name] if name else NAMES:
        print(f"\n## {chosen}\n", flush=True)
        importlib.import_module(f"benchmarks.{chosen}").main(options)


if __name__ == "__main__":
    main()
