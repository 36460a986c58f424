"""What is relied on of vLLM is listed, and what is listed is checked at start."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import amin.engine.vllm
from amin.engine.vllm import seam
from amin.engine.vllm.seam import relied_on
from amin.errors import UnsupportedEngineError

pytestmark = pytest.mark.dry

SOURCES = Path(amin.engine.vllm.__file__).parent
METHODS = [(cls, name) for cls, names in relied_on.RELIED_ON_METHODS.items() for name in names]
LISTED = {
    part
    for path in (
        *(name for _, name in METHODS),
        *relied_on.RELIED_ON_ATTRIBUTES,
        *relied_on.RELIED_ON_OF_A_CACHE_GROUP,
        *relied_on.RELIED_ON_OF_A_REQUEST,
        *relied_on.OPTIONAL,
    )
    for part in re.split(r"[.|]", path)
}


def _accesses(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(last name of the object, attribute) of every attribute that is read or called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            last = getattr(owner, "attr", getattr(owner, "id", ""))
            yield last.strip("_"), node.attr


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.stem)
def test_every_name_of_vllm_that_is_used_is_listed(
    engine_of: Callable[..., Any], path: Path
) -> None:
    """Attributes of a scheduler, a request, a cache group or their parts: none goes unchecked."""
    scheduler = engine_of("vllm-fcfs").scheduler
    manager = scheduler.kv_cache_manager
    request = seam.Request("", [0], seam.SamplingParams(max_tokens=1), pooling_params=None)
    objects = {
        "scheduler": scheduler,
        "request": request,
        "r": request,
        "preempted": request,
        "manager": manager,
        "pool": manager.block_pool,
        "group": manager.coordinator.single_type_managers[0],
    }
    if path.parent.name == "seam":
        objects["config"] = scheduler.scheduler_config
    if path.stem == "scheduler":
        objects["self"] = scheduler
        objects["super"] = scheduler
    ours = {"__class__", "__name__", "__dict__", "__init__"}
    used = {
        (owner, name)
        for owner, name in _accesses(ast.parse(path.read_text("utf-8")))
        if owner in objects and hasattr(objects[owner], name) and name not in ours
    }
    assert {(owner, name) for owner, name in used if name not in LISTED} == set()


def test_the_check_above_sees_something() -> None:
    """It would be empty if the variables had other names."""
    found = set(_accesses(ast.parse((SOURCES / "seam" / "step.py").read_text("utf-8"))))
    assert ("scheduler", "max_num_active_reqs") in found
    assert ("scheduler", "num_waiting_for_streaming_input") in found


@pytest.mark.parametrize(
    ("cls", "name"), METHODS, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_method_that_has_gone_is_named_at_start(
    engine_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, cls: Any, name: str
) -> None:
    """Whether it was renamed, or became something that cannot be called."""
    scheduler = engine_of("vllm-fcfs").scheduler
    monkeypatch.setattr(cls, name, None)
    with pytest.raises(UnsupportedEngineError, match=rf"lacks .*{cls.__name__}\.{name}\b"):
        relied_on.check_scheduler(scheduler)


@pytest.mark.parametrize("path", relied_on.RELIED_ON_ATTRIBUTES)
def test_an_attribute_that_has_gone_is_named_at_start(
    engine_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Down to parts of the KV cache manager."""
    scheduler = engine_of("vllm-fcfs").scheduler
    for alternative in path.split("|"):
        owner = scheduler
        *parents, name = alternative.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        for home in (owner, *type(owner).__mro__):
            if name in vars(home):
                monkeypatch.delattr(home, name)
    with pytest.raises(UnsupportedEngineError, match=rf"lacks .*\.{re.escape(path)}(,|;)"):
        relied_on.check_scheduler(scheduler)


@pytest.mark.parametrize("path", relied_on.RELIED_ON_OF_A_REQUEST)
def test_an_attribute_of_a_request_that_has_gone_is_named_at_start(
    engine_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Looked at in a request that is made for the purpose."""
    scheduler = engine_of("vllm-fcfs").scheduler
    names = {alternative.split(".")[0] for alternative in path.split("|")}

    class Changed(seam.Request):  # type: ignore[misc]
        def __getattribute__(self, asked: str) -> Any:
            if asked in names:
                raise AttributeError(asked)
            return super().__getattribute__(asked)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            """Nothing of what vLLM does with the name that is missing."""
            self.__dict__.update(seam.Request(*args, **kwargs).__dict__)

    monkeypatch.setattr(relied_on, "Request", Changed)
    with pytest.raises(UnsupportedEngineError, match=rf"lacks .*Changed\.{re.escape(path)}"):
        relied_on.check_scheduler(scheduler)


def test_all_is_there_in_this_version(engine_of: Callable[..., Any]) -> None:
    """The check passes on what is installed, with every kind of cache group."""
    groups = (("full", 0), ("sliding", 8), ("chunked", 8))
    relied_on.check_scheduler(engine_of("vllm-fcfs", kv_cache_groups=groups).scheduler)
