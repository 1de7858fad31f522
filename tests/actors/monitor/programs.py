"""Real programs behind real shims, as the monitor's worker runs them."""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from types import SimpleNamespace
from typing import Any

from alluse_hub.actors.monitor.worker import MonitorWorker
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import (
    LinesRead,
    WriteLines,
)
from alluse_hub.protocols.workstream import EventLine, MonitorSpec, Reply

PATIENCE_S = 60.0
LOOK_S = 0.01
LOG_SHOWN = 500
"""Characters of each log in the message of a wait that failed."""


# --- real programs ---------------------------------------------------------------------------------------------------

PROGRAM = """
import json, os, sys, threading, time
lock, seq, n = threading.Lock(), 0, 0
def say(kind, **more):
    global seq
    with lock:
        seq += 1
        line = {"ws": "ws9", "seq": seq, "t": time.monotonic(), "kind": kind, **more}
        sys.stdout.write(json.dumps(line) + "\\n")
        sys.stdout.flush()
def beat():
    while True:
        time.sleep(0.1)
        say("heartbeat")
say("hello", name="Nine", version="1", pid=os.getpid())
threading.Thread(target=beat, daemon=True).start()
for line in sys.stdin:
    asked = json.loads(line)
    exec(asked["parameters"].get("run", ""))
    n += 1
    say("event", n=n, event="done", cause=asked["id"], payload={})
    say("reply", id=asked["id"], ok=True, result={"n": n})
os._exit(0)  # the thread that beats may hold the lock of standard output
"""
"""Keeps the contract, and runs what a command's parameter ``run`` says before it answers."""


SAYS_HELLO = """
import json, os, sys
def say(kind, **more):
    print(json.dumps({"ws": "ws9", "seq": more.pop("seq", 1), "t": 0.0, "kind": kind, **more}), flush=True)
say("hello", name="Nine", version="1", pid=os.getpid())
"""
"""A script in a few words, for tests to go on with."""


def wait_for(condition: Callable[[], Any], why: str) -> Any:
    """Poll until ``condition`` holds; its value.  Only where real processes are involved."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, why
        time.sleep(0.005)
    return value


MakeReal = Callable[..., "RealProgram"]
"""Text of the program, command line and further fields of the specification, all optional."""


class RealProgram:
    """A worker as the leaf would run it, on a real process; all it says is in ``said``."""

    def __init__(self, home: Path, spec: MonitorSpec) -> None:
        self.home = home
        self.spec = spec
        self.queue: Queue[Message] = Queue()
        self.said: list[Message] = []
        self.worker = self._new_worker()

    def _new_worker(self) -> MonitorWorker:
        return MonitorWorker(SimpleNamespace(name="ws9", home=self.home, spec=self.spec, deliver=self.queue.put))

    def renew(self) -> None:
        """The monitor's process dies and another comes."""
        self.worker.close()
        self.queue = Queue()
        self.worker = self._new_worker()

    def do(self, *jobs: Message) -> "RealProgram":
        for job in jobs:
            self.worker.do(job)
        return self

    def read(self, wait_s: float) -> None:
        """Be the mailbox: let the worker read what the program has said."""
        ready, _, _ = select.select(self.worker.sources(), (), (), wait_s)
        for fd in ready:
            self.worker.read(fd)

    def read_until(self, condition: Callable[[], bool], why: str) -> None:
        def holds() -> bool:
            self.read(0.0)
            return condition()

        try:
            wait_for(holds, why)
        except AssertionError as late:
            logs = {log.name: log.read_text(encoding="utf-8")[-LOG_SHOWN:] for log in (self.home / "log").iterdir()}
            raise AssertionError(f"{why}; said: {[*self.said, *self.queue.queue]}; logs: {logs}") from late

    def hear(self, kind: type[Message]) -> Any:
        """The next message of this kind; what comes before it is only kept."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                message = self.queue.get_nowait()
            except Empty:
                assert time.monotonic() < deadline, f"no {kind.__name__} came; before it: {self.said}"
                self.read(LOOK_S)
                continue
            self.said.append(message)
            if type(message) is kind:
                return message

    def hear_reply(self, key: str) -> Any:
        while True:
            read = self.hear(LinesRead)
            if any(isinstance(line, Reply) and line.id == key for line in read.lines):
                return read

    def run(self, key: str, code: str = "") -> "RealProgram":
        asked = json.dumps({"id": key, "command": "run", "parameters": {"run": code}})
        return self.do(WriteLines(ids=(key,), lines=(asked,)))

    def reads(self) -> list[LinesRead]:
        return [message for message in self.said if isinstance(message, LinesRead)]

    def told(self) -> list[EventLine]:
        return [line for read in self.reads() for line in read.lines if isinstance(line, EventLine)]

    def events(self) -> list[int]:
        """Numbers of the events so far."""
        return [event.n for event in self.told()]

    def leftovers(self) -> list[int]:
        """Pids of shim and program as its run folder knows them, if they are alive."""
        alive = []
        for path in (self.home / "run" / "shims").glob("*.json"):
            known = json.loads(path.read_text(encoding="utf-8"))
            alive += [pid for pid in (known["shim_pid"], known["pid"]) if not is_dead(pid)]
        return alive

    def end(self) -> None:
        leftovers = self.leftovers()
        self.worker.close()
        for pid in leftovers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: all(map(is_dead, leftovers)), f"{leftovers} outlive the test")


def is_dead(pid: int) -> bool:
    """Gone, or a zombie that nobody has collected yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}
