import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor import query, reader
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.moments import moment
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame, Spool, read

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub

GRANTED = frozenset({"Granted"})


def granted(serial: int) -> Frame:
    return Frame(EntryKind.FACT, "Granted", json.dumps({"serial": serial}).encode())


def snapshot(serial: int) -> Frame:
    return Frame(EntryKind.FACT, "Snapshot", json.dumps({"state": {"serial": serial}}).encode())


def serials(facts: Sequence[tuple[str, bytes]]) -> list[int]:
    return [json.loads(body)["serial"] for _, body in facts]


# --- recovery ------------------------------------------------------------------------------------------------------


def test_before_the_first_start_there_is_nothing_to_recover(tmp_path: Path) -> None:
    assert query.recover(tmp_path, "coordinator", GRANTED) == (None, [])


def test_facts_are_recovered_from_spools_alone(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1), granted(2))
    hub.restart("coordinator")
    hub.say("coordinator", granted(3))

    assert serials(query.recover(hub.home, "coordinator", GRANTED).facts) == [1, 2, 3]


def test_facts_are_recovered_from_the_store_alone(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1), granted(2))
    hub.restart("coordinator")
    hub.drain(rounds=2)
    assert not (hub.directory / "coordinator@1.spool").exists()

    assert serials(query.recover(hub.home, "coordinator", GRANTED).facts) == [1, 2]


def test_facts_in_both_are_recovered_once_and_in_order(hub: "SmallHub") -> None:
    for serial in range(1, 12):
        hub.say("coordinator", granted(serial))
        if serial in {3, 7}:
            hub.restart("coordinator")
        if serial == 5:
            hub.drain()

    assert serials(query.recover(hub.home, "coordinator", GRANTED).facts) == list(range(1, 12))


def test_facts_of_two_incarnations_recover_in_order_even_if_the_older_is_stored_later(hub: "SmallHub") -> None:
    older = hub.restart("coordinator")
    older.write([granted(1)], 1.0, 2.0)
    newer = Spool.open(hub.directory, "coordinator")
    newer.write([granted(3)], 1.0, 2.0)
    hub.drain()
    older.write([granted(2)], 1.0, 2.0)  # a last word nobody had read yet
    hub.drain()
    newer.close()

    assert serials(query.recover(hub.home, "coordinator", GRANTED).facts) == [1, 2, 3]


def test_nor_does_it_matter_that_the_newer_was_stored_first(hub: "SmallHub") -> None:
    """As with a backlog of more than one transaction: the rest of the older spool waits for its turn."""
    hub.say("coordinator", snapshot(0), granted(1))
    hub.restart("coordinator")
    hub.say("coordinator", granted(2))
    older = hub.directory / "coordinator@1.spool"
    older.rename(hub.home / "aside")
    hub.ingest(lambda _word: None)
    (hub.home / "aside").rename(older)
    hub.restart("coordinator")
    hub.say("coordinator", granted(3))

    found = query.recover(hub.home, "coordinator", GRANTED)
    assert (found.snapshot, serials(found.facts)) == ({"serial": 0}, [1, 2, 3])
    assert serials(query.facts_of(hub.home, "coordinator", GRANTED)) == [1, 2, 3]


def test_only_facts_of_the_wanted_kinds_and_of_the_actor_are_recovered(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1), Frame(EntryKind.FACT, "Booted", b'{"serial":2}'))
    hub.say("coordinator", Frame(EntryKind.SENT, "Granted", b'{"serial":3}', "ws4"))
    hub.say("coordinator-2", granted(4))
    for _ in range(2):
        assert serials(query.recover(hub.home, "coordinator", GRANTED).facts) == [1]
        hub.drain()


@pytest.mark.parametrize("stored", [0, 1, 2, 3, 4, 5])
def test_recovery_begins_at_the_latest_snapshot_wherever_it_is(hub: "SmallHub", stored: int) -> None:
    said = [granted(1), snapshot(1), granted(2), snapshot(2), granted(3)]
    for index, frame in enumerate(said):
        if index == stored:
            hub.drain()
        hub.say("coordinator", frame)
    if stored == len(said):
        hub.drain()
    hub.restart("coordinator")

    recovered = query.recover(hub.home, "coordinator", GRANTED)

    assert recovered.snapshot == {"serial": 2}
    assert serials(recovered.facts) == [3]


