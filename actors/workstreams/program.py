"""A workstream as a program: arguments, pipes, beats, signals.

``main`` wraps a Runner.  One thread; it sleeps in ``select`` until a line, a signal or the next beat is due.  A command
in hand holds up the beats, and the hub tells *busy* (a command is outstanding) from *hung* (none is) by that.

Standard output belongs to the link: its descriptor is kept aside, and what prints goes to standard error, the log.
Exit codes: 0 end of input, ``stop`` or SIGTERM; 1 what it needs is damaged, missing or taken (said in a ``log`` line);
2 wrong arguments.
"""

import argparse
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .faults import GARBAGE, Faults, fault, hang, kill_amid
from .lines import LINE_IN_MAX, encode
from .readers import DamagedError
from .runner import Runner
from .workstream import Workstream

BEAT_S = 1.0
READ_BYTES = 1 << 16


class Pipes:
    """The three descriptors of the link: lines in, lines out, and the wake-up that a signal writes to."""

    def __init__(self) -> None:
        self.out = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self.woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # the byte on the pipe is what counts
        self.ended = False
        self.terminated = False
        self._rest = b""

    def write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self.out, rest) :]

    def wait(self, timeout_s: float) -> list[bytes]:
        """Lines that are whole by now; waits at most ``timeout_s`` for the first."""
        ready, _, _ = select.select([0, self.woken], [], [], max(0.0, timeout_s))
        if self.woken in ready:
            self.terminated = True
            return []
        if 0 not in ready:
            return []
        piece = os.read(0, READ_BYTES)
        self.ended = not piece
        *lines, rest = (self._rest + piece).split(b"\n")
        # Of a line too long only so much is kept as shows that it is; the Runner refuses it.
        self._rest = rest[: LINE_IN_MAX + 1]
        return lines


def locked(state_dir: Path) -> int:
    """Own ``state_dir`` until this process ends, however it ends.  The lock file stays: removing it would race."""
    state_dir.mkdir(parents=True, exist_ok=True)
    file = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(file, 32, 0).decode("ascii", "replace").strip()
        raise DamagedError(
            f"{state_dir} belongs to the running program with pid {owner}; end that one, or name another folder"
        ) from error
    os.truncate(file, 0)
    os.pwrite(file, b"%d\n" % os.getpid(), 0)
    return file


def arguments(kind: type[Workstream], argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"{kind.ws}: {kind.name}, a program that speaks JSON lines")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="folder of journal and snapshot; none: nothing is kept"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="daily bars to replay (ws3); default: the shipped file"
    )
    parser.add_argument(
        "--fault", type=fault, action="append", default=[], help="kill@N hang@N garbage@N slow=MS leak=MB/s flood=N"
    )
    return parser.parse_args(argv)


def main(kind: type[Workstream], argv: Sequence[str] | None = None) -> int:
    """Run a workstream of ``kind`` until its input ends; the exit code."""
    options = arguments(kind, argv)
    pipes = Pipes()
    runner = None
    try:
        if options.state is not None:
            locked(options.state)
        runner = Runner(kind.begin(options.data), options.state)
        pipes.write(b"".join(runner.start()))
        serve(runner, pipes, Faults(tuple(options.fault), options.state))
    except BrokenPipeError:
        sys.stderr.write(f"{kind.ws}: nobody reads my standard output any more\n")
        return 1
    except (DamagedError, OSError) as error:
        text = str(error) if isinstance(error, DamagedError) else f"cannot keep my state: {error}"
        sys.stderr.write(f"{kind.ws}: {text}\n")
        pipes.write(runner.log("error", text) if runner else first_words(kind, text))
        return 1
    return 0


def first_words(kind: type[Workstream], text: str) -> bytes:
    """The log line of a program that did not come as far as its hello."""
    return encode({"ws": kind.ws, "seq": 1, "t": 0.0, "kind": "log", "level": "error", "text": text})


def serve(runner: Runner, pipes: Pipes, faults: Faults) -> None:
    beat_at = time.monotonic() + BEAT_S
    for number in range(faults.flood_lines()):
        pipes.write(runner.log("info", f"flood, line {number + 1}"))
    while not (pipes.ended or pipes.terminated or runner.stopping):
        for line in pipes.wait(beat_at - time.monotonic()):
            obey(runner, line, pipes, faults)
            if runner.stopping or signalled(pipes):
                return
            beat_at = beat(runner, pipes, faults, beat_at)
        beat_at = beat(runner, pipes, faults, beat_at)


def signalled(pipes: Pipes) -> bool:
    """Whether a signal came while a command was in hand."""
    ready, _, _ = select.select([pipes.woken], [], [], 0)
    return bool(ready)


def obey(runner: Runner, line: bytes, pipes: Pipes, faults: Faults) -> None:
    faults.commands += 1
    if faults.due("hang"):
        hang()
    faults.slow()
    is_last = faults.due("kill")
    lines = runner.feed(line)
    if faults.due("garbage"):
        lines = [*GARBAGE, *lines]
    if is_last:
        kill_amid(lines, pipes.write)
    pipes.write(b"".join(lines))


def beat(runner: Runner, pipes: Pipes, faults: Faults, due_at: float) -> float:
    """Beat if it is time; when the next is due.  A late beat is not made up for."""
    now = time.monotonic()
    if now < due_at:
        return due_at
    faults.leak(BEAT_S)
    pipes.write(runner.beat())
    return now + BEAT_S
