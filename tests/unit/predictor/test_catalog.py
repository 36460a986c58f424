import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from amin.errors import ConfigError, UnknownNameError
from amin.predictor.catalog import check_predictor_spec, get_predictor
from amin.predictor.class_table import ClassTablePredictor
from amin.predictor.constant import ConstantPredictor
from amin.request import Request

MakeRequest = Callable[..., Request]


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed module with a factory, and with things that are none."""

    def broken() -> None:
        raise RuntimeError("no model here")

    module = types.ModuleType("third_party")
    vars(module).update(make=lambda: ConstantPredictor(3), wrong=dict, number=3, broken=broken)
    monkeypatch.setitem(sys.modules, "third_party", module)


@pytest.mark.parametrize(
    ("spec", "lower"),
    [("constant", 1), ("constant:1", 1), ("constant:7", 7), ("constant:999999999", 10**9 - 1)],
)
def test_constant(spec: str, lower: int, request_of: MakeRequest) -> None:
    """constant:N is the bound N for all; N is 1 where it is left out."""
    assert get_predictor(spec).predict(request_of(10**9)).lower == lower


def test_class_reads_the_file(tmp_path: Path) -> None:
    """class:PATH reads a table, or says what is wrong with the file."""
    path = tmp_path / "table.json"
    path.write_text('{"classes": {}}')
    assert isinstance(get_predictor(f"class:{path}"), ClassTablePredictor)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        get_predictor(f"class:{path}")


@pytest.mark.usefixtures("third_party")
def test_third_party_factory_is_called() -> None:
    """module:factory is imported and called with no argument."""
    assert get_predictor("third_party:make").name == "constant:3"


@pytest.mark.parametrize("spec", ["oracle", "", None, 3, ["constant"], "no_such_module_xyz"])
def test_unknown_kind_says_what_is_allowed(spec: object) -> None:
    """A value of any type is a wrong setting and no crash."""
    with pytest.raises(UnknownNameError, match="predictor: unknown") as caught:
        get_predictor(spec)  # type: ignore[arg-type]
    assert "class:PATH, constant:N, module:factory" in str(caught.value)


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("constant:0", "constant:0, allowed: constant:N, 1 <= N"),
        ("constant:-1", "constant:-1, allowed"),
        ("constant:1.5", "constant:1.5, allowed"),
        ("constant:\u0661", "allowed: constant:N"),
        ("constant:" + "9" * 5000, "allowed: constant:N"),
        ("constant:1000000000", "allowed: constant:N"),
        ("class", "class needs a table, allowed: class:PATH"),
        ("class:", "class needs a table, allowed: class:PATH"),
        ("class:.", "cannot be read"),
        ("text", "text needs a model, allowed: text:PATH"),
        ("text:/nowhere.npz", "nowhere.npz: cannot be read"),
        ("similar:5", "similar:5, allowed: similar"),
        ("no_such_module_xyz:make", "cannot make.*no_such_module_xyz"),
        ("third_party:missing", "cannot make 'third_party:missing'"),
        ("third_party:number", "cannot make 'third_party:number'"),
        ("third_party:broken", r"cannot make 'third_party:broken' \(.*no model here"),
        ("third_party:wrong", "made a dict, allowed: a Predictor"),
    ],
)
def test_a_wrong_specification_says_what_is_wrong(spec: str, why: str) -> None:
    """Every way to get it wrong is a `ConfigError` with the specification in it."""
    with pytest.raises(ConfigError, match=why):
        get_predictor(spec)


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    "spec",
    ["oracle", "", None, "constant:0", "class", "class:/nowhere.json", "no_such_module_xyz:make",
     "no_such_module_xyz.deeper:make", "json.:make"],
)  # fmt: skip
def test_what_cannot_be_made_is_refused_without_making_it(spec: str) -> None:
    """As far as that can be told without calling a factory."""
    with pytest.raises(ConfigError):
        check_predictor_spec(spec)
