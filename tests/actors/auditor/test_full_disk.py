"""Spools and store on a disk that is full: nothing is lost, nothing is cut in two, and it ends by itself."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.store import Store, StoreFullError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, TailStuck
from alluse_hub.supervision.spool import RESERVE_BYTES, Frame, Spool, SpoolFullError, read
from tests.actors.auditor.conftest import SmallHub
from tests.live.daemons import eventually
from tests.small_disk import fill, small_disk

DISK_BYTES = 3 << 20
FACT = Frame(EntryKind.FACT, "Said", b'{"x":"' + b"y" * 900 + b'"}')


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


def write_until_full(spool: Spool) -> str:
    """What it says at last."""
    for _ in range(2 * DISK_BYTES // len(FACT.body)):
        try:
            spool.write([FACT, FACT], 1.0, 2.0)
        except SpoolFullError as full:
            return str(full)
    raise AssertionError("the disk does not get full")


def test_a_full_disk_cuts_no_turn_in_two_and_the_reserve_takes_what_is_urgent(disk: Path) -> None:
    spool = Spool.open(disk / "spool", "ws3")
    spool.write([FACT], 1.0, 2.0)
    ballast = fill(disk)
    assert write_until_full(spool) == f"disk full: free some space ({spool.path.parent})"
    n = spool.n
    assert spool.n % 2 == 1, "turns of two entries each came whole or not at all"

    for _ in range(RESERVE_BYTES // (2 * len(FACT.body) + 500)):
        spool.write([FACT, FACT], 1.0, 2.0, urgent=True)

    assert spool.n > n + 30
    ballast.unlink()
    spool.write([FACT], 1.0, 2.0)
    spool.close()
    found = read(spool.path)
    assert [entry.n for entry in found.entries] == list(range(1, spool.n + 1))
    assert not found.torn


def test_where_no_space_can_be_taken_ahead_a_full_disk_is_still_told_as_such(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluse_hub.supervision.spool._take", lambda _fd, _end: 95)  # EOPNOTSUPP
    spool = Spool.open(disk / "spool", "ws3")
    fill(disk)

    with pytest.raises(SpoolFullError, match="disk full"):
        spool.write([FACT], 1.0, 2.0, urgent=True)
    spool.close()
    assert read(spool.path).entries == []


def test_the_auditor_waits_for_space_says_so_and_stores_everything_once(disk: Path) -> None:
    hub, said = SmallHub(disk), list[Message]()
    hub.say("ws3", FACT)
    hub.drain()
    for _ in range(300):
        hub.say("ws3", FACT)

    failed: list[BaseException] = []
    running: list[Ingest] = []
    is_open, may_run = threading.Event(), threading.Event()

    def run() -> None:
        store = Store.open(hub.db)
        running.append(Ingest(hub.directory, store, "auditor", AuditorSpec(), said.append))
        is_open.set()
        may_run.wait()
        try:
            running[0].run()
        finally:
            store.close()

    thread = threading.Thread(target=_into(run, failed))
    thread.start()
    is_open.wait()
    ballast = fill(disk)
    may_run.set()
    eventually(lambda: any(isinstance(word, TailStuck) for word in said) or bool(failed), "it says that it waits")
    ballast.unlink()
    eventually(lambda: bool(failed) or any(isinstance(word, TailStuck) and not word.why for word in said), "it ends")
    running[0].stop()
    thread.join()
    running[0].close()
    hub.close()

    assert failed == []
    words = [word for word in said if isinstance(word, TailStuck)]
    assert "disk full: free some space" in words[0].why
    assert [bool(word.why) for word in words] == [True, False], "told once, and once that it is over"
    assert [n for (n,) in hub.rows("n", "WHERE actor = 'ws3'")] == list(range(1, 302))


def _into(run: Callable[[], None], failed: list[BaseException]) -> Callable[[], None]:
    def guarded() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001  # shown by the test
            failed.append(error)

    return guarded


def test_a_head_that_finds_no_space_leaves_the_old_one(disk: Path) -> None:
    head = Head(disk / "head")
    head.swap("", "one")
    fill(disk)

    with pytest.raises(StoreFullError, match="disk full"):
        head.swap("one", "two" * 4_000)

    assert head.read() == "one"
