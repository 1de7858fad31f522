"""Real hubs for tests: a home with a configuration, a daemon on it, and how a test asks it."""

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor import query
from alluse_hub.actors.router.state import overall_digest
from alluse_hub.cli.client import Answer, Client
from alluse_hub.cli.failure import Failure
from alluse_hub.supervision import processes
from alluse_hub.testing import TestHub
from tests.live.daemons import HOUSE, PATIENCE_S, Daemon, eventually, running

WORKSTREAMS = ("ws1", "ws2", "ws3", "ws4", "ws5")
FULL_SPEED = 0.0

SPAN = ("2007-10-15", "2007-12-10")
"""40 sessions with pauses, a refused command and a resume: see tests/simulation/spans.py."""

PACE = 12.0
"""Sessions a second: slow enough that every death falls into the replay."""

SPARE_INTENSITY = """
[supervision]
root = { restarts = 1000, period_s = 60.0 }
coordination = { restarts = 1000, period_s = 60.0 }
workstreams = { restarts = 1000, period_s = 60.0 }
backoff = { at_once = 1_000_000 }
"""
"""For tests that kill more often than a hub should put up with."""


def replay(first: str, last: str, speed: float = FULL_SPEED) -> str:
    return f"[replay]\nfrom = {first}\nto = {last}\nspeed = {speed}\n"


def digest_of(config: str) -> str:
    """What the embedded hub makes of the same span."""
    with TestHub(config) as hub:
        hub.run_until(lambda: hub.has_ended, 100_000.0)
        hub.advance(10.0)
        return overall_digest(hub.digests)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command of the control script gave."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # JSON
        return json.loads(self.out)

    @property
    def refusal(self) -> Any:  # JSON
        return json.loads(self.err)


@dataclass(slots=True)
class Hub:
    """``daemon`` serves on ``home``."""

    daemon: Daemon
    home: Path

    def run(self, *words: str) -> Said:
        return control(self.home, *words)

    def ask(self, ask: str, **args: Any) -> Answer:
        """Over a connection of its own; asked again while the hub repairs what it takes to answer."""
        found: list[Answer] = []

        def answers() -> bool:
            try:
                with Client(self.home) as client:
                    found.append(client.ask(ask, args, PATIENCE_S))
            except Failure:
                return False
            return True

        eventually(answers, f"an answer to {ask}")
        return found[0]

    @property
    def sessions(self) -> int:
        return int(self.ask("progress")["sessions"])

    def reach(self, sessions: int) -> None:
        eventually(lambda: self.sessions >= sessions or bool(self.ask("progress")["ended"]), f"session {sessions}")

    def finish(self) -> str:
        """To the end of the span; the digest of all events."""
        eventually(lambda: bool(self.ask("progress")["ended"]), f"the end of the span; {self.ask('progress')}")
        return self.rest()

    def rest(self) -> str:
        """Until nothing moves any more; the digest of all events."""
        seen: list[str] = []

        def is_still() -> bool:
            seen.append(str(self.ask("progress")["digest"]))
            return len(seen) > 8 and len(set(seen[-8:])) == 1

        eventually(is_still, "the hub comes to rest")
        return seen[-1]

    def workstream(self, name: str) -> Answer:
        found: Answer = self.ask("status", name=name)["workstream"]
        return found

    def program(self, name: str) -> processes.Process:
        """The running program of a workstream."""
        found: list[processes.Process] = []

        def runs() -> bool:
            pid = int(self.workstream(name).get("pid") or 0)
            ticks = processes.start_ticks(pid) if pid else 0
            if ticks:
                found.append(processes.Process(pid, ticks, name))
            return bool(ticks)

        eventually(runs, f"the program of {name} runs")
        return found[0]

    def await_new_program(self, old: processes.Process) -> None:
        eventually(lambda: self.program(old.name).pid != old.pid, f"{old.name} has a new program")

    def programs(self) -> dict[str, int]:
        return {name: self.program(name).pid for name in WORKSTREAMS}


def control(home: Path, *words: str) -> Said:
    """``run.py`` as a person at a terminal has it."""
    done = subprocess.run(
        [sys.executable, "run.py", *words, "--home", str(home)],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def configured(folder: Path, config: str) -> Path:
    """A home with this configuration in it."""
    home = folder / "hub"
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "hub.toml").write_text(config, encoding="utf-8")
    return home


@contextmanager
def serving(home: Path, *flags: str, house: Path = HOUSE) -> Iterator[Hub]:
    with running(home, "run.py", "serve", *flags, "--home", str(home), house=house) as daemon:
        yield Hub(daemon, home)


def one_more_session(hub: Hub) -> None:
    """Proof of life: the replay goes on."""
    sessions = hub.sessions
    eventually(lambda: hub.sessions > sessions or bool(hub.ask("progress")["ended"]), "the replay goes on")


def kill_each_and_then_all(hub: Hub, actors: Collection[str]) -> None:
    """A kill -9 of one after the other, with a session between, and at last of all at once."""
    for actor in actors:
        hub.daemon.await_replaced(hub.daemon.kill(actor))
        one_more_session(hub)
    hub.daemon.await_replaced(*[hub.daemon.kill(actor) for actor in actors])


def whole(hub: Hub) -> None:
    """The trail has no gap and no double, and neither have the events in it."""
    found = hub.ask("check")
    assert found["whole"] is True, found
    for name in WORKSTREAMS:
        facts = query.facts_of(hub.home, name, frozenset({"EventHeard"}))
        numbers = [json.loads(body)["event"]["n"] for _, body in facts]
        assert numbers == list(range(1, len(numbers) + 1)), name


def running_programs(home: Path) -> list[str]:
    """Command lines of all processes that name this home: shims and programs among them."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if str(home) in command:
            found.append(command)
    return found
