"""The adapter ``python``: the workstream is an object inside this process, stepped when it is written to.

For hubs embedded in a test: no process, no pipe, no thread, no clock; so it neither beats nor falls silent, and virtual
time is all the time there is.  Classes come by class path from the specification; nothing of another role is imported.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    AttachFailed,
    Detach,
    Dismiss,
    EndProgram,
    EndShim,
    LinesRead,
    Look,
    Looked,
    NotRunning,
    ProgramGone,
    Refusal,
    ReleaseLines,
    SignalProgram,
    WriteLines,
)
from alluse_hub.protocols.workstream import Heartbeat, Log, MonitorSpec, ProgramLine, Progress, StateLine

from .intake import judge

REFUSED_SHOWN = 3
"""Refused lines that one letter shows; it counts all."""


def load(class_path: str) -> Any:  # Any: a class known only by its path
    """Raises ImportError or AttributeError if there is no such class."""
    module, _, name = class_path.partition(":")
    return getattr(importlib.import_module(module), name)


class PythonAdapter:
    def __init__(self, spec: MonitorSpec, home: Path, deliver: Callable[[Message], None]) -> None:
        self._spec = spec
        self._state = home / "state" / spec.workstream
        self._deliver = deliver
        self._runner: Any = None  # Any: of the class at ``spec.runner``
        self._through = 0

    def do(self, job: Message) -> None:
        match job:
            case Attach(start=start):
                self._attach(start)
            case WriteLines(lines=lines):
                for line in lines:
                    self._feed(line)
            case SignalProgram(signal=name):
                self._end(f"killed by SIG{name}")
            case EndProgram():
                self._end("normal")
            case Look():
                self._deliver(Looked(age_s=0.0))
            case ReleaseLines() | Dismiss() | Detach() | EndShim():
                pass  # nothing is buffered, and what lives in this process cannot be left running
            case other:
                raise TypeError(f"no job for a program: {type(other).__name__}")

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()
        self._runner = None

    def _attach(self, start: bool) -> None:
        if not start:
            self._deliver(NotRunning())
            return
        self.close()
        self._through = 0
        try:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            data = Path(self._spec.data) if self._spec.data else None
            # A clock that stands still: lines that carried true time would make two runs of one seed differ.
            runner = load(self._spec.runner)(load(self._spec.python).begin(data), self._state, clock=lambda: 0.0)
            said = runner.start()
        except Exception as error:  # noqa: BLE001  # whatever a foreign class raises; the core decides what it means
            self._deliver(AttachFailed(error=f"cannot start {self._spec.python}: {type(error).__name__}: {error}"))
            return
        self._runner = runner
        self._deliver(Attached(pid=os.getpid(), start_ticks=0, shim_pid=0, shim_ticks=0, adopted=False))
        self._say(said)

    def _feed(self, line: str) -> None:
        if self._runner is None:
            return
        try:
            said = self._runner.feed(line.encode())
        except Exception as error:  # noqa: BLE001  # as above
            self._end(f"{type(error).__name__}: {error}")
            return
        self._say(said)
        if self._runner.stopping:
            self._end("normal")

    def _say(self, said: list[bytes]) -> None:
        if not said:
            return
        self._through += len(said)
        judged = [judge(line.removesuffix(b"\n"), self._spec.workstream) for line in said]
        lines, refused = sort(judged)
        if lines or refused:
            self._deliver(
                LinesRead(through=self._through, lines=lines, refused=refused[:REFUSED_SHOWN], refusals=len(refused))
            )

    def _end(self, cause: str) -> None:
        if self._runner is not None:
            self.close()
            self._deliver(ProgramGone(cause=cause))


def sort(judged: list[ProgramLine | Refusal]) -> tuple[tuple[ProgramLine, ...], tuple[Refusal, ...]]:
    """What the core is told of: lines that say something, and refusals."""
    lines: list[ProgramLine] = []
    refused: list[Refusal] = []
    for each in judged:
        match each:
            case Refusal():
                refused.append(each)
            case Heartbeat() | Log() | Progress() | StateLine():
                pass
            case _:
                lines.append(each)
    return tuple(lines), tuple(refused)
