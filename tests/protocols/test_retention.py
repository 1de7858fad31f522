"""Every kind of message has a class, and no class is kept for less than its duty."""

import pytest

from alluse_hub.protocols.config import ConfigError, parse
from alluse_hub.protocols.retention import DAYS_MIN, OF_MESSAGE, OF_MODULE, UNKNOWN, Retention, class_of, too_short
from alluse_hub.protocols.wire import KINDS


def module_of(kind: str) -> str:
    return KINDS[kind].__module__.rpartition(".")[2]


def test_every_message_has_a_class() -> None:
    assert {kind for kind in KINDS if kind not in OF_MESSAGE and module_of(kind) not in OF_MODULE} == set()


def test_no_class_is_named_for_what_is_no_message() -> None:
    assert set(OF_MESSAGE) - set(KINDS) == set()
    assert set(OF_MODULE) - {module_of(kind) for kind in KINDS} == set()


def test_a_message_that_is_named_is_not_of_the_class_of_its_module() -> None:
    assert [kind for kind, retention in OF_MESSAGE.items() if OF_MODULE[module_of(kind)] is retention] == []


@pytest.mark.parametrize(
    ("message", "retention"),
    [
        ("EventHeard", Retention.BOOKS),
        ("ClaimPlaced", Retention.ORDER),
        ("RuleFired", Retention.ORDER),
        ("CommandOpened", Retention.ORDER),
        ("Snapshot", Retention.ORDER),
        ("OrderGiven", Retention.SECURITY),
        ("ChildStarted", Retention.OPS),
        ("ProgramStarted", Retention.OPS),
        ("HealthChanged", Retention.OPS),
        ("Heartbeat", Retention.HEARTBEAT),
        ("Woken", Retention.HEARTBEAT),
        ("Closed", Retention.PERMANENT),
        ("Expired", Retention.PERMANENT),
        ("HoldPlaced", Retention.PERMANENT),
        ("SubjectErased", Retention.PERMANENT),
        ("OfANewerHub", UNKNOWN),
    ],
)
def test_what_is_of_which_class(message: str, retention: Retention) -> None:
    assert class_of(message) is retention


def test_what_no_version_knows_is_kept_as_long_as_anything_that_may_expire() -> None:
    assert DAYS_MIN[UNKNOWN] == max(DAYS_MIN.values())


@pytest.mark.parametrize("retention", DAYS_MIN)
def test_a_duty_may_be_lengthened_and_not_be_shortened(retention: Retention) -> None:
    least = DAYS_MIN[retention]
    key = f"keep_{retention}_days"

    assert too_short(retention, least) == ""
    assert parse(f"[trail]\n{key} = {least + 1}\n", "hub.toml").trail.duties[retention] == least + 1
    with pytest.raises(ConfigError, match=rf"entries of the class {retention} are kept for {least} days at least"):
        parse(f"[trail]\n{key} = {least - 1}\n", "hub.toml")
