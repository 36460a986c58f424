import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def _python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_examples_of_a_page_run_in_order(page: Path) -> None:
    """Every Python block of the page runs, each seeing what the earlier ones defined."""
    namespace: dict[str, object] = {}
    for block in _python_blocks(page):
        exec(compile(block, str(page), "exec"), namespace)


def test_contributing_has_a_running_recipe_for_each_extension_point() -> None:
    """CONTRIBUTING shows code for a policy, a predictor and an engine's workload."""
    blocks = _python_blocks(ROOT / "CONTRIBUTING.md")
    for call in ("check_policy(", "check_predictor(", "check_workload("):
        assert any(call in block for block in blocks), call


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link of the page names a file that exists."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_figure_was_left_to_fill_in(page: Path) -> None:
    """No page shows a placeholder where a table belongs."""
    assert not re.findall(r"^[A-Z]+_[A-Z]+$", page.read_text("utf-8"), re.MULTILINE)
