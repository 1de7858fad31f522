"""A leaf: a shell with a worker for I/O (``workshop``).

The mailbox is woken through an eventfd that Thespian watches, never by polling.  A leaf creates no children: a fork
would copy its threads half.
"""

from typing import ClassVar

from thespian.actors import ThespianWatch, WatchMessage

from alluse_hub.protocols.message import Message
from alluse_hub.supervision.bell import Bell
from alluse_hub.supervision.pings import Work
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.workshop import Worker, Workshop


class Leaf(Shell):
    worker: ClassVar[type[Worker]]

    def _prepare(self) -> None:
        self._bell = Bell()
        spec = self.core.spec.model_validate(self._own.spec)
        self._sources: tuple[int, ...] = ()
        self._watched: object = None
        ring, is_inline = self._bell.ring, self._lodging.is_shared
        self._workshop = Workshop(self.worker, self._own.name, self._home, spec, ring, is_inline=is_inline)

    def do(self, job: Message) -> None:
        self._workshop.do(job)

    def _work(self) -> Work:
        return self._workshop.work

    def _other(self, message: object) -> None:
        if not isinstance(message, WatchMessage):
            super()._other(message)
            return
        if self._has_ended():
            return
        for fd in message.ready:
            if fd == self._bell.fd:
                self._bell.hush()
            else:
                self._workshop.read(fd)
        assert self._life is not None, "a worker speaks only after boot"
        for _ in range(self._workshop.waiting):  # what is said meanwhile has rung again
            if (word := self._workshop.heard()) is not None:
                self._life.said(word)

    def _watch(self) -> object:
        """Always the same answer as long as it means the same, so that the base need not look again."""
        if self._has_ended() or not hasattr(self, "_workshop"):
            return None
        sources = self._workshop.sources()
        if self._watched is None or sources is not self._sources:
            self._sources = sources
            self._watched = ThespianWatch([self._bell.fd, *sources])
        return self._watched

    def _close(self) -> None:
        if hasattr(self, "_workshop"):
            self._workshop.close()
        if hasattr(self, "_bell"):
            self._bell.close()
