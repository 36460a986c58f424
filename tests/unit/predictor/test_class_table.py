import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amin.errors import ConfigError
from amin.predictor.catalog import get_predictor
from amin.predictor.class_table import ClassBounds, ClassTablePredictor, write_class_table
from amin.request import LengthEstimate, Request

MakeRequest = Callable[..., Request]
TABLE = {
    "classes": {"yes-no": {"lower": 2, "upper": 24}, "essay": {"lower": 310}},
    "default": {"lower": 7},
}


@pytest.fixture
def predictor(tmp_path: Path) -> ClassTablePredictor:
    """The table above, read from a file."""
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLE))
    return ClassTablePredictor.from_file(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yes-no", (2, 24)),
        ("essay", (310, 500)),
        ("unheard of", (7, 500)),
        ("", (7, 500)),
        (None, (7, 500)),
    ],
)
def test_a_class_has_its_row_and_others_the_default(
    predictor: ClassTablePredictor,
    request_of: MakeRequest,
    name: str | None,
    expected: tuple[int, int],
) -> None:
    """A missing upper end is max_tokens; unknown, empty and no class get the default, unnamed."""
    estimate = predictor.predict(request_of(500, predicted_class=name))
    known = name if name in ("yes-no", "essay") else None
    assert estimate == LengthEstimate(*expected, known)


def test_bounds_are_clamped_to_max_tokens(
    predictor: ClassTablePredictor, request_of: MakeRequest
) -> None:
    """Both ends; also where max_tokens lies below the lower end."""
    assert predictor.predict(request_of(10, predicted_class="yes-no")) == LengthEstimate(
        2, 10, "yes-no"
    )
    assert predictor.predict(request_of(10, predicted_class="essay")) == LengthEstimate(
        10, 10, "essay"
    )


def test_without_a_default_the_bound_is_one(tmp_path: Path, request_of: MakeRequest) -> None:
    """{"lower": 1} where the file has no default."""
    path = tmp_path / "table.json"
    path.write_text('{"classes": {}}')
    estimate = ClassTablePredictor.from_file(path).predict(request_of(100))
    assert estimate == LengthEstimate(1, 100)


def test_a_null_upper_is_a_missing_one(tmp_path: Path, request_of: MakeRequest) -> None:
    """Programs that write null for "none" are understood."""
    path = tmp_path / "table.json"
    path.write_text('{"classes": {"a": {"lower": 3, "upper": null}}}')
    predictor = ClassTablePredictor.from_file(path)
    assert predictor.predict(request_of(9, predicted_class="a")) == LengthEstimate(3, 9, "a")


def test_a_class_named_by_the_empty_string_is_not_the_default(request_of: MakeRequest) -> None:
    """No class is not the class "": only the request that says "" gets that row."""
    predictor = ClassTablePredictor({"": ClassBounds(50)})
    assert predictor.predict(request_of(100, predicted_class="")).lower == 50
    assert predictor.predict(request_of(100)).lower == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", 'allowed: an object with "classes"'),
        ("3", 'allowed: an object with "classes"'),
        ("{}", 'allowed: an object with "classes"'),
        ('{"classes": []}', 'allowed: an object with "classes"'),
        ('{"classes": {}, "defualt": {"lower": 1}}', "unknown field 'defualt'"),
        ('{"classes": {"a": 5}}', "classes.a: got 5, allowed:"),
        ('{"classes": {"a": {}}}', "classes.a: got {}, allowed:"),
        ('{"classes": {"a": {"upper": 9}}}', "classes.a: got {'upper': 9}, allowed:"),
        ('{"classes": {"a": {"lower": 1, "uper": 2}}}', "classes.a: got {'lower': 1, 'uper': 2}"),
        ('{"classes": {"a": {"lower": 0}}}', "classes.a: lower: got 0, allowed: an integer >= 1"),
        ('{"classes": {"a": {"lower": -4}}}', "classes.a: lower: got -4"),
        ('{"classes": {"a": {"lower": 1.5}}}', "classes.a: lower: got 1.5"),
        ('{"classes": {"a": {"lower": "2"}}}', "classes.a: lower: got '2'"),
        ('{"classes": {"a": {"lower": true}}}', "classes.a: lower: got True"),
        ('{"classes": {"a": {"lower": NaN}}}', "classes.a: lower: got nan"),
        ('{"classes": {"a": {"lower": null}}}', "classes.a: lower: got None"),
        ('{"classes": {"a": {"lower": 1, "upper": 0}}}', "classes.a: upper: got 0"),
        ('{"classes": {"a": {"lower": 9, "upper": 8}}}', "classes.a: lower: got 9, allowed: <= "),
        ('{"classes": {}, "default": {"lower": 0}}', "default: lower: got 0"),
        ('{"classes": {}, "default": 3}', "default: got 3"),
    ],
)
def test_a_malformed_file_is_named_with_field_and_value(
    tmp_path: Path, text: str, message: str
) -> None:
    """Every way to get it wrong ends in one line: file, field, value, what is allowed."""
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        ClassTablePredictor.from_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a directory and bytes that are no text."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, why in (
        (tmp_path / "missing.json", "cannot be read (No such file or directory)"),
        (tmp_path, "cannot be read (Is a directory)"),
        (binary, "not JSON"),
    ):
        with pytest.raises(ConfigError) as caught:
            ClassTablePredictor.from_file(path)
        assert f"{path}: {why}" in str(caught.value)


def test_a_table_that_was_written_is_read_back(tmp_path: Path) -> None:
    """Bounds of both kinds, by the specification that writing answers."""
    classes = {"essay": ClassBounds(40, 60), "list": ClassBounds(7)}
    predictor = get_predictor(write_class_table(tmp_path / "t.json", classes))
    for name, expected in (("essay", (40, 60)), ("list", (7, 100)), ("other", (1, 100))):
        estimate = predictor.predict(Request("r", 5, 100, predicted_class=name))
        assert (estimate.lower, estimate.upper) == expected
