import sys
import types

import pytest

from amin.errors import ConfigError, UnknownNameError
from amin.policy.amin import AMIN_STATIC
from amin.policy.catalog import POLICIES, get_policy


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed module with a policy and with something that is none."""
    module = types.ModuleType("third_party")
    module.MINE = AMIN_STATIC  # type: ignore[attr-defined]
    module.NUMBER = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "third_party", module)


def test_names_what_ships() -> None:
    """These names are public and stay, more may come; each leads to the policy of that name."""
    names = [
        "amin-static",
        "amin-dynamic",
        "amax",
        "fcfs",
        "priority",
        "least-computed-first",
        "retract",
    ]
    assert set(names) <= set(POLICIES)
    assert [get_policy(name).name for name in POLICIES] == list(POLICIES)


def test_every_policy_says_what_it_is() -> None:
    """`amin policies` prints a summary of each, all different."""
    summaries = [policy.summary for policy in POLICIES.values()]
    assert all(len(summary) > 10 for summary in summaries)
    assert len(set(summaries)) == len(summaries)


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    """The message has the wrong name, what is allowed and the nearest match."""
    with pytest.raises(UnknownNameError) as caught:
        get_policy("amin-statik")
    message = str(caught.value)
    assert "policy: unknown 'amin-statik' (did you mean 'amin-static'?)" in message
    assert all(name in message for name in POLICIES)


@pytest.mark.parametrize("name", [None, 3, "", ["fcfs"], {"fcfs": 1}])
def test_what_is_not_a_name_is_unknown(name: object) -> None:
    """A value of any type, as a JSON file may hold it, is a wrong setting and no crash."""
    with pytest.raises(UnknownNameError, match="policy: unknown"):
        get_policy(name)  # type: ignore[arg-type]


@pytest.mark.usefixtures("third_party")
def test_third_party_policy_by_import_path() -> None:
    """module:ATTRIBUTE is imported."""
    assert get_policy("third_party:MINE") is AMIN_STATIC


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("third_party:MISSING", "cannot import 'third_party:MISSING'.*MISSING"),
        ("no_such_module_xyz:P", "cannot import.*no_such_module_xyz"),
        (":P", "cannot import ':P'"),
        ("third_party:", "cannot import 'third_party:'"),
        ("third_party:NUMBER", "is a int, allowed: a Policy"),
    ],
)
def test_wrong_import_paths_say_what_is_wrong(name: str, why: str) -> None:
    """A missing module, a missing attribute and a value of another type are told apart."""
    with pytest.raises(ConfigError, match=why):
        get_policy(name)
