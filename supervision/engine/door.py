"""The door: who may connect, and whom we connect to.

Nothing a peer says is believed before the kernel has said whose process it is (SO_PEERCRED, unix(7)): the user must be
ours, and the pid must be the one in the address the peer claims.  The admin's address bears no pid; whoever claims it
must be the process that listens there.

Refusals are logged, a few in full and then only counted, so that refusing costs an attacker's victim little.
"""

import errno
import logging
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from alluse_hub.supervision.engine.address import SocketAddress, is_plausible
from alluse_hub.supervision.engine.frames import Frame, Kind
from alluse_hub.supervision.engine.link import Link, Note

BACKLOG = 1024

GREETING = b"alluse-hub/1 "
"""Begins the first frame of a connection; the number is the version of the framing."""

REFUSALS_LOGGED_MAX = 20

PEER_CREDENTIALS = struct.Struct("iII")
"""``struct ucred`` of unix(7): pid, uid, gid."""

BUSY = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Try again later: the peer's backlog is full, or we are out of descriptors or memory."""


class DeadTargetError(Exception):
    """Nobody listens there, and nobody ever will again."""


class BusyError(Exception):
    """No connection just now."""


class RefusedError(Exception):
    """The peer is not who it should be."""


def credentials(sock: socket.socket) -> tuple[int, int]:
    """Pid and uid of the peer, from the kernel: for a connection we made, of the process that listens."""
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
    pid, uid, _ = PEER_CREDENTIALS.unpack(found)
    return pid, uid


class Door:
    """``own``: the address we listen at.  ``frame_max``: largest frame taken from a proved peer, in bytes."""

    def __init__(self, own: SocketAddress, frame_max: int) -> None:
        self.own = own
        self.refusals = 0
        self._frame_max = frame_max
        self._admins: dict[str, int] = {}  # path of an admin -> pid that listens there
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.listener.bind(own.path)
        self.listener.listen(BACKLOG)

    def close(self) -> None:
        self.listener.close()
        with suppress(FileNotFoundError):
            Path(self.own.path).unlink()

    def dial(self, path: str) -> Link:
        """A connected link with our greeting in its queue.  Raises DeadTargetError, BusyError."""
        sock = None
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            sock.connect(path)
            pid, uid = credentials(sock)
        except OSError as error:
            if sock is not None:
                sock.close()
            raise (BusyError if error.errno in BUSY else DeadTargetError)(str(error)) from error
        expected = SocketAddress(path).pid
        if uid != os.geteuid() or pid != (expected or pid):
            sock.close()
            self.refuse(f"{path} is held by pid {pid} of user {uid}")
            raise DeadTargetError(f"{path} is not held by its owner")
        if not expected:
            self._admins[path] = pid
        link = Link(sock, path, pid)
        link.trust(self._frame_max)
        link.put(Note(Kind.HELLO, GREETING + os.fsencode(self.own.path)))
        return link

    def accept(self) -> Link | None:
        """The next caller, not yet proved; None if there is no more.  Raises BusyError."""
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in BUSY:
                    raise BusyError(str(error)) from error
                continue  # that caller is gone again
            sock.setblocking(False)
            pid, uid = credentials(sock)
            if uid == os.geteuid():
                return Link(sock, "", pid)
            sock.close()
            self.refuse(f"pid {pid} of user {uid} called")

    def prove(self, link: Link, frame: Frame) -> None:
        """Take the caller's first frame.  Raises RefusedError."""
        if frame.kind is not Kind.HELLO or not frame.payload.startswith(GREETING):
            raise RefusedError(f"pid {link.pid} did not greet")
        path = os.fsdecode(bytes(frame.payload[len(GREETING) :]))
        if not is_plausible(path):
            raise RefusedError(f"pid {link.pid} gave {path!r} for its address")
        owner = SocketAddress(path).pid or self._admin_at(path, link.pid)
        if owner != link.pid:
            raise RefusedError(f"pid {link.pid} posed as {path}")
        link.path = path
        link.trust(self._frame_max)

    def _admin_at(self, path: str, claimed: int) -> int:
        """The pid of the process that listens at an admin's path; 0 if nobody answers."""
        if self._admins.get(path) != claimed:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
                probe.setblocking(False)
                probe.connect(path)
                self._admins[path], _ = credentials(probe)
        return self._admins.get(path, 0)

    def refuse(self, why: str) -> None:
        self.refusals += 1
        if self.refusals <= REFUSALS_LOGGED_MAX:
            more = " (further ones are only counted)" if self.refusals == REFUSALS_LOGGED_MAX else ""
            logging.getLogger("alluse_hub.engine").warning("refused: %s%s", why, more)
