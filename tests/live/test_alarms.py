"""What is wrong with the trail while the hub runs, `status` says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alluse_hub.cli import failure
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame, Spool
from tests.live.daemons import HOUSE, PATIENCE_S, eventually
from tests.live.hubs import Hub, configured, control, replay, serving

STEADILY = replay("2004-08-02", "2005-12-30", speed=4.0)


def status(hub: Hub) -> str:
    """As a person reads it, without regard to where its lines end."""
    return " ".join(hub.run("status").out.split())


@pytest.mark.deep
def test_a_letter_that_is_on_nobodys_record_is_an_alarm_in_status(tmp_path: Path) -> None:
    home = configured(tmp_path, STEADILY)
    with serving(home) as hub:
        hub.reach(3)
        assert "was heard" not in status(hub)
        spool = Spool.open(home / "trail" / "spool", "stranger")

        spool.write([Frame(EntryKind.HEARD, "Deliver", b"", "ws3", letter="ws3/1/99000000")], 1.0, 2.0)

        spool.close()
        eventually(lambda: "auditor: ws3/1/99000000 was heard (stranger/1/1)" in status(hub), "the alarm")
        told = hub.run("trail", "tail", "--message", "LetterUnrecorded").out
        assert "LetterUnrecorded" in told
        assert hub.run("trail", "check").status == failure.TRAIL_BROKEN


@pytest.mark.deep
def test_a_witness_that_is_silent_is_told_in_status_for_as_long_as_that_lasts(tmp_path: Path) -> None:
    socket, folder = tmp_path / "w.sock", tmp_path / "witness"
    home = configured(tmp_path, f'{STEADILY}\n[trail]\nwitness = "unix:{socket}"\n')
    witness = [sys.executable, "-m", "alluse_hub.actors.auditor.witness"]
    environment = os.environ | {"PYTHONPATH": str(HOUSE)}
    with serving(home) as hub:
        eventually(lambda: "auditor: the witness has not cosigned" in status(hub), "it is told")
        key = control(home, "trail", "key").out.split()[-1]
        added = [*witness, "add", "--folder", str(folder), "--name", "witness.example/w1", key]
        subprocess.run(added, env=environment, check=True, capture_output=True)

        serves = [*witness, "serve", "--folder", str(folder), "--socket", str(socket)]
        running = subprocess.Popen(serves, env=environment)
        try:
            eventually(lambda: "the witness has not" not in status(hub), "it is over")
        finally:
            running.terminate()
            running.wait(PATIENCE_S)
