"""Make src/amin/workload/lengths.json: prompt and reply lengths of public traces, in slices.

    python scripts/length_tables.py FOLDER > src/amin/workload/lengths.json

FOLDER has the files that `SOURCES` names (any name that begins so). Lengths are sorted and cut into
slices of equal size, of which the means are kept, so that the mean of all is exact. Replies are
tabled for each fifth of the prompts by length: what the two have to do with each other is kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from amin.workload.read import read_trace

SOURCES = {
    "azure-conv": "azure2023_conv",
    "azure-code": "azure2023_code",
    "sharegpt": "sharegpt_8k",
    "reasoning": "servegen_deepseek_r1",
    "mooncake": "mooncake_conversation",
}
SLICES = 64
FIFTHS = 5


def table(path: Path) -> dict[str, object]:
    """The slices of one trace."""
    trace = read_trace(path)
    prompt, output = trace.num_prompt_tokens, trace.num_output_tokens
    order = np.argsort(prompt, kind="stable")
    return {
        "source": path.name.split(".")[0],
        "num_requests": len(trace),
        "num_prompt_tokens": slices(prompt),
        "num_output_tokens": [slices(output[fifth]) for fifth in np.array_split(order, FIFTHS)],
    }


def slices(lengths: np.ndarray) -> list[int]:
    """The mean of each slice, at least 1."""
    return [max(round(part.mean()), 1) for part in np.array_split(np.sort(lengths), SLICES)]


def main() -> None:
    """Print the tables."""
    folder = Path(sys.argv[1])
    tables = {}
    for name, start in SOURCES.items():
        (path,) = folder.glob(f"{start}*")
        tables[name] = table(path)
    rows = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in tables.items()]
    print("{" + ",\n".join(rows) + "}")


if __name__ == "__main__":
    main()
