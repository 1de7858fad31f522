"""The adapter ``process``: the workstream is a program behind a shim.

The shim is found by its socket, and by the pid and start time it has left; whoever finds it running takes the program
over, and only if there is none a new one is started.  What an earlier shim left behind is ended first, so that
nothing ever runs twice.

Three threads, all asleep until there is something to do: the worker's own does the jobs, a *reader* waits on the
socket, a *watch* waits for the silence to become too long.  Signs of life stop here; only their absence is told.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    AttachFailed,
    BeatsBack,
    Detach,
    Dismiss,
    EndProgram,
    LinesRead,
    Look,
    Looked,
    NotRunning,
    ProgramGone,
    Refusal,
    ReleaseLines,
    Replaced,
    SignalProgram,
    WentSilent,
    WriteLines,
)
from alluse_hub.protocols.workstream import Hello as Greeting
from alluse_hub.protocols.workstream import Log, MonitorSpec, ProgramLine
from alluse_hub.supervision import processes
from alluse_hub.supervision.processes import Process

from .intake import Sequence, judge, too_long
from .launch import CannotStartError, last_words, launch, log_size, run_folder
from .link import Exit, Frame, Hello, Lines, Link, TooLong, identity
from .python import REFUSED_SHOWN, sort

HELLO_TIMEOUT_S = 2.0
"""A shim says hello at once; one that does not is stopped or broken, and is ended like any leftover."""

END_TIMEOUT_S = 2.0
"""From KILL, or a shim's dismissal, to its end."""

DEATH_S = 0.2
"""How long a closed connection may come before the death of the shim that closed it."""

STALL_S = 1.0
"""If the watch wakes so much too late, it was this process that stood still: the program gets a new period."""


