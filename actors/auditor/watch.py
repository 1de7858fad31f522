"""Which spools have grown: told by the kernel, not asked for.

inotify(7) through ctypes, since the standard library has no binding.  Where it is not to be had (its instances or
watches used up) the directory is looked at every ``POLL_S``.  Either way another thread may ring, to end a wait.

Lingering has an ear only for the bell of the spools (``spool.BELL``) and for that ring: what else is written meanwhile
costs nothing.
"""

import contextlib
import ctypes
import os
import select
import struct
import time
from pathlib import Path
from typing import Protocol

from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.bell import Bell
from alluse_hub.supervision.spool import BELL

POLL_S = 0.05
"""Between two looks without inotify: entries come in late by half of it on average."""

SLICE_S = 0.001
"""Between two looks at the bell while lingering without inotify: somebody waits for it."""

EVENTS_BYTES = 1 << 16
"""Read at a time; the kernel keeps up to 16,384 events and says so when it drops some."""

IN_MODIFY = 0x2
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name


class Watch(Protocol):
    """The names of files that grew or came since the last call; None: look at all.

    ``wait`` returns at once if there are any, else after ``timeout_s`` (None: however long it takes) or at a ring.
    ``linger`` returns after ``timeout_s``, at a ring, or when somebody waits for an entry that was written since.
    """

    def wait(self, timeout_s: float | None) -> set[str] | None: ...
    def linger(self, timeout_s: float) -> None: ...
    def ring(self) -> None: ...
    def close(self) -> None: ...


def gone(directory: Path) -> str:
    return f"{directory} is gone; bring it back, or restart the hub to begin a new one"


class Inotify:
    """Raises OSError at birth where inotify is not to be had."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with contextlib.ExitStack() as undo:
            self._urgent_fd = inotify(bell_of(directory), IN_MODIFY)
            undo.callback(os.close, self._urgent_fd)
            self._fd = inotify(directory, IN_MODIFY | IN_MOVED_TO | IN_CREATE)
            undo.callback(os.close, self._fd)
            self._bell = Bell()
            undo.pop_all()
        self._poll = polling(self._fd, self._bell.fd)
        self._urgent = polling(self._urgent_fd, self._bell.fd)

    def wait(self, timeout_s: float | None) -> set[str] | None:
        """Raises TrailError when the directory is gone."""
        ready = {fd for fd, _ in self._poll.poll(None if timeout_s is None else timeout_s * 1_000)}
        if self._bell.fd in ready:
            self._bell.hush()
        if self._fd not in ready:
            return set()
        names: set[str] = set()
        overflow = False
        events = os.read(self._fd, EVENTS_BYTES)
        at = 0
        while at < len(events):
            _, mask, _, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size + length
            if mask & IN_IGNORED:
                raise TrailError(gone(self._directory))
            overflow = overflow or bool(mask & IN_Q_OVERFLOW)
            names.add(os.fsdecode(events[at - length : at].rstrip(b"\0")))
        names.discard(BELL)
        return None if overflow else names

    def linger(self, timeout_s: float) -> None:
        ready = {fd for fd, _ in self._urgent.poll(max(0.0, timeout_s) * 1_000)}
        if self._bell.fd in ready:
            self._bell.hush()
        if self._urgent_fd in ready:
            os.read(self._urgent_fd, EVENTS_BYTES)

    def ring(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._urgent_fd)
        self._bell.close()


class Poll:
    """The same by looking at the files' sizes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sizes: dict[str, int] = {}
        self._rung_at = bell_of(directory).stat().st_mtime_ns
        self._bell = Bell()
        self._poll = polling(self._bell.fd)

    def wait(self, timeout_s: float | None) -> set[str] | None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (changed := self._look()):
            left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
            if left <= 0:
                break
            if self._poll.poll(left * 1_000):
                self._bell.hush()
                break
        return changed

    def linger(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if self._poll.poll(min(SLICE_S, left) * 1_000):
                self._bell.hush()
                return
            with contextlib.suppress(FileNotFoundError):
                rung_at = (self._directory / BELL).stat().st_mtime_ns
                if rung_at != self._rung_at:
                    self._rung_at = rung_at
                    return

    def _look(self) -> set[str]:
        sizes: dict[str, int] = {}
        try:
            items = list(os.scandir(self._directory))
        except FileNotFoundError as error:
            raise TrailError(gone(self._directory)) from error
        for item in items:
            with contextlib.suppress(FileNotFoundError):  # deleted as we looked
                sizes[item.name] = item.stat().st_size
        changed = {name for name, size in sizes.items() if self._sizes.get(name) != size}
        self._sizes = sizes
        return changed - {BELL}

    def ring(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        self._bell.close()


def inotify(path: Path, mask: int) -> int:
    """A descriptor that tells of changes of ``path``.  Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    if libc.inotify_add_watch(fd, os.fsencode(path), mask) < 0:
        error = OSError(ctypes.get_errno(), "inotify_add_watch", str(path))
        os.close(fd)
        raise error
    return fd


def polling(*fds: int) -> select.poll:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return poll


def bell_of(directory: Path) -> Path:
    """The bell of these spools, made if need be."""
    path = directory / BELL
    path.touch(mode=0o600)
    return path


def watch(directory: Path) -> Watch:
    """The best there is."""
    try:
        return Inotify(directory)
    except OSError:
        return Poll(directory)
