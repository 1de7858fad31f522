"""The lock of a home: at most one hub runs on it.  The kernel lets go of it at any death.

A daemon holds a record lock (fcntl(2)), because it is not inherited by forks.  That kind counts for a whole process,
and is lost when anything in it closes the file; so a hub inside a program of somebody else holds an open file
description lock, which counts for itself alone.  The kernel sets the two against each other.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_SET
from pathlib import Path
from typing import IO

from alluse_hub.protocols.errors import CallerError

WHOLE_FILE = "hhqqi0q"
"""``struct flock`` of fcntl(2): type, whence, start, length, pid."""


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """For as long as this process lives.  Raises CallerError naming the pid that holds it."""
    with _opened(home) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _taken(home, file) from error
        _sign(file, str(os.getpid()))
        try:
            yield
        finally:
            file.truncate(0)


@contextmanager
def locked_inside(home: Path) -> Iterator[None]:
    """For a hub that is only a part of this process.  Raises CallerError naming the pid that holds it."""
    with _opened(home) as file:
        try:
            _set(file, fcntl.F_WRLCK)
        except OSError as error:
            raise _taken(home, file) from error
        _sign(file, f"{os.getpid()}, embedded")  # no pid alone: nobody guards this hub
        try:
            yield
        finally:
            file.truncate(0)
            _set(file, fcntl.F_UNLCK)  # also for whatever has been forked meanwhile and has the file open


def _opened(home: Path) -> IO[str]:
    return (home / "run" / "lock").open("a+", encoding="ascii")


def _set(file: IO[str], kind: int) -> None:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack(WHOLE_FILE, kind, SEEK_SET, 0, 0, 0))


def _taken(home: Path, file: IO[str]) -> CallerError:
    file.seek(0)
    holder = file.read().strip() or "unknown"
    return CallerError(
        f"another daemon (pid {holder}) runs on {home}; stop it with `run.py shutdown` or choose another --home"
    )


def _sign(file: IO[str], who: str) -> None:
    file.truncate(0)
    file.write(f"{who}\n")
    file.flush()
