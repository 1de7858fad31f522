"""The adapter ``process``: the workstream is a program behind a shim.

The shim is found by its socket, and by the pid and start time it has left; whoever finds it running takes the program
over, and only if there is none a new one is started.  What an earlier shim left behind is ended first, so that
nothing ever runs twice.

What the program says is read by the mailbox itself, and what takes no waiting is written by it: a delivery and its
answer wake no second thread.  The worker's thread does what may take time: find, start, end.  A third sleeps until the
silence has become too long: the *watch*, which is a subject of its own.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

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
    Replaced,
    ShimForeign,
    SignalProgram,
    WriteLines,
)
from alluse_hub.protocols.workstream import Heartbeat, Log, MonitorSpec, ProgramLine
from alluse_hub.protocols.workstream import Hello as Greeting
from alluse_hub.supervision import processes
from alluse_hub.supervision.processes import Process, ended, kill_group

from .intake import Sequence, judge, too_long
from .launch import CannotStartError, last_words, launch, log_size, run_folder
from .link import SPOKEN, Exit, Frame, Hello, Lines, Link, TooLong, identity
from .python import REFUSED_SHOWN, sort
from .watch import Watch

HELLO_TIMEOUT_S = 2.0
HELLO_WAITS = 5
"""A shim says hello at once.  One that is stopped is ended like any leftover after the first wait; one that runs may
only have no processor, and with it a live program would be ended: it has all of them."""

FOREIGN_END_S = 8.0
"""What a shim takes at most after SIGTERM: its own grace of 5 s, TERM, KILL."""

END_TIMEOUT_S = 2.0
"""From KILL, or a shim's dismissal, to its end."""

DEATH_S = 0.2
"""How long a closed connection may come before the death of the shim that closed it."""

