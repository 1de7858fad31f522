"""One epoll object for life, and an eventfd by which signals and other threads wake it.

Everything is level-triggered: what is not read now is reported again.
"""

import os
import select
from contextlib import suppress

EVENTS_MAX = 256

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Poller:
    def __init__(self) -> None:
        self._epoll = select.epoll(flags=select.EPOLL_CLOEXEC)
        self._is_closed = False
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._bell, READ)

    def close(self) -> None:
        self._is_closed = True
        self._epoll.close()
        os.close(self._bell)

    def ring(self) -> None:
        """Wake the poll, or the next one.  May be called from a signal handler and from any thread; after ``close`` it
        does nothing: a child may end while its parent goes."""
        if self._is_closed:
            return
        with suppress(BlockingIOError):  # the counter is full, so it is awake already
            os.eventfd_write(self._bell, 1)

    def poll(self, timeout_s: float | None) -> list[tuple[int, int]]:
        """Descriptors that are ready and how; None waits for ever."""
        ready = self._epoll.poll(timeout_s, EVENTS_MAX)
        bell = self._bell
        for item in ready:
            if item[0] == bell:
                with suppress(BlockingIOError):
                    os.eventfd_read(bell)
                ready.remove(item)
                break
        return ready

    def add(self, fd: int) -> None:
        self._epoll.register(fd, READ)

    def want(self, fd: int, *, write: bool) -> None:
        self._epoll.modify(fd, READ | WRITE if write else READ)

    def watch(self, fd: int) -> bool:
        """See to it that ``fd`` is polled for reading, whatever it was before; False if it cannot be."""
        try:
            self._epoll.modify(fd, READ)
        except FileNotFoundError:
            try:
                self._epoll.register(fd, READ)
            except OSError:
                return False
        except (OSError, ValueError):
            return False
        return True

    def remove(self, fd: int) -> None:
        with suppress(OSError, ValueError):
            self._epoll.unregister(fd)
