"""Break policy/, predictor/ and engine/ on purpose, a line at a time: do their tests notice?

    python scripts/mutation.py [PART ...] [--sample N] [--seed S]

PART is policy, predictor or engine; each is held to its own tests. Works on a copy of the tree, so
the checkout is never touched. Without --sample every mutant is tried, which takes a day; 20 of each
part take half an hour. Prints each survivor with its line, and the share that was killed.

Left whole: imports, the text of errors, and what is itself a test or a test bench (conformance.py,
seam/build.py).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).parents[1]
TESTS = {
    "policy": "tests/unit/policy tests/dry/test_victims.py tests/dry/test_golden.py",
    "predictor": "tests/unit/predictor tests/dry/test_late_predictions.py "
    "tests/dry/test_wrong_predictions.py",
    "engine": "tests/unit/engine tests/unit/predictor tests/dry --ignore tests/dry/test_recipe.py",
}
"""The quick ones of each part come first: most mutants are killed by these."""

CONFIG = """
[cosmic-ray]
module-path = "src/amin/{part}"
timeout = 400
excluded-modules = []
test-command = "{python} -m pytest -x -q --timeout 40 -p no:cacheprovider {tests}"
distributor.name = "local"
"""
OPERATORS = {
    f"core/{name}"
    for name in (
        *("ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add"),
        *("ReplaceBinaryOperator_Mul_FloorDiv", "ReplaceBinaryOperator_FloorDiv_Mul"),
        *("ReplaceComparisonOperator_Lt_LtE", "ReplaceComparisonOperator_LtE_Lt"),
        *("ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_GtE_Gt"),
        *("ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_NotEq_Eq"),
        *("ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is"),
        *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub"),
        *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "AddNot", "NumberReplacer"),
        *("ReplaceAndWithOr", "ReplaceOrWithAnd", "ZeroIterationForLoop"),
        *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    )
}
"""One mutant for each way to be slightly wrong: nearly any other operator fails at once."""


def main() -> None:
    """Mutate each part in turn and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, help="so many of each part, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for part in options.parts:
        if part not in TESTS:
            parser.error(f"PART: got {part!r}, allowed: {', '.join(TESTS)}")
    for part in options.parts or TESTS:
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory, "amin")
            ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "results")
            shutil.copytree(ROOT, copy, ignore=ignored)
            _mutate(part, copy, options)


def _mutate(part: str, copy: Path, options: argparse.Namespace) -> None:
    session, config = copy / "session.sqlite", copy / "mutation.toml"
    config.write_text(CONFIG.format(part=part, python=sys.executable, tests=TESTS[part]))
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "AMIN_CACHE": str(copy / "cache")}
    cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli"]
    subprocess.run([*cosmic_ray, "init", config, session], cwd=copy, check=True)
    with use_db(session) as db:
        wanted = [item for item in db.work_items if _is_mutant(item.mutations[0], copy)]
        if options.sample and options.sample < len(wanted):
            wanted = random.Random(options.seed).sample(wanted, options.sample)
        chosen = {item.job_id for item in wanted}
        for item in list(db.work_items):
            if item.job_id not in chosen:
                db.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED))
    print(f"{part}: {len(chosen)} mutants", flush=True)
    subprocess.run([*cosmic_ray, "exec", config, session], cwd=copy, env=environment, check=True)
    with use_db(session) as db:
        survivors = list(_survivors(db, copy))
    print("\n".join(survivors))
    num_killed = len(chosen) - len(survivors)
    print(f"{part}: {num_killed} of {len(chosen)} killed ({num_killed / len(chosen):.0%})")


def _survivors(db: WorkDB, copy: Path) -> Iterator[str]:
    outcomes = {job_id: result.test_outcome for job_id, result in db.results}
    for item in db.work_items:
        if outcomes.get(item.job_id) == TestOutcome.SURVIVED:
            (mutation,) = item.mutations
            where = f"{mutation.module_path}:{mutation.start_pos[0]}"
            yield f"survived  {where}  {mutation.operator_name}\n          {_line(mutation, copy)}"


def _is_mutant(mutation: MutationSpec, copy: Path) -> bool:
    line, path = _line(mutation, copy), mutation.module_path
    is_whole = line.startswith(('"""', "#", "from ", "import ")) or "raise " in line
    is_test = path.name == "conformance.py" or path.match("seam/build.py")
    return mutation.operator_name in OPERATORS and not is_whole and not is_test


def _line(mutation: MutationSpec, copy: Path) -> str:
    lines = (copy / mutation.module_path).read_text("utf-8").splitlines()
    return lines[mutation.start_pos[0] - 1].strip()


if __name__ == "__main__":
    main()
