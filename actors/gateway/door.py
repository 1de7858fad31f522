"""The control socket: who comes in, and one line at a time.

A thread for each connection, at most ``CONNECTIONS_MAX``; so a slow or silent client holds nobody else up.  The kernel
says who is at the other end (``SO_PEERCRED``, unix(7)); whoever may not ask is told so and let go before a word is
read.  Lines, waits and answers are bounded: a line over ``REQUEST_BYTES_MAX``, a client silent for ``IDLE_S`` or one
that does not read for ``SEND_S`` ends its own connection and nothing else.
"""

import contextlib
import grp
import os
import pwd
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alluse_hub.protocols.admin import REQUEST_BYTES_MAX
from alluse_hub.protocols.errors import CallerError

CONNECTIONS_MAX = 32
IDLE_S = 300.0
"""A client that follows the trail asks twice a second; one silent for this long is gone or asleep."""

SEND_S = 10.0
ACCEPT_PAUSE_S = 0.05
CHUNK_BYTES = 65_536
REFUSALS_KEPT_S = 10.0
"""Knocks of the same user within this time are told of together, so that nobody can fill the trail by knocking."""

CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    uid: int
    pid: int
    user: str


class LineTooLongError(CallerError):
    """More than ``REQUEST_BYTES_MAX`` without a line end."""


def peer_of(connection: socket.socket) -> Peer:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, _ = CREDENTIALS.unpack(raw)
    try:
        return Peer(uid, pid, pwd.getpwuid(uid).pw_name)
    except KeyError:
        return Peer(uid, pid, str(uid))


def may_ask(peer: Peer, allowed: tuple[int | str, ...]) -> bool:
    """The owner of this process and root always; others if they are named."""
    return peer.uid in {0, os.geteuid()} or peer.uid in allowed or peer.user in allowed


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Complete lines as they come.  Ends with the connection or its idle time; raises LineTooLongError."""
    buffered = bytearray()
    connection.settimeout(IDLE_S)
    while True:
        try:
            chunk = connection.recv(CHUNK_BYTES)
        except OSError:  # a timeout is one as well
            return
        if not chunk:
            return
        buffered += chunk
        while (end := buffered.find(b"\n")) >= 0:
            if end > REQUEST_BYTES_MAX:
                break
            line = bytes(buffered[:end])
            del buffered[: end + 1]
            yield line
        if len(buffered) > REQUEST_BYTES_MAX:
            raise LineTooLongError(f"a request is one line of at most {REQUEST_BYTES_MAX} bytes")


def write(connection: socket.socket, line: bytes) -> bool:
    """Whether the client took it within ``SEND_S``."""
    connection.settimeout(SEND_S)
    try:
        connection.sendall(line)
    except OSError:
        return False
    return True


class Door:
    """Accepts connections and gives each a thread that runs ``attend(connection, peer)``."""

    def __init__(
        self,
        path: Path,
        *,
        allowed: tuple[int | str, ...],
        group: str,
        attend: Callable[[socket.socket, Peer], None],
        turn_away: Callable[[socket.socket, Peer, int], None],
        full: bytes,
    ) -> None:
        """``full`` is said to whoever comes when ``CONNECTIONS_MAX`` are there.  ``turn_away`` gets the number of
        refusals that have not been told of yet; 0 if it is too early to tell.
        """
        self._path = path
        self._allowed = allowed
        self._group = group
        self._attend = attend
        self._turn_away = turn_away
        self._full = full
        self._listener: socket.socket | None = None
        self._inode = 0
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._refused: dict[int, tuple[float, int]] = {}

    def listen(self) -> None:
        """Open the socket; one left behind by an earlier incarnation is replaced.  Raises OSError."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(before)
        if self._group:
            os.chown(self._path, -1, grp.getgrnam(self._group).gr_gid)
            self._path.chmod(0o660)
        listener.listen(CONNECTIONS_MAX)
        self._inode = self._path.stat().st_ino
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more connections and no more requests.  What is being answered goes on; see ``finish``."""
        with self._lock:
            listener, self._listener = self._listener, None
            connections = [*self._open]
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:  # not that of a later incarnation
                self._path.unlink()
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def finish(self, timeout_s: float) -> None:
        """Let the last answers go out for at most ``timeout_s``, then end all connections."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            threads = [*self._open.values(), *([self._thread] if self._thread else [])]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            connections = [*self._open]
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None and self._listener is listener:
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._listener is not listener:
                    return
                time.sleep(ACCEPT_PAUSE_S)  # out of descriptors: the connections there are go on
                continue
            if not self._let_in(connection):
                with contextlib.suppress(OSError):
                    connection.send(self._full, socket.MSG_DONTWAIT)
                connection.close()

    def _let_in(self, connection: socket.socket) -> bool:
        """A thread of its own; False if there are too many, or the system has no more."""
        with self._lock:
            if len(self._open) >= CONNECTIONS_MAX:
                return False
            thread = threading.Thread(target=self._serve, args=(connection,), name="control-peer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the other connections there are go on
                return False
            self._open[connection] = thread  # before it can take itself out: that needs the lock
            return True

    def _serve(self, connection: socket.socket) -> None:
        try:
            peer = peer_of(connection)
            if may_ask(peer, self._allowed):
                self._attend(connection, peer)
            else:
                self._turn_away(connection, peer, self._count_refusal(peer))
        finally:
            with self._lock:
                self._open.pop(connection, None)
            connection.close()

    def _count_refusal(self, peer: Peer) -> int:
        now = time.monotonic()
        with self._lock:
            told_at, count = self._refused.get(peer.uid, (-REFUSALS_KEPT_S, 0))
            if now - told_at < REFUSALS_KEPT_S:
                self._refused[peer.uid] = (told_at, count + 1)
                return 0
            self._refused[peer.uid] = (now, 0)
            return count + 1
