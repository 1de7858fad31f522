"""A whole hub on a disk that gets full under load: it says so, loses nothing, and goes on when there is space."""

import json
import time
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.cli import failure
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, control, replay, serving
from tests.small_disk import fill, small_disk

STEADILY = replay("2004-08-02", "2005-12-30", speed=10.0)
SPARE = 20
"""Sessions for which the space may last that spools have taken ahead; in the time there would be 80."""

FULL_S = 8.0
"""How long the disk stays full: far longer than any heartbeat, ping or back-off at work here."""


def pids(hub: Hub) -> dict[str, int]:
    names = ("auditor", "coordinator", "router", "gateway", "ws1", "ws2", "ws3", "ws4", "ws5")
    return {name: hub.daemon.pid(name) for name in names}


@pytest.mark.deep
def test_a_full_disk_is_told_ends_by_itself_and_nothing_is_lost_or_restarted(tmp_path: Path) -> None:
    home = configured(tmp_path, STEADILY)
    with small_disk(home / "trail", 48 << 20) as disk:  # the programs have their state elsewhere
        with serving(home) as hub:
            hub.reach(3)
            before, programs = pids(hub), hub.programs()
            ballast = fill(disk)

            eventually(lambda: "auditor: disk full" in hub.run("status").out, "status tells of the full disk")
            still = hub.sessions
            until = time.monotonic() + FULL_S
            eventually(lambda: time.monotonic() > until, "it stays full for a while")
            assert hub.sessions <= still + SPARE, "what decides anything does not go on"
            assert hub.run("status").status in {failure.DONE, failure.UNHEALTHY}, "questions are answered"
            assert pids(hub) == before, "nobody was restarted"

            ballast.unlink()
            hub.reach(still + 10)
            eventually(lambda: "disk full" not in hub.run("status").out, "it ends by itself")
            assert pids(hub) == before
            assert hub.programs() == programs
            gaps = [
                json.loads(body) for name in before for _, body in query.facts_of(home, name, frozenset({"SpoolGap"}))
            ]
            assert gaps
            assert all("disk full" in gap["why"] for gap in gaps)
            assert any(gap["waited"] for gap in gaps)
        assert control(home, "trail", "check").status == failure.DONE
        proof = control(home, "trail", "verify")
        assert proof.status == failure.DONE, proof.out
