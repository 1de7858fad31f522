"""The runtime directory of one actor system: its sockets, and the lock that makes its admin the only one.

The directory is refused unless it is a real one (no link), owned by us and closed to everybody else: the kernel then
keeps other users from the sockets.  The admin holds an exclusive lock (flock(2)) for as long as it lives; the kernel
lets go of it at any death, so "is there an admin?" is a question about the lock and never about left-over files.
"""

import fcntl
import hashlib
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from alluse_hub.supervision.engine.address import ADMIN_NAME, NAME_BYTES_MAX, PATH_BYTES_MAX, pid_in
from alluse_hub.supervision.processes import start_ticks

LOCK_NAME = "admin.lock"

MODE = 0o700

LOOK_S = 0.002


class RoomError(Exception):
    """The runtime directory cannot be used; says why."""


def open_room(path: Path) -> Path:
    """Make the directory if need be and check it; its absolute path.  Raises RoomError."""
    room = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow a link that must be refused
    if len(os.fsencode(room)) + 1 + NAME_BYTES_MAX > PATH_BYTES_MAX:
        most = PATH_BYTES_MAX - 1 - NAME_BYTES_MAX
        raise RoomError(f"{room} is too long for socket paths: at most {most} bytes, choose a shorter one")
    with suppress(FileExistsError):
        room.mkdir(mode=MODE)
    check(room)
    return room


def check(room: Path) -> None:
    """Raises RoomError unless ``room`` is a real directory, ours alone."""
    try:
        found = room.lstat()
    except OSError as error:
        raise RoomError(f"{room}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise RoomError(f"{room} is not a directory (a link is refused, wherever it leads)")
    if found.st_uid != os.geteuid():
        raise RoomError(f"{room} belongs to user {found.st_uid}, not to {os.geteuid()}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise RoomError(f"{room} is open to others (mode {stat.S_IMODE(found.st_mode):o}); it must be {MODE:o}")


def room_for(home: Path) -> Path:
    """The room of a hub's home: one that is short, private and gone after a reboot.

    ``$XDG_RUNTIME_DIR`` if there is one, else ``/run`` for root, else ``/tmp``; below it a folder of ours with one
    folder for each home.  Raises RoomError.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "") or ("/run" if os.geteuid() == 0 else "/tmp")  # noqa: S108  # checked
    shared = open_room(Path(base) / f"alluse-hub-{os.geteuid()}")
    digest = hashlib.sha256(os.fsencode(os.path.abspath(home))).hexdigest()  # noqa: PTH100  # as above
    return open_room(shared / digest[:16])


def admin_path(room: Path) -> str:
    return str(room / ADMIN_NAME)


# --- the lock --------------------------------------------------------------------------------------------------------


def take_lock(room: Path, patience_s: float) -> int | None:
    """The descriptor that holds the admin's lock, to be kept open for life; None if another admin lives.

    A lock that is only being looked at is free again at once, hence the patience.
    """
    deadline = time.monotonic() + patience_s
    while (lock := _try_lock(room, fcntl.LOCK_EX)) is None and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    return lock


def has_admin(room: Path) -> bool:
    lock = _try_lock(room, fcntl.LOCK_SH)
    if lock is None:
        return True
    os.close(lock)
    return False


def _try_lock(room: Path, how: int) -> int | None:
    lock = os.open(room / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def await_no_admin(room: Path, patience_s: float) -> bool:
    """Wait until the admin's process is gone; False if it is still there after ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while has_admin(room):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


# --- what the dead leave over ----------------------------------------------------------------------------------------


def sweep(room: Path) -> None:
    """Remove the sockets of processes that are gone, or only wait to be reaped."""
    for name in os.listdir(room):  # noqa: PTH208  # names are wanted, and there may be hundreds
        pid = pid_in(name)
        if pid and not start_ticks(pid):
            with suppress(FileNotFoundError):
                (room / name).unlink()


def remove_sockets_of(room: Path, pid: int) -> None:
    for name in os.listdir(room):  # noqa: PTH208  # as above
        if pid_in(name) == pid:
            with suppress(FileNotFoundError):
                (room / name).unlink()
