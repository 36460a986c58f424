"""Break engine/, policy/ and predictor/ on purpose, a line at a time: do the tests notice?

    python scripts/mutation.py [--sample N] [--seed S] [--only PART]

Works on a copy of the tree, so the checkout is never touched. Without --sample all of a thousand
mutants are tried, which takes a day; a sample of 50 takes half an hour or so. Prints the survivors,
each with its line, and the share that was killed. Imports and errors that are raised stay whole.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).parents[1]
PARTS = ("src/amin/engine", "src/amin/policy", "src/amin/predictor")
TESTS = "tests/unit/policy tests/unit/predictor tests/unit/engine tests/dry"
CONFIG = """
[cosmic-ray]
module-path = {paths}
timeout = 400
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider {tests} --deselect {recipe}"
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
    """Make the copy, choose the mutants, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, help="try so many, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only files whose path contains this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, "amin")
        ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "results")
        shutil.copytree(ROOT, copy, ignore=ignored)
        session, config = copy / "session.sqlite", copy / "mutation.toml"
        config.write_text(
            CONFIG.format(
                paths=list(PARTS),
                python=sys.executable,
                tests=TESTS,
                recipe="tests/dry/test_recipe.py",
            )
        )
        environment = os.environ | {"PYTHONPATH": str(copy / "src"), "AMIN_CACHE": directory}
        cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli"]
        subprocess.run([*cosmic_ray, "init", config, session], cwd=copy, check=True)
        with use_db(session) as db:
            _skip(db, copy, options)
        subprocess.run(
            [*cosmic_ray, "exec", config, session], cwd=copy, env=environment, check=True
        )
        with use_db(session) as db:
            _report(db, copy)


def _skip(db: WorkDB, copy: Path, options: argparse.Namespace) -> None:
    """Skip what is no mutant, and what is not in the sample."""
    items = list(db.work_items)
    wanted = [item for item in items if _is_mutant(item.mutations[0], copy, options.only)]
    if options.sample:
        wanted = random.Random(options.seed).sample(wanted, min(options.sample, len(wanted)))
    ids = {item.job_id for item in wanted}
    for item in items:
        if item.job_id not in ids:
            db.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED))
    print(f"{len(wanted)} mutants", flush=True)


def _is_mutant(mutation: MutationSpec, copy: Path, only: str) -> bool:
    path, name = Path(mutation.module_path), mutation.operator_name
    line = _line(copy, mutation)
    is_prose = line.startswith(('"""', "#", "from ", "import ")) or "raise " in line
    return only in str(path) and name in OPERATORS and not is_prose


def _line(copy: Path, mutation: MutationSpec) -> str:
    path, (row, _) = mutation.module_path, mutation.start_pos
    return (copy / path).read_text("utf-8").splitlines()[row - 1].strip()


def _report(db: WorkDB, copy: Path) -> None:
    outcomes = {
        job_id: result.test_outcome
        for job_id, result in db.results
        if result.worker_outcome != WorkerOutcome.SKIPPED
    }
    survivors = [
        item for item in db.work_items if outcomes.get(item.job_id) == TestOutcome.SURVIVED
    ]
    for item in survivors:
        (mutation,) = item.mutations
        where = f"{mutation.module_path}:{mutation.start_pos[0]}"
        print(f"survived  {where}  {mutation.operator_name}\n          {_line(copy, mutation)}")
    killed = len(outcomes) - len(survivors)
    print(f"{killed} of {len(outcomes)} killed ({killed / max(len(outcomes), 1):.0%})")


if __name__ == "__main__":
    main()
