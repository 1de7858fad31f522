"""The shim's loop: one thread that sleeps in ``poll`` until the program, the monitor or a signal has something."""

import fcntl
import os
import select
import signal
import socket
import sys
import time

from .held import READ_BYTES, Held, start_ticks

SEND_BYTES = 256_000
"""How much is put before a slow monitor at a time."""

LOOK_S = 2.0
"""How often a shim without a monitor looks whether it can still be found."""

PARTING_READS = 64
"""Reads from a monitor that is being replaced: more than a socket's buffer holds."""

GRACE_S = 5.0
"""The grace when SIGTERM asks."""

REPORT_FD = 3

PROTOCOL = 1
"""Raised when a monitor that speaks the version before could not go on with this one; see the package's text."""

PEERCRED_BYTES = 12
HEAD_BYTES = 5
READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Shim:
    def __init__(self, name: str, log: str, lock: int) -> None:
        self.name = name
        self.lock = lock
        self.look_at = 0.0  # monotonic time of the next look whether it can still be found
        self.held = Held(log)
        self.peer: socket.socket | None = None
        self.peer_in = bytearray()
        self.peer_out = bytearray()
        self.cursor = 1  # number of the next line to send
        self.told_exit = False
        self.is_quitting = False
        self.wanted: tuple[tuple[int, int], ...] = ()  # what ``poll`` waits for
        self.poll = select.poll()
        self.wake_read, self.wake_write = os.pipe()
        self.listener = self._listen()

    def _listen(self) -> socket.socket:
        path = f"{self.name}.sock"
        remove(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, 0o600)  # noqa: PTH101  # pathlib costs a megabyte
        listener.listen(4)
        listener.setblocking(False)
        return listener

    def start(self, working_dir: str, command: list[str]) -> None:
        """Raises OSError."""
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self.wake_write, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)  # the byte in the pipe is what counts
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        held = self.held
        held.start(working_dir, command)
        own = os.getpid()
        text = f'{{"shim_pid":{own},"shim_ticks":{start_ticks(own)},"pid":{held.pid},"ticks":{held.ticks}}}\n'
        fd = os.open(f"{self.name}.json.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, text.encode())
        os.close(fd)
        os.rename(f"{self.name}.json.new", f"{self.name}.json")  # noqa: PTH104  # as above

    def run(self) -> None:
        while not (self.is_quitting and self.held.exited is not None):
            for fd, events in self._poll():
                self._serve(fd, events)
            self.held.finish_harder()
            self._fill()
            if self.peer is None and time.monotonic() >= self.look_at:
                self._look()
        remove(f"{self.name}.sock")
        remove(f"{self.name}.json")

    def _look(self) -> None:
        """While nobody is connected: if the folder is gone nobody can come any more; if only the socket is, make it
        anew.
        """
        self.look_at = time.monotonic() + LOOK_S
        if os.fstat(self.lock).st_nlink == 0:
            if not self.is_quitting:
                self.held.finish(GRACE_S)
            self.is_quitting = True
        elif not os.access(f"{self.name}.sock", os.F_OK):
            try:
                listener = self._listen()
            except OSError:
                return  # at the next look again
            self.listener.close()
            self.listener = listener

    def _poll(self) -> list[tuple[int, int]]:
        held = self.held
        wanted = (
            (self.wake_read, select.POLLIN),
            (self.listener.fileno(), select.POLLIN),
            (held.stdout, select.POLLIN if held.has_room else 0),
            (held.stderr, select.POLLIN),
            (held.stdin, select.POLLOUT if held.to_stdin else 0),
            (-1 if self.peer is None else self.peer.fileno(), select.POLLIN | (select.POLLOUT if self.peer_out else 0)),
        )
        if wanted != self.wanted:  # seldom: the same are waited for from line to line
            self.wanted = wanted
            self.poll = select.poll()
            for fd, events in wanted:
                if fd >= 0 and events:
                    self.poll.register(fd, events)
        dues = [due for due in (held.ending_at, self.look_at if self.peer is None else None) if due is not None]
        return self.poll.poll(max(0.0, (min(dues) - time.monotonic()) * 1000 + 1) if dues else None)

    def _serve(self, fd: int, events: int) -> None:
        if fd == self.wake_read:
            self._signalled()
        elif fd == self.listener.fileno():
            self._accept()
        elif fd == self.held.stdout:
            self.held.read_lines()
        elif fd == self.held.stderr:
            self.held.read_log()
        elif fd == self.held.stdin:
            self.held.write_input()
        elif self.peer is not None and fd == self.peer.fileno():
            if events & READABLE:
                self._hear()
            if self.peer is not None and events & select.POLLOUT:
                self._speak()

    def _signalled(self) -> None:
        try:
            numbers = os.read(self.wake_read, READ_BYTES)
        except BlockingIOError:
            return
        if signal.SIGTERM in numbers:
            self.is_quitting = True
            self.held.finish(GRACE_S)
        if signal.SIGCHLD in numbers:
            self.held.reap()

    # --- the monitor -----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            peer, _ = self.listener.accept()
        except OSError:
            return
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEERCRED_BYTES)
        if int.from_bytes(credentials[4:8], sys.byteorder) != os.getuid():
            peer.close()
            return
        self._part()
        peer.setblocking(False)
        self.peer = peer
        held, own = self.held, os.getpid()
        self.cursor = held.first
        self.told_exit = False
        exited = "-" if held.exited is None else held.exited
        hello = f"{own} {start_ticks(own)} {held.pid} {held.ticks} {held.first} {exited} {PROTOCOL}"
        self._frame(b"H", hello.encode())

    def _part(self) -> None:
        """Take leave of a monitor that has gone or is replaced: what it said last still counts."""
        for _ in range(PARTING_READS):
            if self.peer is None or not self._hear():
                break
        self._hang_up()

    def _hang_up(self) -> None:
        if self.peer is not None:
            self.peer.close()
        self.peer = None
        self.peer_in = bytearray()
        self.peer_out = bytearray()

    def _frame(self, kind: bytes, payload: bytes) -> None:
        self.peer_out += kind + len(payload).to_bytes(4, "big") + payload

    def _fill(self) -> None:
        """Put what the monitor has not seen into its buffer, and try to send."""
        if self.peer is None:
            return
        held = self.held
        while self.cursor < held.end and len(self.peer_out) < SEND_BYTES:
            number = self.cursor.to_bytes(8, "big")
            if self.cursor in held.long:
                length = held.long[self.cursor].to_bytes(8, "big")
                self._frame(b"T", number + length + held.kept[self.cursor - held.first])
                self.cursor += 1
            else:
                self._frame(b"L", number + b"".join(self._lines()))
        if held.exited is not None and held.stdout < 0 and self.cursor == held.end and not self.told_exit:
            self.told_exit = True
            self._frame(b"X", str(held.exited).encode())
        if self.peer_out:
            self._speak()

    def _lines(self) -> list[bytes]:
        """Lines from the cursor on, which moves past them: at least one, then as many as make one send."""
        held, size = self.held, 0
        lines: list[bytes] = []
        while self.cursor < held.end and self.cursor not in held.long and size < SEND_BYTES:
            line = held.kept[self.cursor - held.first]
            lines += (line, b"\n")
            size += len(line)
            self.cursor += 1
        return lines

    def _speak(self) -> None:
        assert self.peer is not None, "nobody to speak to"
        try:
            del self.peer_out[: self.peer.send(self.peer_out)]
        except BlockingIOError:
            pass
        except OSError:
            self._part()

    def _hear(self) -> bool:
        """Obey what has come; whether anything has."""
        assert self.peer is not None, "nobody to hear"
        try:
            piece = self.peer.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        if not piece:
            self._hang_up()
            return False
        self.peer_in += piece
        while len(self.peer_in) >= HEAD_BYTES:
            end = HEAD_BYTES + int.from_bytes(self.peer_in[1:HEAD_BYTES], "big")
            if len(self.peer_in) < end:
                break
            kind, payload = chr(self.peer_in[0]), bytes(self.peer_in[HEAD_BYTES:end])
            del self.peer_in[:end]
            self._obey(kind, payload)
        return True

    def _obey(self, kind: str, payload: bytes) -> None:
        if kind == "W":
            self.held.take_input(payload)
        elif kind == "R":
            # Not beyond what was sent: what nobody has seen is not released.
            self.held.release(min(int.from_bytes(payload, "big"), self.cursor - 1))
        elif kind == "S":
            self.held.signal(payload[0])
        elif kind == "E":
            self.held.finish(int.from_bytes(payload, "big") / 1000)
        elif kind == "G":
            self.held.write_log(payload)
        elif kind == "Q":
            self.is_quitting = True
            self.held.finish(GRACE_S)


def remove(path: str) -> None:
    try:  # noqa: SIM105  # contextlib is one more import
        os.unlink(path)  # noqa: PTH108  # as above
    except FileNotFoundError:
        pass


def main() -> None:
    _, run_dir, name, log, working_dir, *command = sys.argv[1:]
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    try:
        os.chdir(run_dir)
        lock = os.open(f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.set_inheritable(REPORT_FD, False)  # the standard library's own signature
        shim = Shim(name, log, lock)
        shim.start(working_dir, command)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        os.write(REPORT_FD, f"error: {error.strerror}{place}".encode())
        os._exit(1)
    os.write(REPORT_FD, b"ok")
    os.close(REPORT_FD)
    shim.run()
