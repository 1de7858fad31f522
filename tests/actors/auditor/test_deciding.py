"""Holds, erasures and expiry keep each other out: what is looked for is there until what was decided is on record."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import errands, heard, keeper, key_copies, keys
from alluse_hub.actors.auditor.core import decide, degraded, start
from alluse_hub.actors.auditor.errands import HinderedError
from alluse_hub.actors.auditor.keeper_log import deciding, said
from alluse_hub.actors.auditor.keeper_log import say as keeper_say
from alluse_hub.actors.auditor.reader import store_of
from alluse_hub.actors.auditor.seal import sealing as sealing_of
from alluse_hub.actors.auditor.sealer import Sealer
from alluse_hub.actors.auditor.store import Store
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.keeping import Expired, HoldPlaced, KeepingStuck, SegmentSealed
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.retention import DAYS_MIN
from alluse_hub.protocols.trail import AuditorSpec, EntryKind
from alluse_hub.supervision.keyring import Keyring
from alluse_hub.supervision.spool import Frame, ReadResult, read
from tests.actors.auditor.classed import DURABLE, OLD, expire_all, folders
from tests.actors.auditor.conftest import SmallHub
from tests.actors.auditor.test_sealing import KilledError
from tests.actors.auditor.veiled import ADA, BOB, Sealing, facts, killed_after, ring_of
from tests.actors.auditor.words import until

HOLD = HoldPlaced(owner="Noor", reason="a case", workstream="ws4")


@pytest.fixture
def expirable(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "home"))


@pytest.fixture
def sealing(hub: SmallHub) -> Sealing:
    return Sealing(hub)


def is_refused(home: Path, placed: HoldPlaced = HOLD) -> bool:
    try:
        keeper.place(home, placed, wait_s=0.0)
    except CallerError as error:
        return "wait until that is done, then try again" in str(error)
    return False


# --- erasure ----------------------------------------------------------------------------------------------------------


def test_a_hold_that_came_after_somebody_looked_is_seen_by_the_erasure_itself(sealing: Sealing) -> None:
    hold = keeper.place(sealing.home, HOLD)

    with pytest.raises(HinderedError) as hindered:
        sealing.erase()

    assert hindered.value.found.holds == (hold,)
    assert sealing.accounts().count(ADA) == 3


def test_from_the_look_to_the_tombstone_of_an_erasure_nobody_places_or_lifts_a_hold(sealing: Sealing) -> None:
    refused: dict[str, bool] = {}

    sealing.erase(lambda step: refused.update({step: is_refused(sealing.home)}))

    assert refused == dict.fromkeys(("looked", "noted", "listed", "destroyed", "recorded"), True)
    assert keeper.holds_in(sealing.home) == ()
    keeper.place(sealing.home, HOLD, wait_s=0.0)


def test_a_copy_of_the_keys_that_was_made_since_the_look_is_told_of(
    sealing: Sealing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("keys") / "copy"

    def copied(step: str) -> None:
        if step == "noted":
            key_copies.save(sealing.home, copy, "Eve", 3.0)

    assert sealing.erase(copied).saved == 3.0


@pytest.mark.parametrize("step", ["noted", "listed"])
def test_an_erasure_that_was_cut_short_gives_way_to_a_hold_while_the_key_is_there(sealing: Sealing, step: str) -> None:
    killed_after(step, sealing.erase)
    keeper.place(sealing.home, HOLD)

    errands.resume(sealing.home)

    assert sealing.accounts().count(ADA) == 3
    assert ring_of(sealing.home).erased() == []
    assert facts(sealing.home, "SubjectErased") == []
    assert errands.resume(sealing.home) == ""


def test_an_erasure_that_was_cut_short_behind_the_key_is_recorded_whatever_hold_has_come(sealing: Sealing) -> None:
    killed_after("destroyed", sealing.erase)
    keeper.place(sealing.home, HOLD)

    assert errands.resume(sealing.home) == "erase"

    assert len(facts(sealing.home, "SubjectErased")) == 1


def test_under_the_lock_for_which_actors_wait_an_erasure_reads_only_what_has_come_since(
    sealing: Sealing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a long backlog of the auditor would be read under it, and whoever has to seal gives up after 10 s."""
    locks: list[str] = []
    read_under_lock: list[int] = []
    true_locked = Keyring.locked

    @contextmanager
    def locked(self: Keyring, name: str = "lock", wait_s: float = 10.0) -> Iterator[None]:
        with true_locked(self, name, wait_s):
            locks.append(name)
            yield
            locks.remove(name)

    def watched(path: Path, *places: int, entries_max: int) -> ReadResult:
        found = read(path, *places, entries_max=entries_max)
        if "lock" in locks:
            read_under_lock.append(len(found.entries))
        return found

    monkeypatch.setattr(Keyring, "locked", locked)
    monkeypatch.setattr(heard, "read", watched)

    def one_more(step: str) -> None:
        if step == "listed":
            sealing.say(BOB)

    fact = sealing.erase(one_more)

    assert fact.through == {"ws4": 6}
    assert sum(read_under_lock) == 1


