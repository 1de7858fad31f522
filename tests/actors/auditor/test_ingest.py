import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor.store import Store
from alluse_hub.actors.auditor.worker import AuditorWorker
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import (
    AuditorSpec,
    DamageFound,
    EntryKind,
    Ingested,
    Mark,
    SpoolEnded,
    Stored,
    TailBegun,
    TailSpools,
)
from alluse_hub.supervision.spool import Frame, Spool, latest_incarnation
from alluse_hub.supervision.workshop import Context
from tests.actors.auditor.words import ORDER, SAID, all_but_auditor, until

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallAuditor, SmallHub

# --- one round -----------------------------------------------------------------------------------------------------


def test_an_entry_is_stored_with_all_its_fields(hub: "SmallHub") -> None:
    frame = Frame(EntryKind.SENT, "Directive", b'{"fence":7}', "ws4", "", "ws3/1/2", "ws3/1/1", power=True)
    hub.say("coordinator", frame, at=1.5, wall=2.5)

    hub.drain()

    columns = "actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, body"
    assert all_but_auditor(hub, columns) == [
        ("coordinator", 1, 1, "sent", "Directive", "ws4", "", "ws3/1/2", "ws3/1/1", 1.5, 2.5, 1, '{"fence":7}')
    ]


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        (b'{"workstream":"ws4","status":"idle"}', "ws4"),
        (b'{"event":{"ws":"ws2","n":17}}', "ws2"),
        (b'{"x":1}', "router"),
        (b"", "router"),
        (b'{"text":"' + b"y" * 3_000 + b'","workstream":"ws4"}', "router"),
    ],
    ids=["workstream", "event", "neither", "no body", "too far in"],
)
def test_an_entry_is_about_the_workstream_it_names_or_else_its_actor(
    hub: "SmallHub", body: bytes, subject: str
) -> None:
    hub.say("router", Frame(EntryKind.FACT, "Said", body))

    hub.drain()

    assert all_but_auditor(hub, "subject") == [(subject,)]


def test_entries_are_stored_in_order_of_time_over_all_actors(hub: "SmallHub") -> None:
    for at in (1.0, 3.0, 5.0):
        hub.say("ws1", SAID, at=at)
        hub.say("board", SAID, at=at + 1.0)

    hub.drain()

    assert [at for (at,) in all_but_auditor(hub, "at")] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_what_is_stored_is_not_stored_again_by_the_next_auditor(hub: "SmallHub") -> None:
    hub.say("ws1", SAID, SAID)
    hub.drain()
    hub.say("ws1", SAID)

    hub.drain()

    assert all_but_auditor(hub, "n") == [(1,), (2,), (3,)]


