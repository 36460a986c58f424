"""Make src/amin/workload/lengths.json: prompt and reply lengths of public traces, in slices.

    python scripts/length_tables.py FOLDER > src/amin/workload/lengths.json

FOLDER has the files that `SOURCES` names (any name that begins so). Lengths are sorted and cut into
slices of equal size, of which the means are kept, so that the mean of all is exact. Replies are
tabled for each fifth of the prompts by length: what the two have to do with each other is kept.
Where the trace says whose request each is, the same is tabled for the largest clients, one by one,
and for all others together.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from amin.workload.read import read_trace
from amin.workload.trace import Trace

SOURCES = {
    "azure-conv": "azure2023_conv",
    "azure-code": "azure2023_code",
    "sharegpt": "sharegpt_8k",
    "reasoning": "servegen_deepseek_r1",
    "mooncake": "mooncake_conversation",
}
SLICES = 64
FIFTHS = 5
CLIENTS = 24
SLICES_OF_A_CLIENT = 32


def table(path: Path) -> dict[str, object]:
    """The slices of one trace."""
    trace = read_trace(path)
    prompt, output = trace.num_prompt_tokens, trace.num_output_tokens
    order = np.argsort(prompt, kind="stable")
    entry: dict[str, object] = {
        "source": path.name.split(".")[0],
        "num_requests": len(trace),
        "num_prompt_tokens": slices(prompt),
        "num_output_tokens": [slices(output[fifth]) for fifth in np.array_split(order, FIFTHS)],
    }
    return entry | ({"clients": clients(trace)} if len(trace.client) else {})


def clients(trace: Trace) -> list[dict[str, object]]:
    """Of each client its share of the requests, and slices of its prompts and of its replies."""
    _, codes, counts = np.unique(trace.client.astype(str), return_inverse=True, return_counts=True)
    largest = np.argsort(-counts)[:CLIENTS]
    groups = [codes == client for client in largest] + [~np.isin(codes, largest)]
    return [
        {
            "share": round(float(mine.mean()), 5),
            "num_prompt_tokens": slices(trace.num_prompt_tokens[mine], SLICES_OF_A_CLIENT),
            "num_output_tokens": slices(trace.num_output_tokens[mine], SLICES_OF_A_CLIENT),
        }
        for mine in groups
        if mine.any()
    ]


def slices(lengths: np.ndarray, number: int = SLICES) -> list[int]:
    """The mean of each slice, at least 1."""
    parts = np.array_split(np.sort(lengths), number)
    return [max(round(part.mean()), 1) for part in parts if len(part)]


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
