"""Erasure: whatever is killed between two steps, it is done in the end, once, and nothing is left over."""

import contextlib
import json
import os
import sqlite3
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import backup, errands, query
from alluse_hub.actors.auditor.bearers import look_through
from alluse_hub.actors.auditor.errands import admit_keys
from alluse_hub.actors.auditor.heard import heard_by_now
from alluse_hub.actors.auditor.history import History
from alluse_hub.actors.auditor.unsealing import with_keys
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.flow import Event, EventHeard
from alluse_hub.protocols.keeping import HoldPlaced
from alluse_hub.protocols.names import KEEPER
from alluse_hub.protocols.retention import DAYS_MIN
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.keyring import Keyring
from alluse_hub.supervision.spool import Spool
from alluse_hub.supervision.veil import Veil
from tests.actors.auditor.conftest import SmallHub
from tests.actors.auditor.found import build
from tests.actors.auditor.veiled import ADA, BOB, FIELDS, Sealing, facts, found_in, killed_after, ring_of, verified

ERASURE = ("noted", "listed", "destroyed", "recorded")


@pytest.fixture
def sealing(hub: SmallHub) -> Sealing:
    return Sealing(hub)


# --- erasure ----------------------------------------------------------------------------------------------------------


def test_recovery_opens_what_was_said_and_goes_on_with_a_sentence_where_it_was_erased(sealing: Sealing) -> None:
    assert sealing.accounts() == [ADA, BOB, ADA, ADA, BOB]

    sealing.erase()

    gone = f"(erased: subject {sealing.ada})"
    assert sealing.accounts() == [gone, BOB, gone, gone, BOB]


def test_after_an_erasure_it_is_nowhere_and_the_tree_and_its_proofs_still_verify(
    sealing: Sealing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home, copy = sealing.home, tmp_path_factory.mktemp("copy")
    sealing.erase()
    reader = sqlite3.connect(sealing.hub.db)  # so that the log beside the database stays
    reader.execute("SELECT count(*) FROM entries").fetchone()
    sealing.hub.drain(rounds=2)
    sealing.hub.sign()
    build(home)

    backup.copy_trail(home, copy)

    assert (home / "trail" / "trail.db-wal").exists()
    assert found_in(home, ADA, BOB) == found_in(copy, ADA, BOB) == []
    assert verified(home) == verified(copy) == []
    assert not list((copy / "keys").glob("*.key"))
    reader.close()


def test_the_tombstone_tells_who_and_why_and_names_nobody(sealing: Sealing) -> None:
    fact = sealing.erase()

    assert (fact.by, fact.reason, fact.through, fact.subject) == ("Eve", "asked by letter", {"ws4": 5}, sealing.ada)
    assert facts(sealing.home, "SubjectErased") == [fact.model_dump(mode="json")]
    sealing.hub.drain()
    assert facts(sealing.home, "SubjectErased") == [fact.model_dump(mode="json")]


@pytest.mark.parametrize("step", ERASURE)
def test_an_erasure_killed_between_two_steps_is_done_by_the_next_who_comes(sealing: Sealing, step: str) -> None:
    killed_after(step, sealing.erase)
    if step in {"destroyed", "recorded"}:
        assert ADA not in sealing.accounts()

    admit_keys(sealing.home, is_declared=False)
    assert errands.resume(sealing.home) == ""

    assert ADA not in sealing.accounts()
    assert len(facts(sealing.home, "SubjectErased")) == 1
    assert len(ring_of(sealing.home).erased()) == 1
    sealing.hub.drain(rounds=2)
    sealing.hub.sign()
    assert verified(sealing.home) == []


@pytest.mark.parametrize("step", ERASURE)
def test_what_is_said_while_an_erasure_is_cut_short_can_be_read_and_what_was_said_before_cannot(
    sealing: Sealing, step: str
) -> None:
    killed_after(step, sealing.erase)
    errands.resume(sealing.home)
    sealing.say(ADA)  # number 6
    sealing.n = 3
    sealing.say(ADA)  # number 4 again, as a snapshot would have it

    errands.resume(sealing.home)

    gone = f"(erased: subject {sealing.ada})"
    assert sealing.accounts() == [gone, BOB, gone, gone, BOB, ADA, gone]


@pytest.mark.parametrize("is_used", [True, False])
def test_a_kill_in_the_middle_of_destroying_a_key_leaves_nothing_of_it(
    sealing: Sealing, monkeypatch: pytest.MonkeyPatch, *, is_used: bool
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(os, "pwrite", lambda *_: os._exit(9))
        child = os.fork()
        if not child:
            sealing.erase()
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    if is_used:
        sealing.say(ADA)  # which makes a new key

    errands.resume(sealing.home)

    left = sorted(path.name for path in ring_of(sealing.home).subjects.glob(f"{sealing.ada}*"))
    assert left == ([f"{sealing.ada}.key"] if is_used else [])
    assert sealing.accounts().count(ADA) == is_used


def test_erased_and_rotated_while_others_write_nobody_fails_and_nothing_is_lost(hub: SmallHub) -> None:
    """Two actors as fast as they can; what they say is readable or erased, and never anything else."""
    ring = ring_of(hub.home)
    subject = ring.pseudonym(ADA)
    children = []
    for name in ("ws1", "ws2"):
        child = os.fork()
        if not child:
            status = 1
            try:
                spool = Spool.open(hub.directory, name, Veil(Keyring(hub.home), FIELDS))
                for n in range(1, 1_501):
                    event = Event(ws=name, n=n, event="filled", payload={"account": ADA})
                    spool.write([fact_frame(EventHeard(event=event))], 1.0, 2.0)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    erased = 0
    while erased < 4:
        with contextlib.suppress(CallerError):  # nothing was said since
            errands.erase(hub.home, subject, "Eve", "asked", 5.0, FIELDS, DAYS_MIN)
            errands.rotate(hub.home, "Eve", 5.0)
            erased += 1
        if all(os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) for child in children):
            break

    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    for name in ("ws1", "ws2"):
        found = query.recover(hub.home, name, frozenset({"EventHeard"})).facts
        said = {json.loads(body)["event"]["payload"]["account"] for _, body in found}
        assert len(found) == 1_500
        assert said <= {ADA, f"(erased: subject {subject})"}


def test_a_second_erasure_takes_what_was_said_since(sealing: Sealing) -> None:
    sealing.erase()
    with pytest.raises(CallerError, match="there is no key"):
        sealing.erase()
    sealing.say(ADA)

    sealing.erase()

    assert ADA not in sealing.accounts()
    assert len({fact["keys"][0] for fact in facts(sealing.home, "SubjectErased")}) == 2  # type: ignore[index]  # JSON


def test_where_nothing_was_ever_sealed_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"\[\[trail.personal\]\]"):
        errands.erasable(tmp_path, ADA)
    with pytest.raises(CallerError, match="no keys yet"):
        errands.rotate(tmp_path, "Eve", 1.0)


