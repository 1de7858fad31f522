"""D5 and D13 in full: 5,000 entries a second for ten minutes, on a slow disk and beside readers that never end.

``ENDURANCE_S`` makes it shorter.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor.reader import READ_S_MAX
from tests.faults.tools import Disk, build
from tests.live.daemons import HOUSE

SECONDS = float(os.environ.get("ENDURANCE_S", "600"))
RATE = 5_000.0


def endured(home: Path, *how: str, environment: dict[str, str] | None = None) -> dict[str, Any]:  # Any: JSON
    command = [sys.executable, "-m", "tests.faults.endurance", str(home), str(SECONDS), str(RATE), *how]
    env = os.environ | {"PYTHONPATH": str(HOUSE)} | (environment or {})
    done = subprocess.run(command, cwd=HOUSE, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    print(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # Any: as above
    assert found["failed"] == []
    assert found["stuck"] == []
    assert found["acknowledged"] == found["entries"]
    return found


@pytest.mark.deep
def test_beside_readers_that_never_end_nothing_stops_the_log_is_told_and_shrinks_afterwards(tmp_path: Path) -> None:
    found = endured(tmp_path / "home", "reader")

    if SECONDS >= READ_S_MAX:
        assert "took longer than 600 s" in found["own_reader_said"]
        assert found["named"]
        assert found["told"][-1] == ""
    assert found["log_bytes_after"] < 64_000_000


@pytest.mark.deep
def test_on_a_slow_disk_nobody_who_says_something_waits_and_all_is_stored_in_the_end(tmp_path: Path) -> None:
    disk = Disk(build("io", tmp_path), tmp_path, "trail.db")
    disk.have("fsync_ms=250")

    found = endured(tmp_path / "home", environment=disk.environment)

    assert found["ack_p50_s"] > 0.2, "or the disk was not slow"
    assert found["write_max_s"] < 5.0
