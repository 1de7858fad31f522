"""The log of the hub itself: what Thespian and the libraries warn of; what actors say goes to the trail.

One process writes it.  It stays bounded, comes back when somebody moved or deleted it or its folder, and whatever the
disk says costs lines of the log and nothing else.
"""

import logging
import os
from pathlib import Path

LOG_BYTES_MAX = 8_000_000
"""Of the file; one older one is kept beside it."""


class HubLog(logging.Handler):
    def __init__(self, filename: str) -> None:
        super().__init__()
        self._path = Path(filename)
        self._fd = -1

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode()
            self._look(len(line))
            os.write(self._fd, line)
        except OSError:
            pass  # a log that cannot be written must not fail what it speaks of

    def _look(self, more_bytes: int) -> None:
        """Have the file open that stands there, with room for so much.  Raises OSError."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            there = None
        if there is not None and there.st_size + more_bytes > LOG_BYTES_MAX:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            there = None
        if self._fd >= 0:
            own = os.fstat(self._fd)
            if there is not None and (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev):
                return
            self.close_file()
        if not self._path.parent.exists():
            self._path.parent.mkdir(mode=0o700)  # not the home: who deleted that wants no hub here
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        self.close_file()
        super().close()
