"""The verifier as a program: spools, logs of another time, exit statuses; and that it changes nothing."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import bindings, keys
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.actors.auditor.worker import AuditorWorker
from alluse_hub.hub_verify import BROKEN, UNVERIFIED, USAGE, WHOLE, CannotVerifyError, Report, verify
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, TailSpools
from alluse_hub.supervision.spool import Frame, SpoolName
from alluse_hub.supervision.workshop import Context
from tests.actors.auditor.classed import seal_through
from tests.actors.auditor.words import SAID, until

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub


def db_of(home: Path) -> Path:
    return home / "trail" / "trail.db"


def edit(home: Path) -> None:
    with closing(sqlite3.connect(db_of(home))) as db, db:
        db.execute("UPDATE entries SET body = replace(body, 'x', 'y') WHERE leaf = 201")


def said_by(report: Report) -> str:
    return "\n".join(report.findings)


# --- spools --------------------------------------------------------------------------------------------------------


def test_entries_still_in_a_spool_are_counted_on(hub: "SmallHub") -> None:
    hub.say("ws3", SAID, SAID)
    hub.drain()
    hub.sign()
    hub.say("ws3", SAID, SAID, SAID)

    report = verify(hub.home)

    assert report.findings == []
    assert report.figures["spooled"] >= 3


@pytest.mark.parametrize("tail", [bytes(4_096), b"HUBt" + bytes(4_096), b"HUBt\x01\x02" + bytes(400)])
def test_a_zero_filled_tail_of_a_spool_is_damage_and_no_entry(hub: "SmallHub", tail: bytes) -> None:
    hub.say("ws3", SAID)
    hub.drain()
    hub.sign()
    with (hub.directory / "ws3@1.spool").open("ab") as file:
        file.write(tail)

    report = verify(hub.home)

    assert "ws3@1.spool: behind entry 1" in said_by(report)


@pytest.mark.parametrize("at", [0, 4, 12, 20, 60])
def test_a_flipped_bit_in_a_spool_is_damage_and_no_entry(hub: "SmallHub", at: int) -> None:
    hub.say("ws3", SAID)
    hub.drain()
    hub.sign()
    spool = hub.directory / "ws3@1.spool"
    first = spool.stat().st_size
    hub.say("ws3", SAID)
    raw = bytearray(spool.read_bytes())
    raw[first + at] ^= 1
    spool.write_bytes(raw)

    assert "ws3@1.spool: behind entry 1" in said_by(verify(hub.home))


@pytest.mark.parametrize("left", [5, 40])
def test_a_torn_tail_of_a_spool_is_told_and_no_damage(hub: "SmallHub", left: int) -> None:
    hub.say("ws3", SAID)
    hub.drain()
    hub.sign()
    spool = hub.directory / "ws3@1.spool"
    first = spool.stat().st_size
    hub.say("ws3", SAID)
    os.truncate(spool, first + left)

    report = verify(hub.home)

    assert report.findings == []
    assert any(text.startswith(f"ws3@1.spool: the last {left} bytes, behind entry 1") for text in report.told)


def test_a_frame_that_comes_twice_in_a_spool_is_damage(hub: "SmallHub") -> None:
    hub.say("ws3", SAID)
    hub.drain()
    hub.sign()
    spool = hub.directory / "ws3@1.spool"
    spool.write_bytes(spool.read_bytes() * 2)

    assert "ws3@1.spool: behind entry 1" in said_by(verify(hub.home))


def test_a_letter_that_nobody_sent_is_named(hub: "SmallHub") -> None:
    hub.say("ws4", Frame(EntryKind.HEARD, "Said", b"", "ws3", letter="ws3/1/7"))
    hub.drain()
    hub.sign()

    assert "ws3/1/7 was heard (ws4/1/1), but nobody sent it" in said_by(verify(hub.home))


def test_an_end_that_is_not_where_it_was_recorded_is_named(hub: "SmallHub") -> None:
    closed = json.dumps({"actor": "ws3", "incarnation": 1, "n": 5, "torn_bytes": 0}).encode()
    hub.say("ws3", SAID)
    hub.say("auditor", Frame(EntryKind.FACT, "Closed", closed))

    hub.ingest(lambda _: None)
    hub.sign()

    assert "ws3/1 ended with its entry 5 on record, but its last one here is 1" in said_by(verify(hub.home))


@pytest.fixture
def meanwhile(hub: "SmallHub", monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], object]]]:
    """What is put here happens while a trail is verified: after the store was read, and before the spools are.  All by
    one library of SQLite, since two on one file in one process undo each other's locks."""
    happening: list[Callable[[], object]] = []
    verify_spools = hub_verify.verify_spools

    def later(*args: Any) -> int:  # Any: whatever it takes
        for happen in happening:
            happen()
        return verify_spools(*args)

    hub.say("ws4", SAID)
    hub.drain()
    hub.sign()
    monkeypatch.setattr(hub_verify, "sqlite3", bindings.sqlite3)
    monkeypatch.setattr(hub_verify, "verify_spools", later)
    with closing(Store.open(hub.db)):  # held open, as by an auditor
        yield happening


