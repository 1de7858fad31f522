"""When heads are signed, by which key, and what an auditor says at its start to a trail of another day."""

import itertools
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import ENTRIES_MAX, Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.merkle import consistency, extends
from alluse_hub.actors.auditor.notes import Checkpoint, Note, Vkey
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.spool import SpoolName
from tests.actors.auditor.words import SAID

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub


class Desk:
    """A store with a notary and a clock that is moved by hand."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now = 100.0
        self.n = 0
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.home / "trail" / "trail.db")
        self.head = Head(self.home / "trail" / "head")
        signer = keys.for_trail(self.home, "alluse", is_new=not self.store.newest_checkpoint())
        self.notary = Notary(self.store, self.head, signer, lambda: self.now)

    def begin(self) -> None:
        """As an auditor at its start, and at its first turn."""
        self.notary.begin()
        self.notary.seal()

    def say(self, entries: int) -> None:
        numbers = range(self.n + 1, self.n + 1 + entries)
        self.n += entries
        rows = [Row("ws3", 1, n, "fact", "Said", "", "", "", "", 1.0, 2.0, False, "ws3", "{}") for n in numbers]
        self.store.commit(rows, {SpoolName("ws3", 1): Place(self.n, self.n)})

    def checkpoints(self) -> list[Checkpoint]:
        rows = self.store._db.execute("SELECT note FROM checkpoints ORDER BY size").fetchall()
        return [Checkpoint.parse(Note.parse(note).text) for (note,) in rows]

    def close(self) -> None:
        self.store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


# --- when ----------------------------------------------------------------------------------------------------------


def test_an_idle_hub_signs_nothing_and_sets_no_timer(desk: Desk) -> None:
    desk.begin()

    assert desk.notary.due_s() is None
    assert not desk.notary.seal()
    assert desk.checkpoints() == []


def test_new_entries_are_signed_within_a_second(desk: Desk) -> None:
    desk.begin()
    desk.say(1)
    assert desk.notary.seal_if_due()

    desk.say(1)
    desk.now += 0.25
    assert desk.notary.due_s() == 0.75
    assert not desk.notary.seal_if_due()
    desk.now += 0.75
    assert desk.notary.seal_if_due()

    assert [checkpoint.size for checkpoint in desk.checkpoints()] == [1, 2]
    assert desk.notary.due_s() is None


def test_ten_thousand_entries_are_signed_at_once(desk: Desk) -> None:
    desk.say(1)
    desk.begin()

    desk.say(ENTRIES_MAX - 1)
    assert not desk.notary.seal_if_due()
    desk.say(1)
    assert desk.notary.seal_if_due()


def test_each_checkpoint_begins_with_the_one_before_and_is_signed(desk: Desk) -> None:
    desk.begin()
    for entries in (1, 2, 300, 5):
        desk.say(entries)
        desk.notary.seal()

    all_of_them = desk.checkpoints()
    for old, new in itertools.pairwise(all_of_them):
        proof = consistency(old.size, new.size, desk.store.tree.nodes)
        assert extends(old.size, new.size, proof, old.root, new.root)
    key = Vkey.parse(keys.key_of(desk.home).with_suffix(".vkey").read_text(encoding="utf-8"))
    assert Note.parse(desk.store.newest_checkpoint()).signed_by(key)
    assert desk.head.read() == desk.store.newest_checkpoint()
    assert {checkpoint.origin for checkpoint in all_of_them} == {key.name}


def test_the_origin_is_the_hubs_name_and_chosen_once(desk: Desk) -> None:
    first = desk.notary.origin
    desk.close()
    desk.open()

    assert first.startswith("alluse/")
    assert desk.notary.origin == first
    assert keys.new_origin("alluse") != keys.new_origin("alluse")


def test_an_auditor_killed_between_commit_and_checkpoint_is_followed_by_one_that_signs(desk: Desk) -> None:
    desk.begin()
    desk.say(300)
    before = desk.store.tree.now
    desk.close()

    desk.open()
    assert desk.store.tree.now == before
    desk.begin()

    assert [checkpoint.size for checkpoint in desk.checkpoints()] == [300]


def test_an_auditor_killed_between_head_and_store_is_followed_by_one_that_stores_that_very_head(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.begin()
    desk.say(3)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(desk.store, "keep_checkpoint", die)
    with pytest.raises(KeyboardInterrupt):
        desk.notary.seal()
    signed = desk.head.read()
    desk.close()
    desk.open()
    desk.begin()

    assert desk.store.newest_checkpoint() == signed != ""


# --- what is not signed --------------------------------------------------------------------------------------------


def test_of_two_auditors_only_one_can_write_and_only_one_can_sign(desk: Desk) -> None:
    other = Desk(desk.home)
    desk.begin()
    other.begin()
    desk.say(2)

    with pytest.raises(TrailError, match=r"already has an entry|another auditor"):
        other.say(3)
    desk.notary.seal()
    other.store.tree.now = desk.store.tree.now
    with pytest.raises(TrailError, match="changed by another auditor"):
        other.notary.seal()
    other.close()


def test_a_second_writer_of_other_entries_is_refused_before_it_commits(desk: Desk) -> None:
    other = Desk(desk.home)
    desk.say(2)
    row = Row("ws4", 1, 1, "fact", "Said", "", "", "", "", 1.0, 2.0, False, "ws4", "{}")

    with pytest.raises(TrailError, match="has 3 entries where its tree has 1: does another auditor write"):
        other.store.commit([row], {SpoolName("ws4", 1): Place(1, 1)})

    assert desk.store._db.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    other.close()


def test_a_database_of_an_older_day_is_noticed_at_the_start(hub: "SmallHub") -> None:
    hub.say("ws3", SAID)
    hub.drain()
    hub.sign()
    shutil.copy(hub.db, hub.home / "older")
    hub.say("ws3", SAID, SAID)
    hub.drain()
    hub.sign()

    shutil.copy(hub.home / "older", hub.db)

    with pytest.raises(TrailError, match=r"trail\.db is older than .*head says: \d+ entries where there have been \d+"):
        hub.sign()


def test_a_database_without_its_newest_checkpoint_learns_it_from_the_head(desk: Desk) -> None:
    desk.begin()
    desk.say(2)
    desk.notary.seal()
    with desk.store._db.atomic():
        desk.store._db.conn.execute("DELETE FROM checkpoints")
    desk.close()
    desk.open()
    desk.begin()

    assert [checkpoint.size for checkpoint in desk.checkpoints()] == [2]


def test_a_lost_head_is_written_again_and_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.say(2)
    desk.begin()
    note = desk.head.read()
    desk.head.path.unlink()
    desk.close()
    desk.open()
    desk.begin()

    assert desk.head.read() == note
    assert "was not the newest" in caplog.text


def test_an_altered_tree_is_not_signed_over(desk: Desk) -> None:
    desk.say(300)
    desk.begin()
    with desk.store._db.atomic():
        desk.store._db.conn.execute("UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND place = 0")
        desk.store._db.conn.execute("UPDATE tiles SET hashes = zeroblob(32) WHERE level = 1")
    desk.close()
    desk.open()

    with pytest.raises(TrailError, match="was altered, or is another log's: its first 300 entries"):
        desk.begin()


@pytest.mark.parametrize("sql", ["DELETE FROM entries WHERE leaf = 3", "UPDATE entries SET leaf = 9 WHERE leaf = 3"])
def test_entries_taken_or_added_at_the_end_are_noticed_at_the_start(desk: Desk, sql: str) -> None:
    desk.say(3)
    with desk.store._db.atomic():
        desk.store._db.conn.execute(sql)
    desk.close()

    with pytest.raises(TrailError, match=r"was altered: it has \d entries where its tree has 3"):
        Store.open(desk.home / "trail" / "trail.db")


def test_a_key_of_another_log_signs_nothing_here(desk: Desk) -> None:
    desk.say(1)
    desk.begin()
    desk.close()
    keys.make(keys.key_of(desk.home), "alluse/ffffffffffff")
    desk.open()

    with pytest.raises(TrailError, match="signs for alluse/ffffffffffff; bring back"):
        desk.begin()


def test_a_head_that_is_no_note_is_refused(desk: Desk) -> None:
    desk.head.path.write_text("nonsense", encoding="utf-8")

    with pytest.raises(TrailError, match="head is no checkpoint of this hub"):
        desk.begin()


# --- keys ----------------------------------------------------------------------------------------------------------


def test_a_key_is_closed_to_others_and_its_public_half_is_not(desk: Desk) -> None:
    path = keys.key_of(desk.home)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "PRIVATE" not in path.with_suffix(".vkey").read_text(encoding="utf-8")


def test_a_key_that_others_may_read_is_refused(desk: Desk) -> None:
    keys.key_of(desk.home).chmod(0o644)

    with pytest.raises(TrailError, match="open to others"):
        keys.load(keys.key_of(desk.home))


def test_a_lost_key_is_not_silently_replaced(desk: Desk) -> None:
    keys.key_of(desk.home).unlink()

    with pytest.raises(TrailError, match=r"is gone, which signed this trail.*trail key --new"):
        keys.for_trail(desk.home, "alluse", is_new=False)


def test_a_new_key_goes_on_with_the_same_log(desk: Desk) -> None:
    desk.say(1)
    desk.begin()
    desk.close()
    old = keys.load(keys.key_of(desk.home))
    assert old is not None
    new = keys.make(keys.key_of(desk.home), old.vkey.name)
    desk.open()
    desk.say(1)
    desk.begin()

    kept = [Vkey.parse(path.read_text(encoding="utf-8")) for path in keys.key_of(desk.home).parent.glob("*until*")]
    assert kept == [old.vkey]
    assert Note.parse(desk.store.newest_checkpoint()).signed_by(new.vkey)


def test_what_is_no_key_is_refused_without_being_shown(desk: Desk) -> None:
    keys.key_of(desk.home).write_text("PRIVATE+KEY+secret", encoding="utf-8")

    with pytest.raises(TrailError, match="is no key") as refused:
        keys.load(keys.key_of(desk.home))
    assert "secret+" not in str(refused.value)
