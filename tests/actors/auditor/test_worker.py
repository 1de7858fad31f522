import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.actors.auditor import watch as watch_module
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.store import Store
from alluse_hub.actors.auditor.watch import Inotify, Poll, Watch
from alluse_hub.actors.auditor.worker import AuditorWorker
from alluse_hub.protocols.ending import Flush, Flushed
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import (
    AuditorSpec,
    EntryKind,
    Ingested,
    Mark,
    Stored,
    TailBegun,
    TailFailed,
    TailSpools,
)
from alluse_hub.supervision.spool import Frame, Spool
from alluse_hub.supervision.workshop import Context
from tests.actors.auditor.words import DEADLINE_S, ORDER, SAID, all_but_auditor, until

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub

# --- the worker ----------------------------------------------------------------------------------------------------


class Heard:
    """What a worker says, for another thread to wait on."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.messages if isinstance(message, kind)]


def working(home: Path, heard: Heard) -> AuditorWorker:
    worker = AuditorWorker(Context("auditor", home, AuditorSpec(), heard.messages.append))
    worker.do(TailSpools())
    return worker


@pytest.mark.parametrize("kind", [Inotify, Poll])
def test_a_running_worker_stores_what_comes(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch, kind: type[Inotify] | type[Poll]
) -> None:
    monkeypatch.setattr("alluse_hub.actors.auditor.ingest.watch", kind)
    heard = Heard()
    worker = working(hub.home, heard)
    until(lambda: bool(heard.of(TailBegun)))

    for n in (1, 2, 3):
        assert hub.say("coordinator", ORDER) == n
        until(lambda n=n: Ingested(marks=(Mark(actor="coordinator", incarnation=1, n=n),)) in heard.messages)  # type: ignore[misc]  # mypy cannot infer the default

    worker.close()
    assert all_but_auditor(hub, "n") == [(1,), (2,), (3,)]


def test_a_closing_worker_stores_what_was_said_until_then(hub: "SmallHub") -> None:
    heard = Heard()
    worker = working(hub.home, heard)
    until(lambda: bool(heard.of(TailBegun)))

    hub.say("ws1", *[SAID] * 500)
    worker.close()

    assert len(all_but_auditor(hub, "n")) == 500


def test_a_worker_says_how_it_opened_the_store(hub: "SmallHub") -> None:
    heard = Heard()
    worker = working(hub.home, heard)
    until(lambda: bool(heard.of(TailBegun)))
    worker.close()

    begun = heard.of(TailBegun)[0]
    assert isinstance(begun, TailBegun)
    assert (begun.journal, begun.migrations) == (
        "wal",
        ("entries_and_spools", "running_counts", "lives", "merkle_tree", "receipts", "sealed_segments"),
    )


def test_a_worker_whose_store_is_damaged_says_so(hub: "SmallHub") -> None:
    hub.db.parent.mkdir(exist_ok=True)
    hub.db.write_bytes(b"no database at all, whatever you say" * 200)
    heard = Heard()
    worker = working(hub.home, heard)

    until(lambda: bool(heard.of(TailFailed)))
    worker.close()

    failed = heard.of(TailFailed)[0]
    assert isinstance(failed, TailFailed)
    assert "trail.db is damaged" in failed.error


def test_a_worker_whose_disk_refuses_says_so_and_the_next_one_loses_nothing(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    with monkeypatch.context() as patch:
        patch.setattr("alluse_hub.actors.auditor.store.INSERT_ENTRY", "INSERT INTO nowhere VALUES (?)")
        worker = working(hub.home, heard)
        hub.say("ws1", SAID, SAID)
        until(lambda: bool(heard.of(TailFailed)))
        worker.close()

    hub.drain()

    assert all_but_auditor(hub, "n") == [(1,), (2,)]


def test_a_worker_that_was_never_told_to_begin_closes(hub: "SmallHub") -> None:
    AuditorWorker(Context("auditor", hub.home, AuditorSpec(), lambda _: None)).close()


def test_a_worker_refuses_a_job_that_is_not_its_own(hub: "SmallHub") -> None:
    worker = AuditorWorker(Context("auditor", hub.home, AuditorSpec(), lambda _: None))

    with pytest.raises(TypeError, match="Stored"):
        worker.do(Stored(incarnation=1, n=1))


def test_a_stop_that_rings_while_the_thread_lingers_is_not_missed(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ring is taken by the look of the lingering; the thread must not go on to wait for another."""
    hub.say("ws1", SAID)
    done: list[int] = []

    def tailing() -> None:
        store = Store.open(hub.home / "trail" / "trail.db")
        spec = AuditorSpec(linger_s=1.0)
        ingest = Ingest(hub.home / "trail" / "spool", store, "auditor", spec, lambda _message: None)
        collect = ingest._collect

        def stopped_meanwhile(batch: list[Any]) -> None:
            collect(batch)
            ingest.stop()
            ingest._watch.wait(0)

        monkeypatch.setattr(ingest, "_collect", stopped_meanwhile)
        ingest.run()
        ingest.close()
        store.close()
        done.append(len(all_but_auditor(hub, "n")))

    thread = threading.Thread(target=tailing, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)

    assert done == [1]


