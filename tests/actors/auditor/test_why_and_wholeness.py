import json
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame
from tests.actors.auditor.words import SAID

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub


def granted(serial: int) -> Frame:
    return Frame(EntryKind.FACT, "Granted", json.dumps({"serial": serial}).encode())


# --- causes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(hub: "SmallHub") -> "SmallHub":
    """A timer of ws3 leads to a letter to the coordinator, that to a fact and letters to ws4 and the board."""
    root = "ws3/1/1"
    hub.say(
        "ws3",
        Frame(EntryKind.HEARD, "Woken", b"{}", "ws3", correlation=root),
        Frame(EntryKind.SENT, "HealthChanged", b"{}", "coordinator", cause=root, correlation=root),
        at=1.0,
    )
    hub.say(
        "coordinator",
        Frame(EntryKind.HEARD, "HealthChanged", b"", "ws3", "ws3/1/2", root, root),
        Frame(EntryKind.FACT, "Held", b"{}", cause="ws3/1/2", correlation=root),
        Frame(EntryKind.SENT, "Directive", b"{}", "ws4", cause="ws3/1/2", correlation=root),
        at=2.0,
    )
    hub.say(
        "ws4",
        Frame(EntryKind.HEARD, "Directive", b"", "coordinator", "coordinator/1/3", "ws3/1/2", root),
        Frame(EntryKind.DID, "Write", b"{}", cause="coordinator/1/3", correlation=root),
        at=3.0,
    )
    hub.drain()
    return hub


def test_why_goes_up_to_the_origin(chain: "SmallHub") -> None:
    did = query.why(chain.home, "ws4/1/2")
    heard = query.why(chain.home, "ws4/1/1")

    assert did is not None
    assert [entry.id for entry in did.causes] == ["coordinator/1/3", "ws3/1/2", "ws3/1/1"]
    assert heard is not None
    assert heard.causes == did.causes


def test_why_goes_down_to_all_that_came_of_it(chain: "SmallHub") -> None:
    answer = query.why(chain.home, "ws3/1/1")

    assert answer is not None
    assert answer.causes == []
    assert [entry.id for entry in answer.effects] == ["ws3/1/2", "coordinator/1/2", "coordinator/1/3", "ws4/1/2"]


def test_why_is_bounded_both_ways(chain: "SmallHub", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "CAUSES_MAX", 2)
    monkeypatch.setattr(query, "EFFECTS_MAX", 2)

    up, down = query.why(chain.home, "ws4/1/2"), query.why(chain.home, "ws3/1/1")

    assert up is not None
    assert down is not None
    assert (len(up.causes), len(down.effects)) == (2, 2)


def test_a_ring_of_causes_ends(hub: "SmallHub") -> None:
    hub.say(
        "ws3", Frame(EntryKind.SENT, "A", b"{}", cause="ws3/1/2"), Frame(EntryKind.SENT, "B", b"{}", cause="ws3/1/1")
    )
    hub.drain()

    answer = query.why(hub.home, "ws3/1/1")

    assert answer is not None
    assert [entry.id for entry in answer.causes] == ["ws3/1/2"]
    assert [entry.id for entry in answer.effects] == ["ws3/1/2"]


def test_a_cause_from_outside_ends_the_chain(hub: "SmallHub") -> None:
    hub.say("gateway", Frame(EntryKind.HEARD, "Order", b"{}", "outside", "call-17"))
    hub.drain()

    answer = query.why(hub.home, "gateway/1/1")

    assert answer is not None
    assert answer.causes == []


def test_all_that_began_with_one_letter_comes_in_order(chain: "SmallHub") -> None:
    found = query.correlated(chain.home, "ws3/1/1", limit=4)

    assert [entry.id for entry in found] == ["ws3/1/1", "ws3/1/2", "coordinator/1/1", "coordinator/1/2"]


# --- wholeness -----------------------------------------------------------------------------------------------------


def change(hub: "SmallHub", *statements: str) -> None:
    connection = sqlite3.connect(hub.db)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_untouched_trail_is_whole_and_counted(chain: "SmallHub") -> None:
    chain.say("ws4", Frame(EntryKind.FACT, "Late", b"{}"))

    found = query.wholeness(chain.home)

    assert found.is_whole
    assert (found.entries, found.incarnations) == (8, 3)


