"""A backup is one moment of the trail, and what is brought back goes on without a second past."""

import contextlib
import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from alluse_hub.actors.auditor.backup import consistent
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.manifest import files_in
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.protocols.trail import Closed, EntryKind
from alluse_hub.supervision.lock import locked_inside
from alluse_hub.supervision.spool import Frame, SpoolEntry, SpoolName, read
from tests.actors.auditor.conftest import SmallHub

Capture = pytest.CaptureFixture[str]


def copied(home: Path, capsys: Capture, name: str = "copy") -> Path:
    target = home.parent / name
    assert main(["trail", "backup", str(target), "--home", str(home)]) == failure.DONE, capsys.readouterr().err
    capsys.readouterr()
    return target


def restored(folder: Path, home: Path, *flags: str) -> int:
    return main(["trail", "restore", str(folder), "--home", str(home), *flags])


def grow(home: Path) -> None:
    """The hub goes on: entries, an end of an incarnation, a checkpoint."""
    hub = SmallHub(home)
    for n in range(20):
        hub.say("ws3", Frame(EntryKind.FACT, "Said", b'{"x":%d}' % n), at=9)
    hub.drain(rounds=2)
    hub.sign()
    hub.close()


def root(home: Path, capsys: Capture) -> tuple[int, str]:
    assert main(["trail", "verify", str(home), "--json"]) == failure.DONE
    doc = json.loads(capsys.readouterr().out)
    return doc["entries"], doc["root"]


def empty_but_for_its_head(home: Path) -> None:
    """What an operator does who has lost the database for good."""
    aside = home.parent / "aside"
    aside.mkdir()
    for path in (home / "trail").iterdir():
        if path.name != "head":
            path.rename(aside / path.name)


# --- taking ----------------------------------------------------------------------------------------------------------


def test_a_backup_verifies_to_the_root_of_its_trail_and_holds_no_secret(home: Path, capsys: Capture) -> None:
    copy = copied(home, capsys)

    assert root(copy, capsys) == root(home, capsys)
    manifest = json.loads((copy / "MANIFEST.json").read_text())
    assert (manifest["entries"], manifest["findings"]) == (root(home, capsys)[0], [])
    assert not list(copy.rglob("*.key"))
    assert (home / "keys" / "trail.key").exists()


def test_a_backup_is_not_written_over_another(home: Path, capsys: Capture) -> None:
    copy = copied(home, capsys)

    assert main(["trail", "backup", str(copy), "--home", str(home)]) == failure.CONFLICT


def test_what_is_stored_no_more_lies_in_the_spools_of_the_backup(home: Path, capsys: Capture) -> None:
    hub = SmallHub(home)
    hub.say("late", Frame(EntryKind.FACT, "Said", b'{"x":1}'))

    copy = copied(home, capsys)

    hub.close()
    assert [entry.body for entry in read(copy / "trail" / "spool" / "late@1.spool").entries] == ['{"x":1}']
    stored = [path for path in (copy / "trail" / "spool").iterdir() if not path.stat().st_size]
    assert stored, "a spool that is stored to its end only keeps the count"


def test_backups_beside_a_busy_hub_are_each_one_moment(home: Path, capsys: Capture) -> None:
    """Two who hear each other all the time, restarts among them, and an auditor: no copy has half of a talk."""
    hub, stop = SmallHub(home), threading.Event()

    def talk() -> None:
        while not stop.is_set():
            spool = hub.restart("ws3")
            for _ in range(40):
                own = hub.say("ws3", Frame(EntryKind.SENT, "Said", b'{"x":1}', "ws4"), at=9)
                letter = f"ws3/{spool.incarnation}/{own}"
                answer = hub.say("ws4", Frame(EntryKind.HEARD, "Said", b"", "ws3", letter=letter), at=9)
                assert answer
            hub.drain()

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        for turn in range(4):
            copied(home, capsys, f"copy{turn}")
    finally:
        stop.set()
        talker.join()
        hub.close()


