"""Real daemons for tests: started in a process of their own, ended for certain."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alluse_hub.supervision import processes
from alluse_hub.supervision.engine.room import room_for

HOUSE = Path(__file__).parent.parent.parent
PATIENCE_S = 60.0
"""How long a test waits for what takes well under a second on an idle machine."""


def eventually(holds: Callable[[], bool], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.01)


@dataclass(slots=True)
class Daemon:
    home: Path
    process: subprocess.Popen[str]

    def actor(self, name: str) -> processes.Process | None:
        """The live process of that name in the register."""
        alive = (p for p in processes.entered(self.home) if p.name == name and processes.is_alive(p))
        return next(alive, None)

    def pid(self, name: str) -> int:
        found = self.actor(name)
        return found.pid if found else 0

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> processes.Process:
        found = self.actor(name)
        assert found is not None, f"{name} is not running"
        processes.kill(found, how)
        return found

    def await_replaced(self, *killed: processes.Process) -> None:
        missing = list(killed)

        def are_back() -> bool:
            missing[:] = [old for old in missing if self.pid(old.name) in {0, old.pid}]
            return not missing

        eventually(are_back, f"{', '.join(old.name for old in killed)} replaced")

    def ready(self) -> None:
        eventually(lambda: f"ready: pid {self.process.pid}" in self.output(), "the daemon is ready")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def output(self) -> str:
        return (self.home.parent / f"{self.home.name}.out").read_text(encoding="utf-8")


def start(home: Path, *command: str, house: Path = HOUSE) -> Daemon:
    environment = os.environ | {"PYTHONPATH": str(house)}
    with (home.parent / f"{home.name}.out").open("a", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=house, env=environment, text=True, stdout=out, stderr=subprocess.STDOUT
        )
    return Daemon(home, process)


@contextmanager
def running(home: Path, *command: str, house: Path = HOUSE) -> Iterator[Daemon]:
    """A daemon that is ready; whatever the test did, nothing of it is left afterwards.  ``house``: where its code
    is."""
    daemon = start(home, *command, house=house)
    try:
        daemon.ready()
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait(PATIENCE_S)
        processes.end_all(home)
        end_shims(home)
        shutil.rmtree(room_for(home), ignore_errors=True)  # a killed guardian could not


def end_shims(home: Path) -> None:
    """Shims outlive daemons on purpose; here they must not, and neither must their programs."""
    eventually(lambda: not _kill_all(home), "all that runs on the home has ended")


def _kill_all(home: Path) -> bool:
    """Kill every process whose command line names ``home``; whether there was any."""
    found = False
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(home) in command and int(path.name) != os.getpid():
            found |= processes.kill(processes.Process(int(path.name), processes.start_ticks(int(path.name))))
    return found
