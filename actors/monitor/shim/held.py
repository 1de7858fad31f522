"""The program that a shim holds: its pipes, its lines, its end.  Nothing here ever waits."""

import os
import signal
import time

LINE_BYTES_MAX = 1_000_000
"""As protocols/workstream.py has it; a test holds the two together."""

KEPT_BYTES_MAX = 8_000_000
LINE_COST = 64
"""What keeping a line costs beside its bytes, so that short lines cannot take more memory than long ones."""

BEGINNING_BYTES = 200
STDIN_QUEUE_BYTES_MAX = 16_000_000
"""A program that has left so much unread is stuck; what is written then is dropped, and its deadline says so."""

LOG_BYTES_MAX = 4_000_000
READ_BYTES = 65_536
TERM_GRACE_S = 1.0


def start_ticks(pid: int) -> int:
    """Field 22 of proc(5)'s stat: with the pid it names a process for ever."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # pathlib costs a megabyte
        stat = file.read()
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


class Held:
    def __init__(self, log: str) -> None:
        self.log_path = log
        self.log = self._open_log()
        self.log_bytes = os.fstat(self.log).st_size
        self.pid = self.ticks = 0
        self.stdin = self.stdout = self.stderr = -1
        self.to_stdin = bytearray()
        self.is_stuck = False
        self.kept: list[bytes] = []
        self.first = 1  # number of kept[0]
        self.kept_bytes = 0
        self.long: dict[int, int] = {}  # number of a line that was too long -> its length
        self.partial = bytearray()
        self.length = 0  # of the line at hand, also what of it was not kept
        self.exited: int | None = None
        self.ending_at: float | None = None  # monotonic time at which the next, harsher step is due
        self.ending = [signal.SIGTERM, signal.SIGKILL]

    @property
    def end(self) -> int:
        """Number of the line that comes next."""
        return self.first + len(self.kept)

    @property
    def has_room(self) -> bool:
        return self.kept_bytes < KEPT_BYTES_MAX

    def start(self, working_dir: str, command: list[str]) -> None:
        """In a process group of its own.  Raises OSError."""
        own_dir = os.getcwd()  # noqa: PTH109  # as above
        theirs_in, self.stdin = os.pipe()
        self.stdout, theirs_out = os.pipe()
        self.stderr, theirs_err = os.pipe()
        os.chdir(working_dir)
        self.pid = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                (os.POSIX_SPAWN_DUP2, theirs_err, 2),
            ],
            setpgroup=0,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGXFSZ),
        )
        os.chdir(own_dir)
        self.ticks = start_ticks(self.pid)
        for fd in (theirs_in, theirs_out, theirs_err):
            os.close(fd)
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)

    # --- lines -----------------------------------------------------------------------------------------------------

    def read_lines(self) -> None:
        try:
            piece = os.read(self.stdout, READ_BYTES)
        except BlockingIOError:
            if self.exited is None:
                return
            piece = b""
        if not piece:
            os.close(self.stdout)
            self.stdout = -1
            self.partial = bytearray()
            return
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._add(end)
            self._keep()
        self._add(rest)

    def read_the_rest(self) -> None:
        """Of a program that has exited, as far as there is room."""
        while self.exited is not None and self.stdout >= 0 and self.has_room:
            self.read_lines()

    def _add(self, piece: bytes) -> None:
        self.length += len(piece)
        self.partial += piece if self.length <= LINE_BYTES_MAX else piece[:BEGINNING_BYTES]
        if self.length > LINE_BYTES_MAX:
            del self.partial[BEGINNING_BYTES:]

    def _keep(self) -> None:
        if self.length > LINE_BYTES_MAX:
            self.long[self.end] = self.length
        self.kept.append(bytes(self.partial))
        self.kept_bytes += len(self.partial) + LINE_COST
        self.partial = bytearray()
        self.length = 0

    def release(self, through: int) -> None:
        count = min(through, self.end - 1) - self.first + 1
        if count <= 0:
            return
        self.kept_bytes -= sum(map(len, self.kept[:count])) + LINE_COST * count
        del self.kept[:count]
        self.first += count
        for number in [number for number in self.long if number < self.first]:
            del self.long[number]
        self.read_the_rest()

    # --- log -------------------------------------------------------------------------------------------------------

    def read_log(self) -> None:
        try:
            piece = os.read(self.stderr, READ_BYTES)
        except BlockingIOError:
            if self.exited is None:
                return
            piece = b""
        if piece:
            self.write_log(piece)
        else:
            os.close(self.stderr)
            self.stderr = -1

    def write_log(self, piece: bytes) -> None:
        try:
            if not self._has_log():
                self._begin_log()
            elif self.log_bytes + len(piece) > LOG_BYTES_MAX:
                os.rename(self.log_path, self.log_path + ".1")  # noqa: PTH104  # as above
                self._begin_log()
            self.log_bytes += os.write(self.log, piece)
        except OSError:
            pass  # a full disk costs log lines, not the program

    def _has_log(self) -> bool:
        """Whether what is open still stands there: somebody may have moved it aside, or deleted it, or its folder."""
        try:
            there, own = os.stat(self.log_path), os.fstat(self.log)  # noqa: PTH116  # as above
        except FileNotFoundError:
            return False
        return (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev)

    def _begin_log(self) -> None:
        folder = os.path.dirname(self.log_path)  # noqa: PTH120  # as above
        if not os.path.exists(folder):  # noqa: PTH110  # as above
            os.mkdir(folder, 0o700)  # noqa: PTH102  # as above; not the home: without that the shim ends
        fresh = self._open_log()
        os.close(self.log)
        self.log = fresh
        self.log_bytes = os.fstat(fresh).st_size

    def _open_log(self) -> int:
        return os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    # --- standard input --------------------------------------------------------------------------------------------

    def take_input(self, lines: bytes) -> None:
        self.is_stuck = self.is_stuck or len(self.to_stdin) + len(lines) > STDIN_QUEUE_BYTES_MAX
        if self.stdin >= 0 and not self.is_stuck:
            self.to_stdin += lines
            self.write_input()

    def write_input(self) -> None:
        try:
            del self.to_stdin[: os.write(self.stdin, self.to_stdin[:READ_BYTES])]
        except BlockingIOError:
            pass
        except OSError:
            self._close_input()

    def _close_input(self) -> None:
        if self.stdin >= 0:
            os.close(self.stdin)
        self.stdin = -1
        self.to_stdin = bytearray()

    # --- the end ---------------------------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        if self.exited is not None:
            return
        try:
            os.killpg(self.pid, number)
            if number == signal.SIGTERM:
                os.killpg(self.pid, signal.SIGCONT)  # a stopped program could not obey
        except ProcessLookupError:
            pass

    def finish(self, grace_s: float) -> None:
        """Begin to end it in order."""
        if self.exited is None:
            self._close_input()
            self.ending_at = time.monotonic() + grace_s

    def finish_harder(self) -> None:
        """The next step, if it is due."""
        if self.ending_at is None or time.monotonic() < self.ending_at:
            return
        self.signal(self.ending[0])
        del self.ending[: len(self.ending) - 1]
        self.ending_at = time.monotonic() + TERM_GRACE_S

    def reap(self) -> None:
        """Take note of its exit, and end what is left of its group."""
        if self.exited is not None or os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        self.signal(signal.SIGKILL)  # until it is reaped, its number and so its group's cannot be used again
        _, status = os.waitpid(self.pid, 0)
        self.exited = os.waitstatus_to_exitcode(status)
        self.ending_at = None
        self._close_input()
        for _ in range(LOG_BYTES_MAX // READ_BYTES):
            if self.stderr >= 0:
                self.read_log()
        self.read_the_rest()