def test_a_letter_that_is_sealed_while_the_trail_is_verified_has_been_sent(
    hub: "SmallHub", meanwhile: list[Callable[[], object]]
) -> None:
    def happen() -> None:
        hub.say("ws3", *[Frame(EntryKind.SENT, "Said", b"{}", "ws4")] * 600)
        hub.ingest(lambda _: None)
        hub.sign()
        assert seal_through(hub.home, 512) is not None
        hub.say("ws4", Frame(EntryKind.HEARD, "Said", b"", "ws3", letter="ws3/1/100"))

    meanwhile.append(happen)

    assert verify(hub.home).findings == []


def test_a_letter_that_is_heard_while_the_spools_are_read_has_been_sent_though_it_is_not_stored_yet(
    hub: "SmallHub", meanwhile: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.say("ws3", SAID)
    frames = hub_verify.frames

    def slow(path: Path, *rest: Any) -> Iterator[Any]:  # Any: whatever it takes and gives
        yield from frames(path, *rest)
        if path.name.startswith("ws3@") and not meanwhile:
            meanwhile.append(lambda: None)
            said = hub.say("ws3", Frame(EntryKind.SENT, "Said", b"{}", "ws4"))
            hub.say("ws4", Frame(EntryKind.HEARD, "Said", b"", "ws3", letter=f"ws3/1/{said}"))

    monkeypatch.setattr(hub_verify, "frames", slow)

    assert verify(hub.home).findings == []


@pytest.mark.parametrize(("recorded", "is_found"), [(1, False), (2, True)])
def test_what_begins_and_ends_while_the_trail_is_verified_is_judged_by_what_was_stored(
    hub: "SmallHub", meanwhile: list[Callable[[], object]], *, recorded: int, is_found: bool
) -> None:
    closed = json.dumps({"actor": "keeper", "incarnation": 1, "n": recorded, "torn_bytes": 0}).encode()
    hub.say("auditor", SAID)  # its spool is listed, and the one of the keeper is not

    def happen() -> None:
        hub.say("keeper", SAID)
        hub.ingest(lambda _: None)
        hub.say("auditor", Frame(EntryKind.FACT, "Closed", closed))

    meanwhile.append(happen)

    assert ("keeper/1 ended with its entry" in said_by(verify(hub.home))) == is_found


# --- logs of another time ------------------------------------------------------------------------------------------


def commit(store: Store, first: int, count: int) -> None:
    rows = [
        Row("ws3", 1, n, "fact", "Said", "", "", "", "", 1.0, 2.0, False, "ws3", "{}" * 500)
        for n in range(first, first + count)
    ]
    store.commit(rows, {SpoolName("ws3", 1): Place(first + count, first + count - 1)})


@pytest.mark.parametrize("order", ["an older log beside a newer database", "a newer log beside an older database"])
def test_a_log_of_another_time_is_refused_by_verifier_and_auditor_and_played_into_nothing(
    tmp_path: Path, order: str
) -> None:
    path = tmp_path / "trail" / "trail.db"
    log = path.with_name("trail.db-wal")
    store = Store.open(path)
    commit(store, 1, 50)
    store.close()
    early = Path(shutil.copy(path, tmp_path / "early.db"))
    store = Store.open(path)
    commit(store, 51, 50)
    early_log = Path(shutil.copy(log, tmp_path / "early-wal"))
    store.close()
    store = Store.open(path)
    commit(store, 101, 50)
    late_log = Path(shutil.copy(log, tmp_path / "late-wal"))
    store.close()
    if order.startswith("an older"):
        shutil.copy(early_log, log)
    else:
        shutil.copy(early, path)
        shutil.copy(late_log, log)
    before = path.read_bytes(), log.read_bytes()
    keys.make(keys.key_of(tmp_path), "alluse/1")

    with pytest.raises(CannotVerifyError, match=r"older than|is not of"):
        verify(tmp_path)
    with pytest.raises(TrailError, match="copied beside the log of another time"):
        Store.open(path)

    assert (path.read_bytes(), log.read_bytes()) == before


def test_a_database_left_by_a_kill_is_read_with_its_own_log(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "trail" / "trail.db")
    commit(store, 1, 50)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "trail", copy / "trail")
    store.close()
    keys.make(keys.key_of(copy), "alluse/1")

    report = verify(copy)

    assert report.findings == []
    assert report.figures["entries"] == 50
    Store.open(copy / "trail" / "trail.db").close()


