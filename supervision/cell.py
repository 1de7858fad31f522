"""The cell on its shell: one actor process that hosts many light actors behind one address.

To Thespian it is one actor.  Every letter names its addressee, so the cell hands each to the resident of that name; the
root introduces all of them, each under its own name, with the cell's address.  The cell's own core (``cell_core``)
says who is started and stopped; what it says is done here to residents (``residents``) instead of child processes.

Thespian looks at what it has to watch after every message.  So it is given one descriptor, an epoll, whatever number
of descriptors the residents have.
"""

import select
from collections import deque
from contextlib import suppress
from functools import partial

from thespian.actors import ActorAddress, ThespianWatch, WatchMessage

from alluse_hub.protocols.lifecycle import ChildStart
from alluse_hub.protocols.message import Message
from alluse_hub.supervision.bell import Bell
from alluse_hub.supervision.cell_core import CELL
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.pings import Work
from alluse_hub.supervision.residents import Residents
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.spool import Spool
from alluse_hub.supervision.words import Introduce, Register

READY_MAX = 64
"""Descriptors read before the mailbox has its turn again."""


class CellActor(Shell):
    core = CELL

    # --- Thespian's side ---------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._bell = Bell()
        self._epoll = select.epoll(flags=select.EPOLL_CLOEXEC)
        self._epoll.register(self._bell.fd, select.EPOLLIN)
        self._watched = ThespianWatch([self._epoll.fileno()])
        self._words: deque[tuple[Message, Origin]] = deque()  # for the cell's own core; each resident says two at most
        veil = None if self._spool is None else self._spool.veil
        open_spool = partial(Spool.open, self._home / "trail" / "spool", veil=veil)
        self._residents = Residents(self._own, self._home, self, open_spool, veil)

    def _take(self, message: object, sender: ActorAddress) -> None:
        if isinstance(message, Parcel) and self._life is not None:
            resident = self._residents.find(message.to)
            if resident is not None:
                self._residents.hear(resident, message)
                self._tick()
                return
        super()._take(message, sender)

    def _other(self, message: object) -> None:
        if not isinstance(message, WatchMessage):
            super()._other(message)
            return
        if self._has_ended():
            return
        for fd, _ in self._epoll.poll(0, READY_MAX):
            if fd == self._bell.fd:
                self._bell.hush()
            else:
                self._residents.read(fd)
        self._residents.hear_words()

    def _watch(self) -> object:
        return None if self._has_ended() else self._watched

    def _work(self) -> Work:
        return self._residents.work

    def _tick(self) -> None:
        if self._life is None or self._life.is_ended:
            return
        self._residents.tick()
        while self._words:
            self._life.said(*self._words.popleft())
        super()._tick()

    def _next_due(self) -> float | None:
        waits = [at for at in (super()._next_due(), self._residents.next_due()) if at is not None]
        return min(waits) if waits else None

    def _close(self) -> None:
        if hasattr(self, "_residents"):
            self._residents.close()
            self._bell.close()
            self._epoll.close()

    # --- the directory -----------------------------------------------------------------------------------------------

    def _registration(self) -> Register:
        own = super()._registration()
        return Register(own.name, own.incarnation, own.address, tuple(self._residents.open()), own.origin)

    def _introduce(self, introduction: Introduce) -> None:
        super()._introduce(introduction)
        peers = ((name, incarnation) for name, incarnation, _ in introduction.peers)
        self._residents.introduce(peers, introduction.origin)

    # --- what carries the residents, besides the shell's own ----------------------------------------------------------

    def tell(self, word: Message, origin: Origin = UNKNOWN) -> None:
        self._words.append((word, origin))

    def wake(self) -> None:
        self._bell.ring()

    def watch(self, fd: int) -> None:
        try:
            self._epoll.register(fd, select.EPOLLIN)
        except FileExistsError:
            self._epoll.modify(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        with suppress(OSError):  # closed, and so forgotten
            self._epoll.unregister(fd)

    # --- ports: residents in place of children -----------------------------------------------------------------------

    def spawn(self, name: str, life: int, start: ChildStart) -> None:
        self._residents.move_in(name, life, start, self._origin_of(name))

    def stop(self, name: str, reason: str, grace_s: float | None, left_s: float | None) -> None:
        _ = grace_s  # the cell's core waits; nothing in a shared process can be killed alone
        self._residents.stop(name, reason, left_s, self._origin_of(name))
