"""The monitor's end of the line to a shim: the frames that the shim describes, over a Unix socket.

Writes block, for a shim always reads; reads never do, but for the hello.
"""

import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from alluse_hub.supervision.processes import Process

HEAD = struct.Struct(">cI")
RECEIVE_BYTES = 262_144

PROMPT_BYTES_MAX = 32_768
"""A write of up to this much, onto no more than as much that is still unread, never waits: a socket holds 200 kB."""

SEND_TIMEOUT = struct.pack("ll", 5, 0)
"""Seconds and microseconds a write to a shim may take.  A shim always reads, so one that does not is broken or stopped,
and the monitor fails rather than wait."""


FIRST_PROTOCOL = 1
"""Of a shim that does not say."""

SPOKEN = frozenset({1})
"""The protocols of shims that this monitor can take over."""


class Hello(NamedTuple):
    shim: Process
    program: Process
    first_line: int
    protocol: int


class Lines(NamedTuple):
    first: int
    lines: list[bytes]


class TooLong(NamedTuple):
    number: int
    length: int
    beginning: bytes


class Exit(NamedTuple):
    status: int


Frame = Hello | Lines | TooLong | Exit


def identity(run_dir: Path, name: str) -> tuple[Process, Process] | None:
    """The shim and the program that RUN_DIR knows under ``name``, dead or alive; None if it knows none."""
    try:
        known = json.loads((run_dir / f"{name}.json").read_text(encoding="utf-8"))
        return Process(known["shim_pid"], known["shim_ticks"]), Process(known["pid"], known["ticks"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


class Link:
    """One connection.  One thread reads it; any may write."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.fd = sock.fileno()
        self._sending = threading.Lock()
        self._buffer = bytearray()

    @classmethod
    def open(cls, run_dir: Path, name: str) -> "Link":
        """Raises OSError if no shim listens, or if it is not the user's own."""
        folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Through the descriptor, because the path of a socket is limited to 107 bytes and that of a home is not.
            sock.connect(f"/proc/self/fd/{folder}/{name}.sock")
            _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != os.getuid():
                raise PermissionError(f"the shim of {name} belongs to the user with id {uid}")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SEND_TIMEOUT)
        except OSError:
            sock.close()
            raise
        finally:
            os.close(folder)
        return cls(sock)

    def send(self, *frames: tuple[bytes, bytes]) -> None:
        """Kinds with their payloads, in one write.  Raises OSError if the shim is gone or does not read."""
        data = b"".join(HEAD.pack(kind, len(payload)) + payload for kind, payload in frames)
        with self._sending:
            self._socket.sendall(data)

    def is_prompt(self, size: int) -> bool:
        """Whether a write of ``size`` bytes will not have to wait."""
        if size > PROMPT_BYTES_MAX:
            return False
        unread = bytearray(4)
        fcntl.ioctl(self.fd, termios.TIOCOUTQ, unread)
        return int.from_bytes(unread, sys.byteorder) <= PROMPT_BYTES_MAX

    def has_unread(self) -> bool:
        """Whether something has come that nobody has read yet, be it the end."""
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        return bool(poller.poll(0))

    def wait(self, timeout_s: float) -> list[Frame]:
        """The next that comes; nothing if the connection ends or nothing comes in time."""
        timeout = struct.pack("ll", *divmod(int(timeout_s * 1_000_000), 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        while (frames := self._receive(0)) == []:
            pass
        return frames or []

    def read(self) -> list[Frame] | None:
        """What has come, without waiting; None when the connection has ended."""
        return self._receive(socket.MSG_DONTWAIT)

    def _receive(self, flags: int) -> list[Frame] | None:
        try:
            piece = self._socket.recv(RECEIVE_BYTES, flags)
        except BlockingIOError:
            return [] if flags else None
        except OSError:
            return None
        if not piece:
            return None
        self._buffer += piece
        return list(self._whole())

    def _whole(self) -> Iterator[Frame]:
        at = 0
        while len(self._buffer) - at >= HEAD.size:
            kind, length = HEAD.unpack_from(self._buffer, at)
            if len(self._buffer) - at - HEAD.size < length:
                break
            at += HEAD.size
            yield _frame(kind, bytes(self._buffer[at : at + length]))
            at += length
        del self._buffer[:at]

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _frame(kind: bytes, payload: bytes) -> Frame:
    match kind:
        case b"L":
            return Lines(int.from_bytes(payload[:8], "big"), payload[8:-1].split(b"\n"))
        case b"T":
            return TooLong(int.from_bytes(payload[:8], "big"), int.from_bytes(payload[8:16], "big"), payload[16:])
        case b"X":
            return Exit(int(payload))
        case b"H":
            shim_pid, shim_ticks, pid, ticks, first, _, *later = payload.split()
            protocol = int(later[0]) if later else FIRST_PROTOCOL
            return Hello(Process(int(shim_pid), int(shim_ticks)), Process(int(pid), int(ticks)), int(first), protocol)
        case _:
            raise ValueError(f"{kind!r} is no frame of a shim; was it started by another version? ({sys.argv[0]})")