@pytest.mark.parametrize(
    ("where", "gap"),
    [
        ("n = 1", "ws1/1/1 is missing"),
        ("n = 3", "ws1/1/3 is missing"),
        ("n BETWEEN 2 AND 4", "ws1/1/2 to 4 is missing"),
        ("n = 6", "ws1/1/6 is missing"),
        ("n > 0", "ws1/1/1 to 6 is missing"),
    ],
)
def test_a_missing_entry_is_found(hub: "SmallHub", where: str, gap: str) -> None:
    hub.say("ws1", *[granted(serial) for serial in range(6)])
    hub.drain()
    change(hub, f"DELETE FROM entries WHERE {where}")

    assert query.wholeness(hub.home).gaps == (gap,)


def test_a_stored_double_is_found(hub: "SmallHub") -> None:
    hub.say("ws1", granted(1), granted(2))
    hub.drain()
    columns = "actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, subject, body"
    change(
        hub,
        "DROP INDEX entries_once",
        "CREATE INDEX entries_once ON entries (actor, incarnation, n)",
        f"INSERT INTO entries ({columns}) SELECT {columns} FROM entries WHERE n = 2",
    )

    assert query.wholeness(hub.home).doubles == ("ws1/1/2 is stored 2 times",)


def test_a_spool_that_would_be_stored_again_is_found(hub: "SmallHub") -> None:
    hub.say("ws1", granted(1), granted(2))
    hub.drain()
    change(hub, "DELETE FROM spools")

    assert query.wholeness(hub.home).doubles == (
        "ws1/1/1 is stored and comes again in ws1@1.spool",
        "ws1/1/2 is stored and comes again in ws1@1.spool",
    )


@pytest.mark.parametrize("stored", [True, False])
def test_a_letter_that_nobody_sent_is_found(hub: "SmallHub", stored: bool) -> None:
    hub.say("ws1", granted(1))
    hub.say("board", Frame(EntryKind.HEARD, "Pulse", b"", "ws1", "ws1/1/1"))
    if stored:
        hub.drain()

    assert query.wholeness(hub.home).unrecorded == ("ws1/1/1 was heard (board/1/1), but nobody sent it",)


@pytest.mark.parametrize("sender_stored", [True, False])
@pytest.mark.parametrize("receiver_stored", [True, False])
def test_a_letter_is_on_record_in_the_store_or_in_a_spool(
    hub: "SmallHub", sender_stored: bool, receiver_stored: bool
) -> None:
    sent = Frame(EntryKind.SENT, "Pulse", b"{}", "board")
    heard = Frame(EntryKind.HEARD, "Pulse", b"", "ws1", "ws1/1/1")
    first, second = (
        (("board", heard), ("ws1", sent)) if receiver_stored > sender_stored else (("ws1", sent), ("board", heard))
    )
    hub.say(*first)
    if sender_stored or receiver_stored:
        hub.drain()
    hub.say(*second)
    if sender_stored and receiver_stored:
        hub.drain()

    assert query.wholeness(hub.home).is_whole


def test_a_receipt_that_names_itself_needs_no_sender(hub: "SmallHub") -> None:
    hub.say("ws1", Frame(EntryKind.HEARD, "Woken", b"{}", "ws1", "ws1/1/1"))

    assert query.wholeness(hub.home).is_whole
    hub.drain()
    assert query.wholeness(hub.home).is_whole


def test_a_long_list_of_findings_is_cut(hub: "SmallHub") -> None:
    hub.say("ws1", *[granted(serial) for serial in range(300)])
    hub.drain()
    change(hub, "DELETE FROM entries WHERE n % 2 = 0")

    assert len(query.wholeness(hub.home).gaps) == 100


def test_the_check_tells_what_the_witness_did_last(hub: "SmallHub") -> None:
    hub.say("ws3", SAID)
    hub.drain()
    assert query.wholeness(hub.home).witness == ""

    hub.say("auditor", Frame(EntryKind.FACT, "WitnessAgreed", b'{"size":7}'))
    hub.drain()
    assert query.wholeness(hub.home).witness == "it cosigns since the trail had 7 entries"

    hub.say("auditor", Frame(EntryKind.FACT, "WitnessRefused", b'{"size":9,"why":"it does not answer: gone"}'))
    hub.drain()
    whole = query.wholeness(hub.home)
    assert whole.witness == "it has not cosigned more than 9 entries: it does not answer: gone"
    assert whole.is_whole, "a silent witness breaks nothing"
