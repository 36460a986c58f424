import pytest

from amin import errors
from amin.errors import AminError, HintError, UnknownNameError

FAMILY = [
    cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, AminError)
]


@pytest.mark.parametrize("cls", FAMILY, ids=lambda cls: cls.__name__)
def test_the_tree_in_the_docstring_is_complete(cls: type[AminError]) -> None:
    """Every error class appears in the family tree that the module draws."""
    assert f"{cls.__name__} " in f"{errors.__doc__}".replace("\n", " ")


def test_unknown_name_without_a_near_match_suggests_none() -> None:
    """A suggestion is made only where something is near."""
    message = str(UnknownNameError("policy", "zzz", ["amax", "fcfs"]))
    assert message == "policy: unknown 'zzz'; allowed: amax, fcfs"


def test_hint_error_names_field_value_and_allowed() -> None:
    """The field is an attribute too, for the answer to an HTTP client."""
    error = HintError("amin_lower", -3, "an integer")
    assert error.field == "amin_lower"
    assert str(error) == "amin_lower: got -3, allowed: an integer"


def test_a_huge_value_is_cut() -> None:
    """A client cannot fill the log with one hint."""
    message = str(HintError("amin_class", "x" * 10**6, "a string"))
    assert len(message) < 200
    assert "(1000000 characters)" in message
