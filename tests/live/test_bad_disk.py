"""A whole hub on a disk that is slow, fails or loses its rights, and under a clock that somebody sets: told in words,
nothing acknowledged lost, and over by itself when it is over.
"""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import query
from alluse_hub.cli import failure
from alluse_hub.supervision import processes
from alluse_hub.supervision.spool import spools_in
from tests.faults.tools import Disk, WallClock, build
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, control, one_more_session, replay, serving
from tests.live.reporting import reporting
from tests.live.storms import stormproof
from tests.live.test_exactly_once import nothing_lost_and_nothing_doubled
from tests.live.test_full_disk import pids

STEADILY = replay("2004-08-02", "2005-12-30", speed=10.0)
PLENTY_S = 5.0
"""For an answer of the control socket while something is wrong; on a machine that tests alone it takes milliseconds."""


def status(hub: Hub) -> str:
    """As a person reads it, without regard to where its lines end."""
    return " ".join(hub.run("status").out.split())


@contextmanager
def preloaded(environment: dict[str, str]) -> Iterator[None]:
    """For daemons that are started here, and all that they start."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def proved(home: Path) -> None:
    whole = query.wholeness(home)
    assert whole.is_whole, whole
    assert hub_verify.verify(home, every=True).findings == []


@pytest.mark.deep
def test_a_slow_disk_is_told_stops_nobody_and_is_over_when_it_is_over(tmp_path: Path) -> None:
    """D5."""
    home = configured(tmp_path, STEADILY)
    disk = Disk(build("io", tmp_path), tmp_path, "trail.db")
    with preloaded(disk.environment), serving(home) as hub:
        hub.reach(3)
        before = pids(hub)
        disk.have("fsync_ms=2000")

        eventually(lambda: "auditor: the disk is slow: it took" in status(hub), "it is told")
        asked = time.monotonic()
        hub.ask("status")
        assert time.monotonic() - asked < PLENTY_S
        still = hub.sessions
        eventually(lambda: hub.sessions > still, "what waits for the disk goes on, at its pace")
        assert pids(hub) == before, "nobody was restarted"

        disk.have("")
        hub.reach(still + 10)
        eventually(lambda: "the disk is slow" not in status(hub), "it is over")
        assert pids(hub) == before
        assert hub.daemon.end() == 0
    proved(home)


@pytest.mark.deep
@pytest.mark.parametrize("fault", ["fsync_eio=1", "weio=1", "reio=1"])
def test_a_disk_that_fails_under_the_store_loses_nothing_that_was_acknowledged(tmp_path: Path, fault: str) -> None:
    """D3 and D4: the store is opened anew until it can be, and what was said meanwhile is in the spools."""
    home, reports = configured(tmp_path, ""), tmp_path / "reports"
    (home / "hub.toml").write_text(stormproof(home, replay("2004-08-02", "2009-03-31", speed=8.0)), encoding="utf-8")
    disk = Disk(build("io", tmp_path), tmp_path, "trail.db")
    with preloaded(disk.environment), reporting(home, reports) as hub:
        hub.reach(3)
        for _ in range(3):
            eventually(lambda: hub.daemon.actor("auditor") is not None, "there is an auditor again")
            auditor = hub.daemon.actor("auditor")
            assert auditor is not None
            disk.have(fault)
            hub.daemon.await_replaced(auditor)
            disk.have("")
            one_more_session(hub)
        told = [body for _, body in query.facts_of(home, "auditor", frozenset({"Failed"}))]
        assert hub.daemon.end() == 0
    assert told
    assert all(b"trail.db" in body and b"restart" in body for body in told), told
    print(nothing_lost_and_nothing_doubled(home, reports))


@pytest.mark.deep
def test_a_clock_that_is_set_both_ways_is_told_and_changes_nothing_else(tmp_path: Path) -> None:
    """T1 and T2."""
    home = configured(tmp_path, STEADILY)
    clock = WallClock(build("clock", tmp_path), tmp_path)
    with preloaded(clock.environment), serving(home) as hub:
        hub.reach(3)
        before, programs = pids(hub), hub.programs()
        for seconds, said in ((3_600.0, "forward by 3600 s"), (-86_400.0, "back by 90000 s"), (-1.7e9, "back by")):
            still = hub.sessions
            clock.stepped_by(seconds)
            eventually(lambda said=said: f"the wall clock was set {said}" in status(hub), "it is told")  # type: ignore[misc]  # mypy cannot infer the default
            hub.reach(still + 5)
        clock.stepped_by(0.0)
        hub.reach(hub.sessions + 5)

        assert (pids(hub), hub.programs()) == (before, programs), "nobody was restarted"
        assert hub.daemon.end() == 0
    stepped = query.facts_of(home, "auditor", frozenset({"WallClockStepped"}))
    assert len(stepped) == 4
    proved(home)


@pytest.mark.deep
def test_logs_that_are_deleted_each_moment_with_their_folder_come_back(tmp_path: Path) -> None:
    """D14."""
    home = configured(tmp_path, STEADILY)
    with serving(home) as hub:
        hub.reach(3)
        before, programs = pids(hub), hub.programs()
        open_files = {name: len(list(Path(f"/proc/{pid}/fd").iterdir())) for name, pid in before.items()}
        for _ in range(20):
            shutil.rmtree(home / "log", ignore_errors=True)
            one_more_session(hub)
        assert (pids(hub), hub.programs()) == (before, programs), "nobody missed them"
        died = hub.program("ws3")

        processes.kill(died)

        hub.await_new_program(died)
        assert (home / "log" / "ws3.log").exists()
        now = {name: len(list(Path(f"/proc/{pid}/fd").iterdir())) for name, pid in before.items()}
        assert all(now[name] <= count + 6 for name, count in open_files.items()), (open_files, now)


@pytest.mark.deep
def test_whatever_the_umask_all_files_of_the_hub_are_its_owners_only(tmp_path: Path) -> None:
    """D12."""
    home = configured(tmp_path, STEADILY)
    before = os.umask(0)
    try:
        with serving(home) as hub:
            hub.reach(3)
            eventually((home / "trail" / "head").exists, "something was signed")
            found = {
                str(path.relative_to(home)): stat.S_IMODE(path.lstat().st_mode)
                for path in home.rglob("*")
                if path.name != "hub.toml" and path.suffix != ".vkey"
            }
    finally:
        os.umask(before)
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}


@pytest.mark.deep
def test_a_spool_folder_that_loses_its_rights_is_told_before_anything_is_started(tmp_path: Path) -> None:
    """D2 and D12: at the start, in one sentence with a remedy."""
    home = configured(tmp_path, STEADILY)
    with serving(home) as hub:
        hub.reach(2)
    assert spools_in(home / "trail" / "spool")
    (home / "trail" / "spool").chmod(0o777)

    said = control(home, "serve")

    assert said.status == failure.FORBIDDEN
    assert "everybody may write in" in said.err
    assert "chmod 700" in said.err
