"""How grave an entry is: told by one table, from its kind and its body."""

from enum import StrEnum
from typing import get_args

import pytest

from alluse_hub.protocols import wire
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.severity import SEVERITIES, Depends, Severity, severity_of


def test_severities_are_ordered_from_info_to_critical() -> None:
    assert [one.level for one in Severity] == [0, 1, 2, 3, 4]
    assert [*Severity] == ["info", "notice", "warning", "error", "critical"]


def test_all_that_the_table_names_are_facts_of_the_hub_and_keys_that_they_have() -> None:
    for name, found in SEVERITIES.items():
        kind = wire.KINDS[name]
        assert issubclass(kind, Fact), name
        if isinstance(found, Depends):
            field = kind.model_fields[found.key].annotation
            assert field is not None
            if isinstance(field, type) and issubclass(field, StrEnum):  # a closed set: each word of ours is one of it
                assert {*found.values} <= {*field}, name
            assert get_args(field) == (), f"{name}.{found.key} is one value"


@pytest.mark.parametrize(
    ("message", "body", "severity"),
    [
        ("EventHeard", {"event": {}}, "info"),
        ("Failed", {"letter": "", "error": "KeyError"}, "error"),
        ("ChildEnded", {"cause": "shutdown"}, "notice"),
        ("ChildEnded", {"cause": "killed"}, "warning"),
        ("ChildParked", {"name": "ws3"}, "critical"),
        ("HealthChanged", {"now": "active"}, "notice"),
        ("HealthChanged", {"now": "hung"}, "error"),
        ("HealthChanged", {"now": "parked"}, "critical"),
        ("CommandClosed", {"ok": True}, "info"),
        ("CommandClosed", {"ok": False}, "error"),
        ("CommandClosed", {}, "info"),
        ("OrderGiven", {"allowed": True}, "notice"),
        ("OrderGiven", {"allowed": False}, "warning"),
        ("Restored", {"lost_entries": 0}, "notice"),
        ("Restored", {"lost_entries": 17}, "critical"),
        ("HubEnded", {"fault": ""}, "notice"),
        ("HubEnded", {"fault": "ws3"}, "critical"),
        ("DirectiveAnswered", {"outcome": ["not", "a", "word"]}, "info"),
        ("NeverHeardOf", {}, "info"),
    ],
)
def test_a_fact_is_as_grave_as_the_table_says(message: str, body: dict[str, object], severity: str) -> None:
    assert severity_of("fact", message, body) == severity  # type: ignore[arg-type]  # bodies as JSON has them


@pytest.mark.parametrize("kind", ["heard", "sent", "did"])
def test_what_only_carries_the_word_of_it_is_info(kind: str) -> None:
    assert severity_of(kind, "Failed", {}) is Severity.INFO
