"""What stands in the way of erasing a subject: holds on its entries, and duties on its fields, until a day."""

import pytest

from alluse_hub.actors.auditor.holds import Header, Hold
from alluse_hub.actors.auditor.subjects import DAY_S, NEVER, Bearer, fields_of, obstacles
from alluse_hub.protocols.keeping import HoldPlaced
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.retention import DAYS_MIN, Retention

SUBJECT, OTHER = "0123456789abcdef", "f" * 16
NOW = 10_000 * DAY_S
BOX: Json = {"sealed": SUBJECT, "key": "00000000", "box": "AA"}
EMPTY: Json = BOX | {"box": ""}
THEIRS: Json = BOX | {"sealed": OTHER}


def event(payload: Json, name: str = "filled", ws: str = "ws4") -> Json:
    return {"event": {"ws": ws, "n": 1, "event": name, "payload": payload}}


def bearer(body: Json, message: str = "EventHeard", *, age_days: float = 1.0, ws: str = "ws4") -> Bearer:
    return Bearer(Header(NOW - age_days * DAY_S, ws, ws, "", message, "text"), body)


def field(path: str, *, duty: bool, ws: str = "") -> PersonalField:
    return PersonalField(event="filled", field=path, subject="account", duty=duty, workstream=ws)


def test_only_what_is_sealed_of_the_subject_and_holds_something_counts() -> None:
    body: Json = {"x": [event({"a": BOX, "b": {"c": [BOX, THEIRS]}, "d": EMPTY}), {"name": BOX}]}

    found = [(one.event, one.workstream, ".".join(one.path)) for one in fields_of(body, SUBJECT)]

    assert found == [("filled", "ws4", "a"), ("filled", "ws4", "b.c"), ("", "", "x.name")]


@pytest.mark.parametrize(
    ("declared", "message", "age_days", "until_days"),
    [
        ([field("a", duty=False)], "EventHeard", 1, 0.0),
        ([field("a", duty=True)], "EventHeard", 1, DAYS_MIN[Retention.BOOKS] - 1),
        ([field("a", duty=True)], "Snapshot", 1, DAYS_MIN[Retention.ORDER] - 1),
        ([field("a", duty=True)], "EventHeard", DAYS_MIN[Retention.BOOKS] + 1, 0.0),
        ([], "EventHeard", 1, DAYS_MIN[Retention.BOOKS] - 1),  # declared no more: under duty
        ([field("b", duty=False)], "EventHeard", 1, DAYS_MIN[Retention.BOOKS] - 1),
        ([field("a", duty=False, ws="ws5")], "EventHeard", 1, DAYS_MIN[Retention.BOOKS] - 1),
        ([field("a", duty=False), field("a", duty=True, ws="ws4")], "EventHeard", 1, DAYS_MIN[Retention.BOOKS] - 1),
        ([field("a", duty=True)], "NotOfThisVersion", 1, DAYS_MIN[Retention.ORDER] - 1),
    ],
)
def test_a_field_under_duty_is_kept_until_its_class_allows(
    declared: list[PersonalField], message: str, age_days: float, until_days: float
) -> None:
    found = obstacles([bearer(event({"a": BOX}), message, age_days=age_days)], SUBJECT, declared, (), DAYS_MIN, NOW)

    assert found.until == (NOW + until_days * DAY_S if until_days else 0.0)
    assert found.any == bool(until_days)
    assert (found.entries, found.fields) == (1, 1)


def test_the_latest_day_of_all_counts_and_each_class_is_told() -> None:
    bearers = [bearer(event({"a": BOX}), age_days=days) for days in (1.0, 100.0)]
    bearers.append(bearer(event({"a": BOX}), "Snapshot"))

    found = obstacles(bearers, SUBJECT, [field("a", duty=True)], (), DAYS_MIN, NOW)

    assert found.until == NOW + (DAYS_MIN[Retention.ORDER] - 1) * DAY_S
    assert dict(found.duties) == {"books": 2, "order": 1}


def test_of_a_class_that_is_kept_for_ever_it_is_never() -> None:
    found = obstacles([bearer({"name": BOX}, "Restored")], SUBJECT, (), (), DAYS_MIN, NOW)

    assert found.until == NEVER


def test_a_hold_on_an_entry_is_one_on_all_that_is_sealed_in_it() -> None:
    on_it, elsewhere = (
        Hold(f"keeper/{n}/1", 1.0, HoldPlaced(owner="Eve", reason="a case", workstream=ws))
        for n, ws in ((1, "ws4"), (2, "ws9"))
    )

    free = [field("a", duty=False)]
    found = obstacles([bearer(event({"a": BOX}))], SUBJECT, free, (on_it, elsewhere), DAYS_MIN, NOW)
    other = obstacles([bearer(event({"a": THEIRS}))], SUBJECT, free, (on_it,), DAYS_MIN, NOW)

    assert found.holds == (on_it,)
    assert found.any
    assert (other.holds, other.entries) == ((), 0)