def test_a_look_through_the_trail_finds_what_is_stored_and_what_is_in_spools(sealing: Sealing) -> None:
    found = look_through(sealing.home, sealing.ada, FIELDS, DAYS_MIN, 10.0)

    assert (found.entries, found.fields, found.any) == (3, 3, False)
    assert heard_by_now(sealing.home) == {"ws4": 5}
    under_duty = look_through(sealing.home, sealing.ada, (), DAYS_MIN, 10.0)
    assert under_duty.until == 2.0 + DAYS_MIN["books"] * 86_400  # type: ignore[index]  # a StrEnum


def test_all_of_a_subject_is_found_by_its_pseudonym_and_by_nothing_that_was_said(sealing: Sealing) -> None:
    sealing.hub.drain()
    build(sealing.home)

    assert len(query.find(sealing.home, Find(text=sealing.ada)).entries) == 3
    assert query.find(sealing.home, Find(text=f'"{ADA}"')).entries == []


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_hold_is_seen_before_and_after_it_is_stored(sealing: Sealing, *, is_stored: bool) -> None:
    sealing.hub.say(KEEPER, fact_frame(HoldPlaced(owner="Eve", reason="a case", workstream="ws4")))
    if is_stored:
        sealing.hub.drain()

    found = look_through(sealing.home, sealing.ada, FIELDS, DAYS_MIN, 10.0)

    assert [hold.placed.owner for hold in found.holds] == ["Eve"]


# --- readers ----------------------------------------------------------------------------------------------------------


def test_history_reads_events_with_the_keys_or_with_sentences_and_strictly_refuses_what_is_gone(
    sealing: Sealing,
) -> None:
    history = History.of(sealing.home)
    try:
        assert history.event("ws4#2").payload["account"] == f"(sealed: subject {ring_of(sealing.home).pseudonym(BOB)})"
    finally:
        history.close()
    sealing.erase()
    for n in (2, 5):  # in the store, and in a spool
        history = History.of(sealing.home)
        history.reads = with_keys(sealing.home, is_strict=True)
        try:
            assert history.event(f"ws4#{n}").payload["account"] == BOB
            with pytest.raises(Exception, match="that nobody can open here"):
                history.event("ws4#1")
        finally:
            history.close()