class ProcessAdapter:
    def __init__(self, spec: MonitorSpec, home: Path, deliver: Callable[[Message], None]) -> None:
        self._spec = spec
        self._ws = spec.workstream
        self._home = home
        self._deliver = deliver
        self._link: Link | None = None
        self._shim = Process(0, 0)
        self._program = Process(0, 0)
        self._log_from = 0
        self._reader: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._sequence = Sequence()
        self._seen = self._told = self._released = 0  # line numbers
        self._life = threading.Condition()
        self._alive_at = 0.0
        self._timeout_s = spec.start_timeout_s
        self._is_watched = False
        self._is_silent = False
        self._is_closed = False
        self._watch = threading.Thread(target=self._guarded(self._watch_silence), name=f"{self._ws}-watch", daemon=True)
        self._watch.start()

    def do(self, job: Message) -> None:
        if self._failure is not None:
            raise self._failure
        match job:
            case Attach(start=start):
                self._attach(start)
            case WriteLines(lines=lines):
                self._send(b"W", "".join(f"{line}\n" for line in lines).encode())
            case ReleaseLines(through=through):
                self._release(through)
            case SignalProgram(signal=name):
                self._send(b"S", bytes([signal.Signals[f"SIG{name}"]]))
            case EndProgram(grace_s=grace_s):
                self._send(b"E", int(grace_s * 1000).to_bytes(4, "big"))
            case Dismiss():
                self._dismiss()
            case Detach():
                self._let_go()
            case Look():
                self._deliver(Looked(age_s=max(0.0, time.monotonic() - self._alive_at)))
            case other:
                raise TypeError(f"no job for a program: {type(other).__name__}")

    def close(self) -> None:
        """Lets go; program and shim live on."""
        self._let_go()
        with self._life:
            self._is_closed = True
            self._life.notify()
        self._watch.join(END_TIMEOUT_S)

    # --- attach and let go ---------------------------------------------------------------------------------------

    def _attach(self, start: bool) -> None:
        self._let_go()
        found = self._find()
        is_adopted = found is not None
        if found is None:
            self._end_leftover()
            if not start:
                self._deliver(NotRunning())
                return
            self._log_from = log_size(self._home, self._ws)
            try:
                launch(self._spec, self._home)
            except CannotStartError as error:
                self._deliver(AttachFailed(error=str(error)))
                return
            found = self._find()
        if found is None:
            self._deliver(AttachFailed(error=f"the shim of {self._ws} does not answer"))
            return
        self._begin(*found, is_adopted=is_adopted)

    def _find(self) -> tuple[Link, Hello, list[Frame], Iterator[list[Frame]]] | None:
        """The connection to a live shim, its hello, what came with that, and what will come."""
        try:
            link = Link.open(run_folder(self._home), self._ws)
        except OSError:
            return None
        frames = link.frames()
        link.wait_at_most(HELLO_TIMEOUT_S)
        first = next(frames, None)
        link.wait_at_most(0)
        if first is None or not isinstance(first[0], Hello):
            link.close()
            return None
        return link, first[0], first[1:], frames

    def _begin(
        self, link: Link, hello: Hello, rest: list[Frame], frames: Iterator[list[Frame]], *, is_adopted: bool
    ) -> None:
        self._link, self._shim, self._program = link, hello.shim, hello.program
        self._sequence = Sequence()
        self._seen = self._told = self._released = hello.first_line - 1
        self._deliver(
            Attached(
                pid=hello.program.pid,
                start_ticks=hello.program.ticks,
                shim_pid=hello.shim.pid,
                shim_ticks=hello.shim.ticks,
                adopted=is_adopted,
                first_line=hello.first_line,
            )
        )
        with self._life:
            self._alive_at = time.monotonic()
            # The hello is the first line: while it is unreleased the program may still be starting.
            self._timeout_s = self._spec.start_timeout_s if hello.first_line == 1 else self._spec.heartbeat_timeout_s
            self._is_silent = False
            self._is_watched = True
            self._life.notify()
        read = self._guarded(lambda: self._read(link, rest, frames))
        self._reader = threading.Thread(target=read, name=f"{self._ws}-reader", daemon=True)
        self._reader.start()

    def _let_go(self) -> None:
        link, self._link = self._link, None
        with self._life:
            self._is_watched = False
        if link is not None:
            link.close()
        if self._reader is not None:
            self._reader.join(END_TIMEOUT_S)
        self._reader = None

    def _dismiss(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with suppress(OSError):
                link.send(b"Q")
            if not ended(self._shim, END_TIMEOUT_S):
                processes.kill(self._shim)
            link.close()
        self._let_go()

    def _end_leftover(self) -> None:
        """Kill what an earlier shim left, and a shim that does not answer."""
        known = identity(run_folder(self._home), self._ws)
        if known is not None:
            for leftover in known:
                kill_group(leftover)
            for leftover in known:
                ended(leftover, END_TIMEOUT_S)

    def _send(self, kind: bytes, payload: bytes) -> None:
        """To nobody if the shim has gone: the reader tells of that."""
        if self._link is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._link.send(kind, payload)

    def _release(self, through: int) -> None:
        self._released = max(self._released, through)
        through = self._seen if self._released >= self._told else self._released
        self._send(b"R", through.to_bytes(8, "big"))

    # --- the reader ----------------------------------------------------------------------------------------------

    def _read(self, link: Link, rest: list[Frame], frames: Iterator[list[Frame]]) -> None:
        if rest:
            self._take(rest)
        for batch in frames:
            self._take(batch)
        if self._link is not link:
            return  # it was this side that hung up
        self._link = None
        link.close()
        with self._life:
            self._is_watched = False
        if ended(self._shim, DEATH_S):
            kill_group(self._program)
            ended(self._program, END_TIMEOUT_S)
            self._deliver(ProgramGone(cause="its shim was killed, and the program with it"))
        else:
            self._deliver(Replaced())

    def _take(self, frames: list[Frame]) -> None:
        judged: list[ProgramLine | Refusal] = []
        status: int | None = None
        for frame in frames:
            match frame:
                case Lines(first=first, lines=lines):
                    judged += self._judged(lines)
                    self._seen = first + len(lines) - 1
                case TooLong(number=number, length=length, beginning=start):
                    judged.append(too_long(length, start))
                    self._sequence = Sequence()
                    self._seen = number
                case Exit(status=status):
                    pass
                case Hello():
                    raise ValueError(f"the shim of {self._ws} said hello twice")
        if judged:
            self._tell(judged)
        if status is not None:
            with self._life:
                self._is_watched = False
            self._deliver(ProgramGone(cause=self._cause(status)))

    def _judged(self, lines: list[bytes]) -> Iterator[ProgramLine | Refusal]:
        for raw in lines:
            line = judge(raw, self._ws)
            if isinstance(line, Refusal):
                self._sequence = Sequence()
            else:
                self._sequence, out_of_sequence = self._sequence.take(line)
                if out_of_sequence is not None:
                    yield out_of_sequence
            yield line

    def _tell(self, judged: list[ProgramLine | Refusal]) -> None:
        said = [line for line in judged if not isinstance(line, Refusal)]
        if said:
            self._lives(is_greeted=any(isinstance(line, Greeting) for line in said))
        for line in said:
            if isinstance(line, Log):
                self._send(b"G", f"{line.level[:16]}: {line.text}\n".encode())
        lines, refused = sort(judged)
        if lines or refused:
            self._told = self._seen
            shown = tuple(islice(refused, REFUSED_SHOWN))
            self._deliver(LinesRead(through=self._seen, lines=lines, refused=shown, refusals=len(refused)))
        elif self._released >= self._told:
            self._send(b"R", self._seen.to_bytes(8, "big"))

    def _cause(self, status: int) -> str:
        if status == 0:
            return "normal"
        if status < 0:
            with suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
            return f"killed by signal {-status}"
        words = last_words(self._home, self._ws, self._log_from)
        return f"exit status {status}: {words}" if words else f"exit status {status}"

    # --- the watch -----------------------------------------------------------------------------------------------

    def _lives(self, *, is_greeted: bool) -> None:
        with self._life:
            self._alive_at = time.monotonic()
            if is_greeted:
                self._timeout_s = self._spec.heartbeat_timeout_s
                self._life.notify()
            if self._is_silent:
                self._is_silent = False
                self._deliver(BeatsBack())
                self._life.notify()

    def _watch_silence(self) -> None:
        with self._life:
            while not self._is_closed:
                if not self._is_watched or self._is_silent:
                    self._life.wait()
                    continue
                due_at = self._alive_at + self._timeout_s
                now = time.monotonic()
                if now - due_at > STALL_S:
                    self._alive_at = now
                elif now < due_at:
                    self._life.wait(due_at - now)
                else:
                    self._is_silent = True
                    self._deliver(WentSilent(age_s=now - self._alive_at))

    def _guarded(self, run: Callable[[], None]) -> Callable[[], None]:
        """A thread that fails makes the next job fail, and with it the actor."""

        def guarded() -> None:
            try:
                run()
            except BaseException as error:  # noqa: BLE001  # raised again by ``do``
                self._failure = error

        return guarded


def kill_group(leader: Process) -> None:
    """Kill a process and, if it leads one, its group."""
    if processes.kill(leader):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGKILL)


def ended(process: Process, timeout_s: float) -> bool:
    """Wait for the end of a process, anybody's child; whether it came in time."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not processes.is_alive(process):
            return True
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(handle)
