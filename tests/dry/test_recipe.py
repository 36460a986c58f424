"""CONTRIBUTING's recipe for a policy, followed to the letter: one file and one catalog line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import amin

pytestmark = pytest.mark.dry

ROOT = Path(__file__).parents[2]
SUITES = (
    "tests/unit/policy",
    "tests/unit/test_cli.py",
    "tests/dry/test_golden.py",
    "tests/dry/test_conformance.py",
    "tests/dry/test_aborts.py",
    "tests/dry/test_invariants.py",
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of amin with the policy of the page in its catalog."""
    source = Path(amin.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    package = Path(shutil.copytree(source, tmp_path / "src" / "amin", ignore=ignored))
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    recipe = next(
        b for b in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M) if "Policy(" in b
    )
    recipe = recipe.replace("from amin.policy.conformance import check_policy\n", "")
    recipe = recipe.replace("\ncheck_policy(SHORTEST_PROMPT)\n", "")
    (package / "policy" / "shortest_prompt.py").write_text(recipe)
    catalog = package / "policy" / "catalog.py"
    last = '    "amin.policy.fcfs:RETRACT",\n'
    line = '    "amin.policy.shortest_prompt:SHORTEST_PROMPT",\n'
    text = catalog.read_text()
    assert last in text
    catalog.write_text(text.replace(last, last + line))
    return package


def test_a_policy_takes_one_file_and_one_line(package: Path) -> None:
    """The suites that go through the catalog pick it up and pass; none asks for more."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES),
            *("-k", "shortest-prompt or golden or catalog or cli", "--hypothesis-seed=0"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(package.parent), "AMIN_CACHE": str(package.parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    listed = subprocess.run(
        [sys.executable, "-c", "import amin.cli as c; c.main()", "policies", "shortest-prompt"],
        env=os.environ | {"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
    )
    assert "Longest prompt leaves first" in listed.stdout, listed.stderr
