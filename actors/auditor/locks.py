"""A lock that is a file: held by one process at a time, given back by whatever ends it."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from alluse_hub.protocols.errors import CallerError

TRIES_S = 0.2


@contextlib.contextmanager
def held(path: Path, wait_s: float, otherwise: str) -> Iterator[None]:
    """Raises CallerError, ``otherwise``, if somebody else keeps it for longer than ``wait_s``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + wait_s
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise CallerError(otherwise) from error
                time.sleep(TRIES_S)
        yield
    finally:
        os.close(fd)
