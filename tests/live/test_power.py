"""D7: the power is cut under a whole hub at work; it starts by itself, and has what it had called stored."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import query
from tests.faults.power import PoweredDisk, powered_disk
from tests.live.daemons import PATIENCE_S, eventually
from tests.live.hubs import Hub, one_more_session, replay
from tests.live.reporting import reporting, stored, told_stored
from tests.live.storms import stormproof
from tests.live.test_storm import stands

CUTS = 8


def pids_of(home: Path) -> list[int]:
    """By what proc(5) says alone: the home may be without power."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in command and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def cut(disk: PoweredDisk, hub: Hub) -> None:
    """Nothing of it runs on."""
    for _ in range(3):  # who is born while others are stopped
        for pid in pids_of(hub.home):
            os.kill(pid, signal.SIGSTOP)
    pids = pids_of(hub.home)
    disk.cut(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    hub.daemon.process.wait(PATIENCE_S)
    eventually(lambda: not pids_of(hub.home), "all have ended")
    disk.back()


def lost(home: Path, reports: Path) -> list[str]:
    there = stored(home)
    wrong = [f"{each} was told stored" for each in told_stored(reports) if each not in there]
    findings = hub_verify.verify(home).findings
    return [*wrong, *(str(each) for each in findings if "nobody sent it" not in str(each))]


@pytest.mark.deep
def test_power_cuts_under_a_whole_hub_lose_nothing_that_was_told_stored(tmp_path: Path) -> None:
    seed = int(os.environ.get("POWER_SEED", "1"))
    print(f"seed {seed}")
    dice = random.Random(seed)
    reports = tmp_path / "r"
    with powered_disk(tmp_path / "d") as disk:
        home = disk.mounted / "hub"
        home.mkdir(mode=0o700)
        config = stormproof(home, replay("2007-10-15", "2009-03-31", speed=8.0))
        (home / "hub.toml").write_text(config, encoding="utf-8")
        os.sync()
        sessions = 0
        for _ in range(CUTS):
            with reporting(home, reports) as hub:
                hub.reach(sessions + 4)
                sessions = hub.sessions
                time.sleep(dice.uniform(0.0, 1.0))  # the moment of the cut is what is drawn here
                cut(disk, hub)
                assert lost(home, reports) == [], f"seed {seed}"
        with reporting(home, reports) as hub:
            eventually(lambda: stands(hub), "all stands by itself")
            one_more_session(hub)
            assert hub.daemon.end() == 0
        assert lost(home, reports) == []
        whole = query.wholeness(home)
        assert (whole.gaps, whole.doubles) == ((), ())
        assert told_stored(reports)
        print(f"{CUTS} cuts, {whole.entries} entries, {len(told_stored(reports))} times told stored, 0 lost;"
              f" letters that the power took: {len(whole.unrecorded)}")  # fmt: skip