def test_an_errand_gives_up_if_more_is_said_than_can_be_read(sealing: Sealing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, "NEAR_ENTRIES", -1)

    with pytest.raises(Exception, match="when the hub is calmer"):
        sealing.erase()

    assert sealing.accounts().count(ADA) == 3
    monkeypatch.undo()
    assert errands.resume(sealing.home) == "erase"
    assert ADA not in sealing.accounts()


# --- expiry -----------------------------------------------------------------------------------------------------------


def test_between_the_look_for_holds_and_the_word_of_an_expiry_nobody_places_one(
    expirable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[bool] = []
    true_look = keeper._held_by_now

    def look(home: Path, candidate: keeper.Candidate) -> str:
        found = true_look(home, candidate)
        refused.append(is_refused(home))
        return found

    monkeypatch.setattr(keeper, "_held_by_now", look)

    expire_all(expirable)

    assert refused
    assert all(refused)


def said_and_stopped(home: Path) -> None:
    """One class is on record as expired, and still there."""

    def stop(step: str) -> None:
        if step == "said":
            raise KilledError

    with pytest.raises(KilledError):
        expire_all(home, stop)


@pytest.fixture
def stuck(expirable: Path) -> Path:
    """An expiry on record in each of two segments, of which the first is damaged."""
    said_and_stopped(expirable)
    ((_, _, first),) = said(expirable, "keeper", (Expired,))
    assert isinstance(first, Expired)
    second = [one for one in keeper.candidates(expirable, DAYS_MIN, DURABLE, OLD + 10**9) if not one.kept_by][-1]
    keeper_say(
        expirable,
        Expired(
            first=second.segment.first,
            last=second.segment.last,
            retention=second.retention.value,
            entries=second.entries,
            written_until=second.segment.written_until,
            kept_days=1,
            expired_at=OLD,
            who="Mira",
            reason="past their duty",
        ),
    )
    others = [path for path in folders(expirable)[0].glob("*.bundles") if path.stem != first.retention]
    others[0].write_bytes(b"rotten")
    return expirable


def test_an_expiry_that_cannot_be_finished_keeps_no_other(stuck: Path) -> None:
    with sealing_of(stuck) as store:
        why = keeper.finish(stuck, store)

    assert len(why) == 1
    assert "of 1-256 has expired and cannot be taken out: " in why[0]
    *_, (_, _, last) = said(stuck, "keeper", (Expired,))
    assert isinstance(last, Expired)
    assert not (folders(stuck)[1] / f"{last.retention}.bundles").exists()


def test_an_expiry_that_cannot_be_finished_keeps_nothing_from_being_sealed_and_is_told(stuck: Path) -> None:
    hub = SmallHub(stuck)
    hub.say("ws3", *[Frame(EntryKind.DID, "Other", b"{}")] * 600, wall=OLD)
    hub.drain(rounds=2)
    hub.sign()
    hub.close()
    store = Store.open(store_of(stuck))
    signer = keys.load(keys.key_of(stuck))
    assert signer is not None
    told: list[Message] = []
    sealer = Sealer(stuck, store, signer, AuditorSpec(seal_after_s=1.0, seal_entries=1_024), told.append)

    sealer.start()
    until(lambda: any(isinstance(word, KeepingStuck) for word in told))
    sealer.close()
    store.close()

    assert any(isinstance(word, SegmentSealed) for word in told), told
    (word,) = [word for word in told if isinstance(word, KeepingStuck)]
    state = decide(start("auditor", AuditorSpec()), Envelope("1", "a", "a", word, 1.0)).state
    assert "cannot be taken out" in degraded(state)
    state = decide(state, Envelope("2", "a", "a", KeepingStuck(why=""), 1.0)).state
    assert degraded(state) == ""


# --- copies of keys ---------------------------------------------------------------------------------------------------


def test_keys_are_on_the_disk_before_it_is_said_that_they_were_copied(
    sealing: Sealing, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path_factory.mktemp("copy").resolve() / "new" / "keys"
    synced: list[Path] = []
    true_sync = os.fsync
    before: list[Path] = []

    def fsync(fd: int) -> None:
        true_sync(fd)
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())

    def watched(home: Path, fact: Fact) -> str:
        before.extend(synced)
        return keeper_say(home, fact)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(key_copies, "say", watched)

    key_copies.save(sealing.home, copy, "Eve", 3.0)

    assert {*copy.iterdir(), copy, copy.parent, copy.parent.parent} <= {*before}


def test_whoever_waits_in_vain_is_told_for_whom(sealing: Sealing) -> None:
    with deciding(sealing.home), pytest.raises(CallerError, match="somebody else places a hold, erases or has entries"):
        keeper.place(sealing.home, HOLD, wait_s=0.0)