# --- the watch -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=[Inotify, Poll])
def watch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watch]:
    made: Watch = request.param(tmp_path)
    yield made
    made.close()


def test_a_watch_names_new_and_grown_files(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert watch.wait(DEADLINE_S) == {"a"}

    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").touch()
    assert watch.wait(DEADLINE_S) == {"a", "b"}


def test_a_watch_with_nothing_to_tell_ends_in_time(watch: Watch) -> None:
    assert watch.wait(0.0) == set()


def test_a_ring_ends_a_wait(watch: Watch) -> None:
    ringer = threading.Timer(0.01, watch.ring)
    ringer.start()

    assert watch.wait(DEADLINE_S) == set()
    ringer.join()


def test_a_watch_without_its_directory_says_so(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    for kind in (Inotify, Poll):
        directory.mkdir()
        made = kind(directory)
        shutil.rmtree(directory)
        with pytest.raises(TrailError, match="spool is gone"):
            made.wait(DEADLINE_S)
        made.close()


def test_lingering_ends_at_the_bell_and_not_at_other_writing(watch: Watch, tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, "ws1")
    began = time.monotonic()
    spool.write([Frame(EntryKind.FACT, "Booted", b"{}")], 0.0, 0.0)
    watch.linger(0.05)
    assert time.monotonic() - began >= 0.05

    spool.write([Frame(EntryKind.FACT, "Booted", b"{}", power=True)], 0.0, 0.0)
    began = time.monotonic()
    watch.linger(DEADLINE_S)
    assert time.monotonic() - began < DEADLINE_S
    spool.close()


def test_a_ring_ends_lingering(watch: Watch) -> None:
    ringer = threading.Timer(0.01, watch.ring)
    ringer.start()
    began = time.monotonic()

    watch.linger(DEADLINE_S)

    assert time.monotonic() - began < DEADLINE_S
    ringer.join()


def test_more_events_than_the_kernel_keeps_mean_look_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Inotify(tmp_path)
    (tmp_path / "a").touch()
    overflow = watch_module._EVENT.pack(-1, watch_module.IN_Q_OVERFLOW, 0, 0)

    with monkeypatch.context() as patch:
        patch.setattr("os.read", lambda *_: overflow)
        assert made.wait(DEADLINE_S) is None
    made.close()


def test_without_inotify_the_directory_is_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Inotify:
        raise OSError(24, "inotify_init1")

    monkeypatch.setattr(watch_module, "Inotify", refuse)

    made = watch_module.watch(tmp_path)

    assert isinstance(made, Poll)
    made.close()


def test_a_flushed_worker_says_so_when_all_that_the_spools_hold_is_stored(hub: "SmallHub") -> None:
    heard = Heard()
    worker = working(hub.home, heard)
    until(lambda: bool(heard.of(TailBegun)))
    hub.say("ws1", *[SAID] * 5_000)

    worker.do(Flush())
    until(lambda: bool(heard.of(Flushed)))

    assert len(all_but_auditor(hub, "n")) == 5_000
    worker.close()
