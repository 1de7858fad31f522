"""A bell: an eventfd that any thread may ring and the mailbox watches.

Once it is closed, ringing does nothing; else a thread that is late would write to whatever has the number by then.
"""

import os
import threading
from contextlib import suppress


class Bell:
    """``fd``: to be watched for reading; -1 once closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def ring(self) -> None:
        with self._lock, suppress(BlockingIOError):  # the counter is full: it rings already
            if self.fd >= 0:
                os.eventfd_write(self.fd, 1)

    def hush(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def close(self) -> None:
        """May be said twice."""
        with self._lock:
            if self.fd >= 0:
                os.close(self.fd)
                self.fd = -1
