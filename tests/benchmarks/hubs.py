"""A real hub, ``run.py serve``, for a benchmark: started, asked, watched from outside and ended in order.

Two setups are used, each on any base.  The *reference* hub is what ships: five workstreams, here without a replay.  The
*probe* hub has two tiny free-running programs (``probe.py``) and two rules: an event ``breach`` of ``feed`` holds
``desk/trading``, an event ``clear`` releases it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor import query
from alluse_hub.cli.client import Client
from alluse_hub.cli.failure import Failure
from alluse_hub.protocols.trail import Entry
from alluse_hub.supervision import processes
from alluse_hub.supervision.clock import Clock
from alluse_hub.supervision.processes import Process

HOUSE = Path(__file__).parent.parent.parent
RUN = str(HOUSE / "run.py")
PROBE = Path(__file__).parent / "probe.py"

PATIENCE_S = 120.0
LOOK_S = 0.002
SLOW_LOOK_S = 0.1
"""Between two looks at the trail, which cost the hub something."""


@dataclass(frozen=True, slots=True)
class Setup:
    """``config``: its hub.toml.  ``programs``: how many of them say hello."""

    config: str
    programs: int


REFERENCE = Setup("[replay]\nautostart = false\n", 5)

TOLD = "told"
"""The socket in the home to which the program ``desk`` says that it has obeyed."""

_PROBES = """
[hub]
reference = false
[replay]
source = ""
[supervision]
workstreams = {{ restarts = 1000000, period_s = 1.0 }}
backoff = {{ at_once = 1000000 }}

[[workstream]]
id = "feed"
name = "Feed"
program = ["{{python}}", "-I", "-S", "{probe}", "feed", "{{state}}/cue", "{{home}}/{told}"]
restart = {{ restarts = 1000000, period_s = 0.3 }}

[[workstream]]
id = "desk"
name = "Desk"
program = ["{{python}}", "-I", "-S", "{probe}", "desk", "{{state}}/cue", "{{home}}/{told}"]

[[resource]]
resource = "desk/trading"
rungs = [
  {{ name = "normal", uses = ["open"], command = "set_mode" }},
  {{ name = "paused", command = "set_mode" }},
]

[[rule]]
id = "hold"
name = "Hold"
workstream = "feed"
event = "breach"
when = "level > 0.8"
[[rule.hold]]
resource = "desk/trading"
rung = "paused"
clock = "hub"
for_s = 3600
safety = true

[[rule]]
id = "release"
name = "Release"
workstream = "feed"
event = "clear"
[[rule.release]]
resource = "desk/trading"
of = "hold"
"""

PROBES = Setup(_PROBES.format(probe=PROBE, told=TOLD), 2)


class HubError(Exception):
    """The hub did not do what it should; the text has its last words."""


@dataclass(slots=True)
class Hub:
    """``began_at``, ``ready_at``: seconds of the monotonic clock."""

    home: Path
    process: "subprocess.Popen[bytes]"
    began_at: float
    ready_at: float = 0.0

    @property
    def clock(self) -> Clock:
        """The hub's own time."""
        return Clock(json.loads((self.home / "clock.json").read_text(encoding="utf-8"))["offset"])

    def actors(self) -> list[Process]:
        return [process for process in processes.entered(self.home) if processes.is_alive(process)]

    def actor(self, name: str) -> Process | None:
        return next((process for process in self.actors() if process.name == name), None)

    def holders(self) -> dict[str, dict[str, int]]:
        """What the shims say of themselves and their programs, by workstream."""
        found = {}
        for path in sorted((self.home / "run" / "shims").glob("*.json")):
            try:
                found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
            except (FileNotFoundError, ValueError):
                continue  # it is being taken away, or written
        return found

    def ask(self, what: str) -> dict[str, Any] | None:
        """None if nobody answers yet."""
        try:
            with Client(self.home) as client:
                return client.ask(what)
        except Failure:
            return None

    def await_facts(self, count: int, *kinds: str) -> None:
        """Until the trail has ``count`` entries of each of these kinds."""
        self.await_that(
            lambda: all(len(facts(self.home, kind)) >= count for kind in kinds),
            f"{count} of each: {', '.join(kinds)}",
            SLOW_LOOK_S,
        )

    def await_that(self, holds: Callable[[], Any], what: str, look_s: float = LOOK_S) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if self.process.poll() is not None:
                raise HubError(f"it ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise HubError(f"not within {PATIENCE_S:.0f} s: {what}; {self.last_words()}")
            time.sleep(look_s)

    def last_words(self) -> str:
        return (self.home.parent / f"{self.home.name}.out").read_text(encoding="utf-8", errors="replace")[-2_000:]

    def end(self) -> None:
        """In order."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        if status != 0:
            raise HubError(f"it ended with {status}: {self.last_words()}")


def start(home: Path, setup: Setup, base: str) -> tuple[Hub, threading.Thread]:
    """The hub, and a thread that ends when the hub has said that it is ready."""
    home.mkdir(mode=0o700)
    (home / "hub.toml").write_text(setup.config, encoding="utf-8")
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = home.parent / f"{home.name}.bell"
    bell.bind(str(address))
    bell.settimeout(PATIENCE_S)
    environment = os.environ | {"NOTIFY_SOCKET": str(address)}
    with (home.parent / f"{home.name}.out").open("ab") as out:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, RUN, "serve", "--home", str(home), "--base", base],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    hub = Hub(home, process, began)

    def listen() -> None:
        with bell:
            while not hub.ready_at:
                try:
                    said = bell.recv(4_096)
                except TimeoutError:
                    return
                if b"READY=1" in said:
                    hub.ready_at = time.monotonic()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    return hub, thread


@contextmanager
def running(home: Path, setup: Setup, base: str) -> Iterator[Hub]:
    """A hub that is ready, ended in order; if something goes wrong, the benchmark's process ends what is below it."""
    hub, thread = start(home, setup, base)
    hub.await_that(lambda: hub.ready_at, "ready")
    thread.join()
    yield hub
    hub.end()


@contextmanager
def greeted(home: Path, setup: Setup, base: str) -> Iterator[Hub]:
    """The same, all its programs greeted."""
    with running(home, setup, base) as hub:
        hub.await_facts(setup.programs, "ProgramGreeted")
        yield hub


def facts(home: Path, *kinds: str) -> list[Entry]:
    """All stored facts of these kinds, oldest first."""
    return query.by_message(home, kinds, query.ENTRIES_MAX)[::-1] if (home / "trail" / "trail.db").exists() else []