def test_a_letter_that_is_said_and_heard_while_the_spools_are_measured_is_in_the_copy_of_neither(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, measure, talks = SmallHub(home), os.fstat, list[str]()
    sender = hub.restart("ws3")
    hub.say("ws3", Frame(EntryKind.SENT, "Said", b'{"x":0}', "ws4"), at=9)
    hub.say("ws4", Frame(EntryKind.FACT, "Said", b'{"x":0}'), at=9)

    def measured(fd: int) -> os.stat_result:
        found = measure(fd)
        if not talks and Path(f"/proc/self/fd/{fd}").readlink() == sender.path:
            own = hub.say("ws3", Frame(EntryKind.SENT, "Said", b'{"x":1}', "ws4"), at=9)
            talks.append(f"ws3/{sender.incarnation}/{own}")
            hub.say("ws4", Frame(EntryKind.HEARD, "Said", b"", "ws3", letter=talks[0]), at=9)
        return found

    monkeypatch.setattr("alluse_hub.actors.auditor.backup.os", SimpleNamespace(**vars(os) | {"fstat": measured}))
    copy = copied(home, capsys)
    hub.close()

    assert talks
    kept = [entry for path in (copy / "trail" / "spool").iterdir() for entry in read(path).entries]
    assert [entry.body for entry in kept if entry.body] == ['{"x":0}', '{"x":0}']


def said(name: SpoolName, n: int, letter: str = "", closed: SpoolName | None = None, last: int = 0) -> SpoolEntry:
    if closed:
        fact = Closed(actor=closed.actor, incarnation=closed.incarnation, n=last).model_dump_json()
        return SpoolEntry(n, "fact", "Closed", "", "", "", "", 1.0, 1.0, False, fact)
    return SpoolEntry(n, "heard" if letter else "sent", "Said", "", letter, "", "", 1.0, 1.0, False, "")


A, B, C = SpoolName("a", 1), SpoolName("b", 1), SpoolName("c", 1)


def test_what_speaks_of_entries_that_were_not_copied_is_cut_off_and_what_hangs_on_it_too() -> None:
    tails = {
        A: [said(A, 1), said(A, 2)],
        B: [said(B, 1, "a/1/2"), said(B, 2, "a/1/3"), said(B, 3)],  # a/1/3 came after a's spool was copied
        C: [said(C, 1, "b/1/1"), said(C, 2, "b/1/3"), said(C, 3)],
    }

    assert consistent(tails, {}) == {A: 2, B: 1, C: 1}


def test_an_end_that_is_recorded_before_the_last_entries_were_copied_is_cut_off() -> None:
    tails = {A: [said(A, 11)], C: [said(C, 1), said(C, 2, closed=A, last=12)]}

    assert consistent(tails, {A: 10}) == {A: 11, C: 1}


def test_what_is_missing_of_an_incarnation_that_ended_long_ago_is_no_reason_to_cut() -> None:
    tails = {A: [said(A, 1, "b/1/7"), said(A, 2)]}

    assert consistent(tails, {SpoolName("b", 2): 3}) == {A: 2, SpoolName("b", 2): 3}


# --- bringing back ---------------------------------------------------------------------------------------------------


def test_a_restored_home_verifies_to_the_same_root_and_goes_on(home: Path, tmp_path: Path, capsys: Capture) -> None:
    before = root(home, capsys)
    copy, new = copied(home, capsys), tmp_path / "new"

    assert restored(copy, new) == failure.DONE

    out = capsys.readouterr().out
    assert "complete through entry" in out
    assert "the log goes on under a new key" in out
    assert root(new, capsys) == before
    grow(new)
    entries, _ = root(new, capsys)
    assert entries > before[0]
    facts = SmallHub(new).rows("actor, body", "WHERE message = 'Restored'")
    assert len(facts) == 1
    assert json.loads(str(facts[0][1]))["root"] == before[1]


def test_no_id_of_a_lost_entry_is_given_again(home: Path, tmp_path: Path, capsys: Capture) -> None:
    copy, new = copied(home, capsys), tmp_path / "new"
    grow(home)
    restored(copy, new)

    def ids(of: Path) -> set[tuple[object, ...]]:
        return set(SmallHub(of).rows("actor, incarnation, n", "WHERE leaf > 700"))

    lost = set(SmallHub(home).rows("actor, incarnation, n")) - set(SmallHub(new).rows("actor, incarnation, n"))
    grow(new)

    assert lost
    assert not lost & set(SmallHub(new).rows("actor, incarnation, n"))


def test_an_older_backup_over_a_newer_head_is_refused_and_on_demand_recorded(home: Path, capsys: Capture) -> None:
    copy = copied(home, capsys)
    grow(home)
    newer, newer_root = root(home, capsys)
    key = (home / "keys" / "trail.vkey").read_text()
    empty_but_for_its_head(home)

    assert restored(copy, home) == failure.CONFLICT
    assert f"where there have been {newer}" in capsys.readouterr().err
    assert not (home / "trail" / "trail.db").exists()
    assert restored(copy, home, "--older", "--json") == failure.DONE

    doc = json.loads(capsys.readouterr().out)
    assert (doc["lost_entries"], doc["lost_root"], doc["is_new_key"]) == (newer, newer_root, True)
    assert (home / "keys" / "trail.vkey").read_text() != key, "no key signs two pasts"
    assert (home / "trail" / f"head.lost-{newer}").exists()
    grow(home)
    assert len(SmallHub(home).rows("leaf", "WHERE message = 'Restored'")) == 1
    assert main(["trail", "verify", str(home)]) == failure.DONE


def test_the_key_of_the_home_signs_on_if_its_head_shows_that_nothing_newer_was_signed(
    home: Path, capsys: Capture
) -> None:
    copy = copied(home, capsys)
    key = (home / "keys" / "trail.vkey").read_text()
    empty_but_for_its_head(home)

    assert restored(copy, home) == failure.DONE

    assert (home / "keys" / "trail.vkey").read_text() == key
    assert "new key" not in capsys.readouterr().out
    grow(home)
    assert main(["trail", "verify", str(home)]) == failure.DONE


def test_a_head_of_another_log_is_refused(home: Path, tmp_path: Path, capsys: Capture) -> None:
    copy, other = copied(home, capsys), tmp_path / "other"
    (other / "trail").mkdir(parents=True)
    head = (home / "trail" / "head").read_text()
    (other / "trail" / "head").write_text("elsewhere/1" + head[head.index("\n") :])

    assert restored(copy, other) == failure.FAILED
    assert "is of the log elsewhere/1" in capsys.readouterr().err


def test_an_altered_lost_or_stray_file_of_a_backup_is_refused(home: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = copied(home, capsys)
    database = copy / "trail" / "trail.db"

    def refusal() -> str:
        assert restored(copy, tmp_path / "new") == failure.FAILED
        assert not (tmp_path / "new" / "trail" / "trail.db").exists()
        return capsys.readouterr().err

    raw = bytearray(database.read_bytes())
    raw[len(raw) // 2] ^= 1
    database.write_bytes(raw)
    assert "trail.db was altered since the backup was made" in refusal()
    raw[len(raw) // 2] ^= 1
    database.write_bytes(raw)
    (copy / "trail" / "trail.db-wal").write_bytes(b"of another day")
    assert "trail.db-wal is the log of another database" in refusal()
    (copy / "trail" / "trail.db-wal").unlink()
    (copy / "trail" / "spool" / "x@1.spool").touch()
    assert "does not belong to this backup" in refusal()
    (copy / "trail" / "spool" / "x@1.spool").unlink()
    (copy / "clock.json").symlink_to("/etc/hostname")
    assert "is no plain file" in refusal()
    (copy / "clock.json").unlink()
    (copy / "MANIFEST.json").rename(copy / "aside")
    assert "no whole backup" in refusal()


def test_a_manifest_that_was_made_to_fit_an_altered_database_is_found_out(
    home: Path, tmp_path: Path, capsys: Capture
) -> None:
    copy = copied(home, capsys)
    with contextlib.closing(sqlite3.connect(copy / "trail" / "trail.db")) as db, db:
        db.execute("""UPDATE entries SET body = '{"x":0}' WHERE leaf = 5""")
    manifest = json.loads((copy / "MANIFEST.json").read_text())
    manifest["files"] = {name: each.model_dump() for name, each in files_in(copy).items()}
    (copy / "MANIFEST.json").write_text(json.dumps(manifest))

    assert restored(copy, tmp_path / "new") == failure.FAILED
    assert "does not verify: the entry at place 5" in capsys.readouterr().err


def test_a_home_that_is_not_empty_is_refused(home: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = copied(home, capsys)

    assert restored(copy, home) == failure.CONFLICT
    assert "is not empty: it has trail.db" in capsys.readouterr().err
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "aunt.txt").touch()
    assert restored(copy, tmp_path / "letters") == failure.CONFLICT
    assert "aunt.txt, which is no hub's" in capsys.readouterr().err


def test_a_home_with_a_running_hub_is_refused(home: Path, tmp_path: Path, capsys: Capture) -> None:
    copy, new = copied(home, capsys), tmp_path / "new"
    (new / "run").mkdir(parents=True)

    with locked_inside(new):
        assert restored(copy, new) == failure.CONFLICT

    assert "another daemon" in capsys.readouterr().err


def test_a_drill_leaves_nothing_and_says_how_long_and_through_which_entry(
    home: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copied(home, capsys)
    (tmp_path / "drills").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "drills"))

    assert main(["trail", "restore", str(copy), "--drill", "--json"]) == failure.DONE

    doc = json.loads(capsys.readouterr().out)
    assert (doc["drill"], doc["entries"]) == (True, root(home, capsys)[0])
    assert doc["took_s"] > 0
    assert doc["last"] == "auditor/4/" + doc["last"].rpartition("/")[2]
    assert not list((tmp_path / "drills").iterdir())


def test_a_backup_of_a_broken_trail_says_so_and_is_not_restored(home: Path, tmp_path: Path, capsys: Capture) -> None:
    with contextlib.closing(sqlite3.connect(home / "trail" / "trail.db")) as db, db:
        db.execute("DELETE FROM entries WHERE leaf = 5")

    assert main(["trail", "backup", str(tmp_path / "copy"), "--home", str(home)]) == failure.TRAIL_BROKEN
    assert "place 5 is missing" in capsys.readouterr().err
    assert restored(tmp_path / "copy", tmp_path / "new") == failure.TRAIL_BROKEN
