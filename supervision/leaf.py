"""A leaf: a shell with a worker for I/O (``workshop``).

The mailbox is woken through an eventfd that Thespian watches, never by polling.  A leaf creates no children: a fork
would copy its threads half.
"""

import os
from contextlib import suppress
from typing import ClassVar

from thespian.actors import ThespianWatch, WatchMessage

from alluse_hub.protocols.message import Message
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.workshop import Worker, Workshop


class Leaf(Shell):
    worker: ClassVar[type[Worker]]

    def _prepare(self) -> None:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        spec = self.core.spec.model_validate(self._own.spec)
        self._workshop = Workshop(self.worker, self._own.name, self._home, spec, self._ring)

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def do(self, job: Message) -> None:
        self._workshop.do(job)

    def _other(self, message: object) -> None:
        if not isinstance(message, WatchMessage):
            super()._other(message)
            return
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        assert self._life is not None, "a worker speaks only after boot"
        for _ in range(self._workshop.waiting):  # what is said meanwhile has rung again
            if (word := self._workshop.heard()) is not None:
                self._life.said(word)

    def _watch(self) -> object:
        return ThespianWatch([self._bell]) if hasattr(self, "_bell") else None

    def _close(self) -> None:
        if hasattr(self, "_workshop"):
            self._workshop.close()