# --- the program ---------------------------------------------------------------------------------------------------


def digests(home: Path) -> dict[str, str]:
    files = [path for path in sorted(home.rglob("*")) if path.is_file() and not path.name.endswith("-shm")]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def alone(*words: str) -> subprocess.CompletedProcess[str]:
    """The file by itself: no hub, no library beside the standard one."""
    script = Path(hub_verify.__file__)
    return subprocess.run(
        [sys.executable, "-I", "-S", script, *words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )


def test_the_file_runs_alone_and_its_exit_status_tells(home: Path, tmp_path: Path) -> None:
    key = (home / "keys" / "trail.vkey").read_text(encoding="utf-8").strip()

    whole = alone(str(home), "--vkey", key, "--json")
    edit(home)
    broken = alone(str(home / "trail"), "--vkey", key)

    assert (whole.returncode, broken.returncode) == (WHOLE, BROKEN)
    assert json.loads(whole.stdout)["whole"] is True
    assert broken.stdout.startswith("the trail is broken: ")
    assert "wrong: the entry at place 201" in broken.stdout
    assert alone(str(tmp_path / "nowhere")).returncode == USAGE
    assert alone(str(home), "--vkey", "nonsense").returncode == USAGE


def test_verifying_changes_no_file(home: Path) -> None:
    before = digests(home)

    verify(home)

    assert digests(home) == before


def beside(home: Path) -> dict[str, object]:
    """What a process of its own finds: two libraries of SQLite on one file in one process undo each other's locks."""
    said = alone(str(home), "--json")
    assert said.returncode == WHOLE, said
    found: dict[str, object] = json.loads(said.stdout)
    return found


def test_a_trail_is_verified_beside_the_auditor_that_has_it_open(hub: "SmallHub") -> None:
    hub.say("ws3", SAID)
    hub.drain()
    hub.sign()
    store = Store.open(hub.db)
    before = digests(hub.home)

    beside(hub.home)

    assert digests(hub.home) == before
    store.close()


def test_a_trail_is_whole_at_every_moment_of_its_writing_and_signed_without_an_end(hub: "SmallHub") -> None:
    worker = AuditorWorker(Context("auditor", hub.home, AuditorSpec(linger_s=0.0), lambda _: None))
    worker.do(TailSpools())
    hub.say("ws3", SAID)
    try:
        until((hub.home / "trail" / "head").exists)
        for _ in range(5):
            hub.say("ws3", *[SAID] * 400)
            beside(hub.home)
    finally:
        worker.close()

    assert beside(hub.home)["signed"] == 1 + 5 * 400


def test_a_database_that_is_damaged_is_broken_and_not_a_traceback(home: Path) -> None:
    raw = bytearray(db_of(home).read_bytes())
    raw[8_192:16_384] = os.urandom(8_192)
    db_of(home).write_bytes(raw)

    assert alone(str(home)).returncode == BROKEN


def test_a_store_of_an_older_hub_is_not_called_broken(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    keys.make(keys.key_of(tmp_path), "alluse/1")
    with closing(sqlite3.connect(tmp_path / "trail.db")) as db, db:
        db.execute("CREATE TABLE entries (leaf INTEGER PRIMARY KEY)")
    (tmp_path / "trail").mkdir()
    (tmp_path / "trail.db").rename(tmp_path / "trail" / "trail.db")

    assert alone(str(tmp_path)).returncode == UNVERIFIED


def test_of_many_checkpoints_a_part_is_verified_and_told_unless_all_are_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_verify, "SIGNATURES_MAX", 3)

    some, every = verify(home), verify(home, every=True)

    assert any("of 4 stored checkpoints were verified; --all" in text for text in some.told)
    assert every.figures["signatures"] == 5