RELEASE_BYTES = 65_536
"""Lines are released together with the next that are written, at a sign of life, or when they hold this much: a shim
that has 8 MB of them takes no more."""


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
        self._kept_bytes = 0  # about how much the shim keeps, as far as it has been seen
        self._parting: threading.Thread | None = None
        self._sources: tuple[int, ...] = ()
        self._failure: BaseException | None = None
        self._sequence = Sequence()
        self._seen = self._told = self._released = self._let = 0  # line numbers; let: released as far as the shim knows
        self._watch = Watch(spec, deliver)
        self._watching = threading.Thread(target=self._guarded(self._watch.run), name=f"{self._ws}-watch", daemon=True)
        self._watching.start()

    def try_now(self, job: Message) -> bool:
        """Do it if it takes no waiting."""
        match job:
            case WriteLines(lines=lines):
                size = sum(map(len, lines))
            case ReleaseLines() | SignalProgram() | EndProgram() | Look():
                size = 0
            case _:
                return False
        if self._link is not None and not self._link.is_prompt(size):
            return False
        self.do(job)
        return True

    def do(self, job: Message) -> None:
        if self._failure is not None:
            raise self._failure
        match job:
            case Attach(start=start):
                self._attach(start)
            case WriteLines(lines=lines):
                self._write("".join(f"{line}\n" for line in lines).encode())
            case ReleaseLines(through=through):
                self._release(through)
            case SignalProgram(signal=name):
                self._send((b"S", bytes([signal.Signals[f"SIG{name}"]])))
            case EndProgram(grace_s=grace_s):
                self._send((b"E", int(grace_s * 1000).to_bytes(4, "big")))
            case Dismiss():
                self._dismiss()
            case Detach():
                self._let_go()
            case Look():
                self._deliver(Looked(age_s=self._watch.age_s, halted=self._watch.halted))
            case EndShim():
                self._end_shim()
            case other:
                raise TypeError(f"no job for a program: {type(other).__name__}")

    def close(self) -> None:
        """Lets go; program and shim live on."""
        self._let_go()
        self._watch.close()
        self._watching.join(END_TIMEOUT_S)

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

    def _find(self) -> tuple[Link, Hello, list[Frame]] | None:
        """The connection to a live shim, its hello, and what came with that."""
        try:
            link = Link.open(run_folder(self._home), self._ws)
        except OSError:
            return None
        with suppress(ValueError):  # a shim that does not begin with a hello is ended like a leftover
            frames = self._hear_hello(link)
            if frames and isinstance(frames[0], Hello):
                if frames[0].protocol in SPOKEN:
                    return link, frames[0], frames[1:]
                self._end_foreign(frames[0])
        link.close()
        return None

    def _hear_hello(self, link: Link) -> list[Frame]:
        for _ in range(HELLO_WAITS):
            if frames := link.wait(HELLO_TIMEOUT_S):
                return frames
            known = identity(run_folder(self._home), self._ws)
            if known is None or processes.is_stopped(known[0]):
                break
        return []

    def _end_foreign(self, hello: Hello) -> None:
        """In order, and without a word of a protocol that is not ours."""
        self._deliver(ShimForeign(pid=hello.program.pid, protocol=hello.protocol, spoken=tuple(sorted(SPOKEN))))
        processes.kill(hello.shim, signal.SIGTERM)
        ended(hello.shim, FOREIGN_END_S)

    def _begin(self, link: Link, hello: Hello, rest: list[Frame], *, is_adopted: bool) -> None:
        self._shim, self._program = hello.shim, hello.program
        self._sequence = Sequence()
        self._seen = self._told = self._released = self._let = hello.first_line - 1
        self._link = link
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
        # The hello is the first line: while it is unreleased the program may still be starting.
        self._watch.begin(link.has_unread, is_greeted=hello.first_line > 1, halted=self._halted)
        self._take(rest)
        self._sources = (link.fd,)

    def _let_go(self) -> None:
        link = self._unlink()
        if link is not None:
            link.close()
        if self._parting is not None:
            self._parting.join(END_TIMEOUT_S)
        self._parting = None

    def _unlink(self) -> Link | None:
        self._sources = ()
        link, self._link = self._link, None
        self._watch.end()
        return link

    def _dismiss(self) -> None:
        link = self._unlink()
        if link is not None:
            with suppress(OSError):
                link.send((b"Q", b""))
            if not ended(self._shim, END_TIMEOUT_S):
                processes.kill(self._shim)
            link.close()
        self._let_go()

    def _halted(self) -> str:
        if processes.is_stopped(self._shim):
            return "its shim is stopped"
        return "it is stopped" if processes.is_stopped(self._program) else ""

    def _end_shim(self) -> None:
        link = self._unlink()
        if link is None:
            return  # it has gone, and that is told
        for each in (self._shim, self._program):
            kill_group(each)
        for each in (self._shim, self._program):
            ended(each, END_TIMEOUT_S)
        link.close()
        self._deliver(ProgramGone(cause="its shim did not listen; both were killed"))

    def _end_leftover(self) -> None:
        """Kill what an earlier shim left, and a shim that does not answer."""
        known = identity(run_folder(self._home), self._ws)
        if known is not None:
            for leftover in known:
                kill_group(leftover)
            for leftover in known:
                ended(leftover, END_TIMEOUT_S)

    def _send(self, *frames: tuple[bytes, bytes]) -> None:
        """To nobody if the shim has gone: reading tells of that."""
        if self._link is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._link.send(*frames)

    def _write(self, lines: bytes) -> None:
        if self._through > self._let:
            self._send((b"W", lines), self._letting())
        else:
            self._send((b"W", lines))

    def _release(self, through: int) -> None:
        self._released = max(self._released, through)
        if self._let == 0 or self._kept_bytes >= RELEASE_BYTES:
            self._send(self._letting())

    @property
    def _through(self) -> int:
        """How far lines may be released: what was told as far as is said, and with it what there was not to tell."""
        return self._seen if self._released >= self._told else self._released

    def _letting(self) -> tuple[bytes, bytes]:
        self._let, self._kept_bytes = self._through, 0
        return b"R", self._let.to_bytes(8, "big")

    # --- reading ---------------------------------------------------------------------------------------------------

    def sources(self) -> tuple[int, ...]:
        return self._sources

    def read(self) -> None:
        """Take what has come.  When the connection has ended, a thread of its own finds out why."""
        link = self._link
        if link is None:
            return
        frames = link.read()
        if frames is not None:
            self._take(frames)
            return
        self._unlink()
        link.close()
        part = self._guarded(self._lost)
        self._parting = threading.Thread(target=part, name=f"{self._ws}-parting", daemon=True)
        self._parting.start()

    def _lost(self) -> None:
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
                    self._kept_bytes += sum(map(len, lines))
                case TooLong(number=number, length=length, beginning=start):
                    judged.append(too_long(length, start))
                    self._sequence = Sequence()
                    self._seen = number
                    self._kept_bytes += length
                case Exit(status=status):
                    pass
                case Hello():
                    raise ValueError(f"the shim of {self._ws} said hello twice")
        if judged:
            self._tell(judged)
        if status is not None:
            self._watch.end()
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
            beats = sum(isinstance(line, Heartbeat) for line in said)
            self._watch.heard(beats=beats, is_hello=any(isinstance(line, Greeting) for line in said))
        for line in said:
            if isinstance(line, Log):
                self._send((b"G", f"{line.level[:16]}: {line.text}\n".encode()))
        lines, refused = sort(judged)
        if lines or refused:
            self._told = self._seen
            shown = tuple(islice(refused, REFUSED_SHOWN))
            self._deliver(LinesRead(through=self._seen, lines=lines, refused=shown, refusals=len(refused)))
        elif self._released >= self._told:
            self._send(self._letting())

    def _cause(self, status: int) -> str:
        if status == 0:
            return "normal"
        if status < 0:
            with suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
            return f"killed by signal {-status}"
        words = last_words(self._home, self._ws, self._log_from)
        return f"exit status {status}: {words}" if words else f"exit status {status}"

    def _guarded(self, run: Callable[[], None]) -> Callable[[], None]:
        """A thread that fails makes the next job fail, and with it the actor."""

        def guarded() -> None:
            try:
                run()
            except BaseException as error:  # noqa: BLE001  # raised again by ``do``
                self._failure = error

        return guarded