def test_all_facts_can_be_read_in_spite_of_snapshots(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1), snapshot(1), granted(2))
    hub.drain()
    hub.say("coordinator", granted(3))

    assert serials(query.facts_of(hub.home, "coordinator", GRANTED)) == [1, 2, 3]


def test_a_spool_that_vanishes_as_we_read_is_looked_for_in_the_store(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.say("coordinator", granted(1))
    hub.restart("coordinator")
    vanished: list[bool] = []

    def read_late(path: Path, offset: int = 0, after_n: int = 0) -> object:
        if not vanished:
            vanished.append(True)
            hub.drain(rounds=2)  # stores, closes and deletes it between our look at the store and our look at the spool
        return read(path, offset, after_n)

    monkeypatch.setattr(reader, "read", read_late)

    assert serials(query.recover(hub.home, "coordinator", GRANTED).facts) == [1]


def test_a_trail_that_never_holds_still_is_given_up(hub: "SmallHub", monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(*_: object) -> object:
        raise FileNotFoundError

    hub.say("coordinator", granted(1))
    monkeypatch.setattr(reader, "read", vanish)

    with pytest.raises(TrailError, match="changes faster than it can be read"):
        query.recover(hub.home, "coordinator", GRANTED)


def test_recovery_reads_an_index_and_not_the_store(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1))
    hub.drain()
    plans: list[str] = []

    with moment(hub.home) as trail:
        assert trail is not None
        trail.store.set_trace_callback(plans.append)
        query._facts(trail, "coordinator", GRANTED, (0, 0))
        trail.store.set_trace_callback(None)
        plan = trail.store.execute(f"EXPLAIN QUERY PLAN {plans[-1]}").fetchall()

    assert "USING INDEX entries_facts (actor=? AND message=?" in plan[0][3]


def test_recovery_from_a_damaged_store_is_refused(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1))
    hub.db.write_bytes(b"x" * 5_000)

    with pytest.raises(TrailError, match=r"cannot read .*trail\.db"):
        query.recover(hub.home, "coordinator", GRANTED)


def test_a_store_that_is_about_to_be_made_is_as_good_as_none(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1))
    hub.db.touch()

    assert serials(query.recover(hub.home, "coordinator", GRANTED).facts) == [1]


def test_a_reader_cannot_write(hub: "SmallHub") -> None:
    hub.say("coordinator", granted(1))
    hub.drain()

    with reader.reading(hub.home) as connection:
        assert connection is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM entries")


# --- entries -------------------------------------------------------------------------------------------------------


@pytest.fixture
def day(hub: "SmallHub") -> "SmallHub":
    """Ten entries: leaves 1 to 10, wall time in seconds likewise."""
    for n in range(1, 11):
        actor = "ws3" if n % 2 else "router"
        kind = EntryKind.FACT if n in {4, 5} else EntryKind.SENT
        body = b'{"workstream":"ws3"}' if n == 10 else b"{}"
        hub.say(actor, Frame(kind, "Pulse" if n < 8 else "Deliver", body, "board"), at=float(n), wall=float(n))
    hub.ingest(lambda _: None)
    return hub


def leaves(page: query.Page) -> list[int]:
    return [entry.leaf for entry in page.entries]


def test_the_tail_is_the_newest_entries_oldest_first(day: "SmallHub") -> None:
    assert query.tail(day.home, limit=3) == query.Page(query.tail(day.home).entries[-3:], 10)
    assert leaves(query.tail(day.home, limit=3)) == [8, 9, 10]


def test_the_tail_is_followed_by_its_leaf(day: "SmallHub") -> None:
    first = query.tail(day.home, limit=4, after_leaf=0)
    second = query.tail(day.home, limit=4, after_leaf=first.leaf)
    third = query.tail(day.home, limit=4, after_leaf=second.leaf)
    fourth = query.tail(day.home, limit=4, after_leaf=third.leaf)

    assert [leaves(page) for page in (first, second, third, fourth)] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]
    assert fourth.leaf == 10


def test_the_tail_can_be_filtered(day: "SmallHub") -> None:
    assert leaves(query.tail(day.home, actor="ws3")) == [1, 3, 5, 7, 9]
    assert leaves(query.tail(day.home, message="Deliver")) == [8, 9, 10]
    assert leaves(query.tail(day.home, kind=EntryKind.FACT)) == [4, 5]
    assert leaves(query.tail(day.home, workstream="ws3")) == [1, 3, 5, 7, 9, 10]
    assert leaves(query.tail(day.home, since=8.5)) == [9, 10]
    assert leaves(query.tail(day.home, since=100.0)) == []
    assert leaves(query.tail(day.home, since=0.0)) == list(range(1, 11))
    assert leaves(query.tail(day.home, actor="ws3", message="Pulse", kind=EntryKind.SENT, limit=2)) == [3, 7]
    assert leaves(query.tail(day.home, after_leaf=2, workstream="ws3", limit=2)) == [3, 5]