def test_a_spool_longer_than_a_transaction_is_stored_in_several(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    commit = Store.commit

    def counted(self: Store, rows: list[object], *others: object) -> None:
        sizes.append(len(rows))
        commit(self, rows, *others)  # type: ignore[arg-type]  # passed through as it came

    monkeypatch.setattr(Store, "commit", counted)
    hub.say("ws1", *[SAID] * 25)
    hub.say("ws2", *[SAID] * 5)

    hub.ingest(lambda _: None, AuditorSpec(batch_max=10))

    assert sizes == [10, 10, 10]
    assert len(all_but_auditor(hub, "n")) == 30


def test_a_spool_that_is_full_of_words_does_not_keep_another_waiting(hub: "SmallHub") -> None:
    hub.say("ws1", *[SAID] * 25)
    hub.say("ws2", SAID)

    hub.ingest(lambda _: None, AuditorSpec(batch_max=10))

    order = [actor for (actor,) in all_but_auditor(hub, "actor")]
    assert order.index("ws2") <= 20


# --- who is told ---------------------------------------------------------------------------------------------------


def test_an_actor_that_waits_is_told_only_after_the_commit(hub: "SmallHub") -> None:
    stored_when_told: list[list[tuple[object, ...]]] = []

    def deliver(message: Message) -> None:
        if isinstance(message, Ingested):
            stored_when_told.append(all_but_auditor(hub, "n"))

    hub.say("coordinator", SAID, ORDER, SAID)
    hub.ingest(deliver)

    assert stored_when_told == [[(1,), (2,), (3,)]]


def test_nobody_is_told_of_a_commit_that_failed(hub: "SmallHub", monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TrailError("disk I/O error")

    said: list[Message] = []
    hub.say("coordinator", ORDER)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", fail)
        with pytest.raises(TrailError):
            hub.ingest(said.append)

    assert said == []
    hub.ingest(said.append)
    assert said == [Ingested(marks=(Mark(actor="coordinator", incarnation=1, n=1),))]


def test_an_actor_that_waits_for_nothing_is_told_nothing(hub: "SmallHub") -> None:
    hub.say("ws1", SAID)

    assert hub.drain().said == []


def test_a_restarted_auditor_says_again_what_its_predecessor_may_not_have_said(hub: "SmallHub") -> None:
    hub.say("coordinator", ORDER, SAID)
    hub.ingest(lambda _: None)

    assert Send("coordinator", Stored(incarnation=1, n=2)) in hub.drain().sent


def test_the_auditor_does_not_feed_itself(hub: "SmallHub", auditor: "SmallAuditor") -> None:
    auditor.spool.write([ORDER], 1.0, 2.0)
    worker = AuditorWorker(Context("auditor", hub.home, AuditorSpec(), auditor.deliver))
    worker.do(TailSpools())
    until(lambda: any(isinstance(message, TailBegun) for message in auditor.said))
    hub.say("coordinator", ORDER)

    until(lambda: hub.rows("max(n)", "WHERE actor = 'auditor'") == [(5,)])
    worker.close()

    # Its own order, then heard and recorded: the tail has begun; heard and sent: the coordinator's entry is stored.
    assert auditor.spool.n == 5
    assert auditor.sent == [Send("coordinator", Stored(incarnation=1, n=1))]


# --- ends ----------------------------------------------------------------------------------------------------------


def test_the_end_of_an_incarnation_is_told_when_the_next_one_comes(hub: "SmallHub") -> None:
    hub.say("ws1", SAID, SAID)
    assert hub.drain().said == []
    hub.restart("ws1")

    ended = hub.drain().said

    assert SpoolEnded(actor="ws1", incarnation=1, n=2, torn_bytes=0) in ended


def test_a_torn_write_is_counted_at_the_end_of_its_incarnation(hub: "SmallHub") -> None:
    hub.say("ws1", SAID, SAID)
    os.truncate(hub.directory / "ws1@1.spool", (hub.directory / "ws1@1.spool").stat().st_size - 5)
    hub.restart("ws1")

    ended = [message for message in hub.drain().said if isinstance(message, SpoolEnded)]

    assert [(end.actor, end.n, end.torn_bytes > 0) for end in ended] == [("ws1", 1, True)]


def test_a_spool_is_deleted_when_its_end_is_stored(hub: "SmallHub") -> None:
    hub.say("ws1", SAID)
    hub.restart("ws1")

    hub.drain(rounds=1)
    assert (hub.directory / "ws1@1.spool").exists()

    hub.drain(rounds=1)
    assert not (hub.directory / "ws1@1.spool").exists()
    assert (hub.directory / "ws1@2.spool").exists()


def test_an_end_is_recorded_once_however_often_the_auditor_restarts(hub: "SmallHub") -> None:
    hub.say("ws1", SAID)
    hub.restart("ws1")

    for _ in range(4):
        hub.drain()

    closed = hub.rows("body", "WHERE message = 'Closed' AND subject = 'auditor' AND body LIKE '%ws1%'")
    assert closed == [('{"actor":"ws1","incarnation":1,"n":1,"torn_bytes":0}',)]


def test_the_newest_spool_of_an_actor_is_never_deleted(hub: "SmallHub") -> None:
    hub.say("ws1", SAID)
    for _ in range(3):
        hub.drain(rounds=2)

    assert latest_incarnation(hub.directory, "ws1") == 1
    assert hub.restart("ws1").incarnation == 2


def test_a_spool_that_outlived_its_closing_is_deleted_at_the_next_start(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.say("ws1", SAID)
    hub.restart("ws1")

    def killed(*_: object) -> None:
        raise TrailError("killed between commit and delete")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(TrailError):
            hub.drain(rounds=2)
    assert (hub.directory / "ws1@1.spool").exists()

    hub.drain()

    assert not (hub.directory / "ws1@1.spool").exists()


def test_a_closed_spool_stays_while_it_alone_keeps_the_count_and_is_not_closed_again(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.say("ws1", SAID)
    hub.restart("ws1")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_: None)
        hub.drain(rounds=2)
    (hub.directory / "ws1@2.spool").unlink()

    hub.drain()
    assert hub.restart("ws1").incarnation == 2
    hub.drain(rounds=2)

    closed = hub.rows("body", "WHERE message = 'Closed' AND body LIKE '%ws1%'")
    assert closed == [('{"actor":"ws1","incarnation":1,"n":1,"torn_bytes":0}',)]


# --- damage --------------------------------------------------------------------------------------------------------


def test_damage_in_a_spool_is_told_and_stops_that_spool_only(hub: "SmallHub") -> None:
    hub.say("ws1", SAID)
    with (hub.directory / "ws1@1.spool").open("ab") as file:
        file.write(b"\xff" * 400)
    hub.say("ws2", SAID)

    auditor = hub.drain()

    assert [message for message in auditor.said if isinstance(message, DamageFound)] == [
        DamageFound(actor="ws1", incarnation=1, n=1, offset=(hub.directory / "ws1@1.spool").stat().st_size - 400)
    ]
    assert sorted(all_but_auditor(hub, "actor, n")) == [("ws1", 1), ("ws2", 1)]


def test_a_damaged_spool_is_kept_aside_when_its_incarnation_has_ended(hub: "SmallHub") -> None:
    hub.say("ws1", SAID)
    with (hub.directory / "ws1@1.spool").open("ab") as file:
        file.write(b"\xff" * 400)
    hub.restart("ws1")

    hub.drain(rounds=2)

    assert not (hub.directory / "ws1@1.spool").exists()
    assert (hub.directory / "ws1@1.spool.damaged").exists()


def test_an_ended_spool_cut_back_by_a_power_cut_is_closed_at_what_is_stored(hub: "SmallHub") -> None:
    hub.say("ws1", SAID, SAID)
    hub.drain()
    os.truncate(hub.directory / "ws1@1.spool", 0)
    hub.restart("ws1")

    ended = hub.drain().said

    assert SpoolEnded(actor="ws1", incarnation=1, n=2, torn_bytes=0) in ended


def test_an_incarnation_that_comes_twice_is_refused_and_its_spool_kept(hub: "SmallHub") -> None:
    hub.say("ws1", SAID)
    hub.drain()
    hub.restart("ws1")
    hub.drain(rounds=2)
    for file in hub.directory.iterdir():
        file.unlink()
    again = Spool.open(hub.directory, "ws1")
    again.write([SAID], 77.0, 78.0)
    again.close()

    with pytest.raises(TrailError, match="an incarnation came twice; bring back"):
        hub.ingest(lambda _: None)
    assert (hub.directory / "ws1@1.spool").exists()


def test_bodies_are_stored_as_they_were_said(hub: "SmallHub") -> None:
    body = json.dumps({"text": 'quotes " and \\ and ,"body": inside', "umlaut": "ü"}, ensure_ascii=False).encode()
    hub.say("ws1", Frame(EntryKind.FACT, "Said", body))

    hub.drain()

    assert all_but_auditor(hub, "body") == [(body.decode(),)]
