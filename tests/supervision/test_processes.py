"""The register of a home: who is dead is struck, who is alive stays; and who is stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from tests.live.daemons import eventually


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run" / "procs").mkdir(parents=True)
    return tmp_path


def test_the_dead_are_struck_and_nobody_else(home: Path) -> None:
    """Whoever goes with a killed supervisor has no parent left that would strike it."""
    processes.enter(home, "alive")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    processes.enter_other(home, child.pid, "dead")
    child.communicate(b"\n")
    assert [process.name for process in processes.entered(home)] != ["alive"]

    processes.strike_dead(home)

    assert [(process.name, process.pid) for process in processes.entered(home)] == [("alive", os.getpid())]


@pytest.mark.parametrize("text", ['{"pid": 4194305, "ticks": 7, "name": "ws1"}', '{"pid": 41'])
def test_what_somebody_was_writing_who_was_killed_over_it_goes_as_well(home: Path, text: str) -> None:
    """A number that no process can have, so nobody can be writing there."""
    (home / "run" / "procs" / "4194305.new").write_text(text, encoding="utf-8")
    processes.enter(home, "alive")

    processes.strike_dead(home)

    assert [path.name for path in (home / "run" / "procs").iterdir()] == [str(os.getpid())]


def test_only_a_process_that_a_signal_has_stopped_counts_as_stopped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        process = processes.Process(child.pid, processes.start_ticks(child.pid))
        assert not processes.is_stopped(process)
        os.kill(child.pid, signal.SIGSTOP)
        eventually(lambda: processes.is_stopped(process), "it is stopped")
    finally:
        child.kill()
        child.wait()
    assert not processes.is_stopped(process)