def test_a_page_looks_at_a_bounded_window_and_can_be_asked_on(day: "SmallHub", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "WINDOW_LEAVES", 4)

    page = query.tail(day.home, after_leaf=0, message="Deliver")
    assert (leaves(page), page.leaf) == ([], 4)
    assert leaves(query.tail(day.home, message="Pulse")) == [7]
    assert leaves(query.tail(day.home, after_leaf=8, message="Deliver")) == [9, 10]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"message": "Pulse"}, "entries_message (message=? AND rowid>? AND rowid<?)"),
        ({"workstream": "ws3"}, "entries_subject (subject=? AND rowid>? AND rowid<?)"),
        ({"message": "Pulse", "workstream": "ws3"}, "entries_message (message=? AND rowid>? AND rowid<?)"),
        ({"actor": "ws3"}, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ({}, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ],
)
def test_the_tail_reads_an_index_in_order_and_sorts_nothing(
    day: "SmallHub", monkeypatch: pytest.MonkeyPatch, filters: dict[str, str], index: str
) -> None:
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]  # passed through
        connection.set_trace_callback(statements.append)
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", traced)
        query.tail(day.home, **filters)  # type: ignore[arg-type]  # mypy takes the values for those of other options

    select = next(text for text in statements if "ORDER BY leaf DESC LIMIT 100" in text)
    with reader.reading(day.home) as connection:
        assert connection is not None
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {select}")]
    assert len(plan) == 1
    assert plan[0].endswith(index)


@pytest.mark.parametrize("limit", [0, -1, query.ENTRIES_MAX + 1])
def test_an_unbounded_answer_is_refused(day: "SmallHub", limit: int) -> None:
    with pytest.raises(CallerError, match="ask for 1 to"):
        query.tail(day.home, limit=limit)


def test_an_entry_is_found_stored_or_spooled(day: "SmallHub") -> None:
    day.say("ws3", Frame(EntryKind.FACT, "Late", b'{"x":1}', power=True), at=11.0)

    stored = query.entry(day.home, "ws3/1/1")
    spooled = query.entry(day.home, "ws3/1/6")

    assert stored is not None
    assert (stored.id, stored.leaf, stored.message) == ("ws3/1/1", 1, "Pulse")
    assert spooled is not None
    assert (spooled.id, spooled.leaf, spooled.body, spooled.power) == ("ws3/1/6", 0, {"x": 1}, True)
    assert query.entry(day.home, "ws3/1/7") is None


@pytest.mark.parametrize("text", ["ws3", "ws3/1", "ws3/one/1", ""])
def test_what_is_no_id_is_refused(day: "SmallHub", text: str) -> None:
    with pytest.raises(CallerError, match="actor/incarnation/number"):
        query.entry(day.home, text)


def test_messages_of_several_kinds_come_newest_first(day: "SmallHub") -> None:
    assert [entry.leaf for entry in query.by_message(day.home, ("Pulse", "Deliver"), limit=5)] == [10, 9, 8, 7, 6]
    assert query.by_message(day.home, ()) == []


def test_counts_are_by_actor_kind_and_message(day: "SmallHub") -> None:
    assert query.counts(day.home) == [
        ("ws3", "sent", "Pulse", 3),
        ("router", "sent", "Deliver", 2),
        ("router", "sent", "Pulse", 2),
        ("router", "fact", "Pulse", 1),
        ("ws3", "sent", "Deliver", 1),
        ("ws3", "fact", "Pulse", 1),
    ]


def test_before_there_is_a_store_every_question_has_an_empty_answer(tmp_path: Path) -> None:
    assert query.tail(tmp_path) == ([], 0)
    assert query.entry(tmp_path, "ws3/1/1") is None
    assert query.why(tmp_path, "ws3/1/1") is None
    assert query.by_message(tmp_path, ["Pulse"]) == []
    assert query.correlated(tmp_path, "ws3/1/1") == []
    assert query.counts(tmp_path) == []
    assert query.wholeness(tmp_path).is_whole
