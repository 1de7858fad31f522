"""The residents of a cell: many lives in one process, each with its own mail, spool, timers and worker.

A resident is run as any actor is: the same core, the same ``Life``, the same worker in threads of its own; only what
carries it is shared.  So a worker that blocks holds up nobody but its own actor, while one slow ``decide`` holds up all
residents: that is the price of a process for many.

Nothing here goes through all residents for the sake of one.  Their timers stand in one agenda by name, of which only
the earliest is asked for; descriptors that workers want watched are known by their owner; a worker that has said
something puts its resident into one queue and rings one bell.  The queue is worked off one word of each resident in
turn, and at most ``WORDS_PER_WAKE`` at a time, so that neither a talkative worker nor the crowd keeps letters and
timers waiting.

A resident that ends lets go of its worker in a thread of its own, because that may take seconds; its end is told when
that is done.  One that raises leaves ``Failed`` as its last entry and is told of at once.
"""

import importlib
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Protocol

from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.lifecycle import ChildStart, ChildUp, Exited, StopAsked
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Json, Message
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.handfile import hand_of
from alluse_hub.supervision.life import Life
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.pings import Work
from alluse_hub.supervision.ports import SpoolPort
from alluse_hub.supervision.spool import Veiling
from alluse_hub.supervision.timers import Timers
from alluse_hub.supervision.workshop import Worker, Workshop

WORDS_PER_WAKE = 64
"""Words of workers heard before the mailbox has its turn again: some milliseconds."""

TICKS_PER_TURN = 64
"""Residents whose timers come up before the mailbox has its turn again."""

CLOSE_ALL_S = 6.0
"""How long an ending cell waits for all workers to let go; what takes longer goes with the process."""

CAUSE_CHARS_MAX = 500


class Carrier(Protocol):
    """What carries them all.

    ``tell``: a word to the cell's own core.  ``wake``: from any thread, have ``hear_words`` called soon.  ``watch``:
    have ``read`` called when the descriptor can be read, until ``unwatch``, which may find that it is closed already.
    """

    def now(self) -> float: ...
    def wall(self) -> float: ...
    def post(self, to: str, parcel: Parcel) -> None: ...
    def recover_of(self, name: str, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]: ...
    def tell(self, word: Message, origin: Origin = UNKNOWN) -> None: ...
    def wake(self) -> None: ...
    def watch(self, fd: int) -> None: ...
    def unwatch(self, fd: int) -> None: ...


@dataclass(slots=True, eq=False)
class Resident:
    """One of them; the ``Ports`` of its life."""

    boot: Boot
    core: Core[Any]  # each resident has a state of its own
    carrier: Carrier
    leave: Callable[["Resident"], None]
    life: Life[Any] = field(init=False)  # as above
    workshop: Workshop | None = None
    due: float | None = None  # as it stands in the agenda
    sources: tuple[int, ...] = ()  # as they are watched
    cause: str = ""
    is_up: bool = False
    is_rung: bool = False  # it is in the queue of those who have something to say
    is_closed: bool = False  # its worker has let go
    is_told: bool = False  # the cell's core knows of its end
    closer: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.boot.name

    def has_ended(self) -> bool:
        return self.life.is_ended

    def now(self) -> float:
        return self.carrier.now()

    def wall(self) -> float:
        return self.carrier.wall()

    def post(self, to: str, parcel: Parcel) -> None:
        self.carrier.post(to, parcel)

    def do(self, job: Message) -> None:
        if self.workshop is None:
            raise TypeError(f"{self.name} has no worker for a {type(job).__name__}")
        self.workshop.do(job)

    def end(self, reason: str) -> None:
        self.cause = reason
        self.leave(self)

    def recover(self, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        return self.carrier.recover_of(self.name, kinds)

    def spawn(self, name: str, life: int, start: ChildStart) -> None:
        _ = life, start
        self._refuse(name)

    def stop(self, name: str, reason: str, grace_s: float | None, left_s: float | None) -> None:
        _ = reason, grace_s, left_s
        self._refuse(name)

    def kill(self, name: str) -> None:
        self._refuse(name)

    def terminate(self, name: str) -> None:
        self._refuse(name)

    def watch_over(self, name: str, liveness: Liveness) -> None:
        _ = liveness
        self._refuse(name)

    def _refuse(self, child: str) -> NoReturn:
        raise TypeError(
            f"{self.name} lives in the cell {self.boot.parent} and can have no child {child!r}: only an actor with a"
            " process of its own can"
        )


class Residents:
    """``boot``: the cell's own; ``open_spool``: by name, a new incarnation's."""

    def __init__(
        self,
        boot: Boot,
        home: Path,
        carrier: Carrier,
        open_spool: Callable[[str], SpoolPort],
        veil: Veiling | None = None,
    ) -> None:
        self._boot = boot
        self._home = home
        self._carrier = carrier
        self._open_spool = open_spool
        self._veil = veil
        self._residents: dict[str, Resident] = {}
        self._agenda = Timers()
        self._readers: dict[int, Resident] = {}  # by descriptor
        self._is_closed = False
        self._rung: deque[Resident] = deque()  # each at most twice: once in its turn, once rung meanwhile

    def find(self, name: str) -> Resident | None:
        return self._residents.get(name)

    def open(self) -> list[tuple[str, int]]:
        """Name and incarnation of all that can be written to."""
        living = (each.life for each in self._residents.values() if each.life.is_open and not each.has_ended())
        return [(life.boot.name, life.spool.incarnation) for life in living]

    # --- birth -------------------------------------------------------------------------------------------------------

    def move_in(self, name: str, life: int, start: ChildStart, origin: Origin = UNKNOWN) -> None:
        """Boot a resident of this name.  Whatever is wrong with it is told to the cell's core."""
        try:
            shell = _load(start.actor)
            boot = replace(
                self._boot,
                name=name,
                life=life,
                spec=start.spec,
                parent=self._boot.name,
                origin=origin,
                actor=start.actor,
            )
            resident = Resident(boot, shell.core, self._carrier, self._leave)
            spool = self._open_spool(name)
            hand = hand_of(self._home, name, spool.incarnation, boot.version, resident.now(), self._veil)
            resident.life = Life(boot, shell.core, spool, resident, hand)
        except Exception as error:  # noqa: BLE001  # it has no spool to leave it in: the cell's has to do
            _shout(error)
            self._carrier.tell(Exited(name=name, life=life, cause=_cause(error)))
            return
        self._residents[name] = resident
        self._on(resident, lambda: self._settle(resident, getattr(shell, "worker", None)))

    def _settle(self, resident: Resident, worker: type[Worker] | None) -> None:
        if worker is not None:
            spec = resident.core.spec.model_validate(resident.boot.spec)
            ring = partial(self._ring, resident)
            resident.workshop = Workshop(worker, resident.name, self._home, spec, ring)
        resident.life.open()

    # --- turns -------------------------------------------------------------------------------------------------------

    def hear(self, resident: Resident, parcel: Parcel) -> None:
        self._on(resident, lambda: resident.life.hear(parcel))

    def introduce(self, peers: Iterable[tuple[str, int]], origin: Origin = UNKNOWN) -> None:
        """To all residents: the names, with incarnations, that can be written to."""
        known = tuple(peers)
        for resident in list(self._residents.values()):
            self._on(resident, partial(_introduce, resident.life, known, origin))

    def read(self, fd: int) -> None:
        """A watched descriptor has something; ``hear_words`` is to follow."""
        resident = self._readers.get(fd)
        if resident is None or resident.workshop is None:
            return
        self._on(resident, partial(resident.workshop.read, fd))
        if resident.workshop.waiting and not resident.is_rung:
            self._queue(resident)

    def hear_words(self) -> None:
        """What workers have said, one word of each in turn; wakes again if it was too much for once."""
        for _ in range(WORDS_PER_WAKE):
            if not self._rung:
                return
            resident = self._rung.popleft()
            resident.is_rung = False
            if resident.is_closed:
                self._tell_end(resident)
                continue
            self._on(resident, partial(_hear_word, resident))
            if resident.workshop is not None and resident.workshop.waiting and not resident.has_ended():
                self._queue(resident)
        if self._rung:
            self._carrier.wake()

    def tick(self) -> None:
        """Time has passed: whatever is due, at most once for each resident."""
        for _ in range(TICKS_PER_TURN):
            name = self._agenda.due(self._carrier.now())
            if name is None:
                return
            resident = self._residents[name]
            resident.due = None
            self._on(resident, resident.life.tick)

    @property
    def work(self) -> Work:
        """Of the one whose worker has been at its job for longest; it is named."""
        all_work = [(each.workshop.work, each.name) for each in self._residents.values() if each.workshop is not None]
        work, name = max(all_work, key=lambda one: one[0].job_s, default=(Work(), ""))
        return work._replace(job=f"{work.job} of {name}") if work.job else work

    def next_due(self) -> float | None:
        """Hub time at which ``tick`` has something to do; None if never."""
        return self._agenda.next_due()

    def _on(self, resident: Resident, act: Callable[[], None]) -> None:
        """One turn of one resident, and nobody else's business; what it raises ends it."""
        if resident.has_ended():
            return
        try:
            act()
        except Exception as error:  # noqa: BLE001  # as the shell: the one place that catches everything
            self._fail(resident, error)
            return
        if resident.has_ended():
            return
        self._expect(resident, resident.life.next_wake())
        if resident.workshop is not None and (sources := resident.workshop.sources()) is not resident.sources:
            self._attend(resident, sources)
        if not resident.is_up and resident.life.is_ready:
            resident.is_up = True
            boot, incarnation = resident.boot, resident.life.spool.incarnation
            self._carrier.tell(ChildUp(name=boot.name, life=boot.life, incarnation=incarnation, pid=boot.pid))

    def _expect(self, resident: Resident, due: float | None) -> None:
        if due == resident.due:
            return
        resident.due = due
        if due is None:
            self._agenda.cancel(resident.name)
        else:
            self._agenda.set(resident.name, due)

    def _attend(self, resident: Resident, sources: tuple[int, ...]) -> None:
        """Watch these of it and no others."""
        for fd in resident.sources:
            if fd not in sources and self._readers.get(fd) is resident:
                del self._readers[fd]
                self._carrier.unwatch(fd)
        for fd in sources:
            if fd not in resident.sources:
                self._readers[fd] = resident
                self._carrier.watch(fd)
        resident.sources = sources

    # --- words of workers --------------------------------------------------------------------------------------------

    def _ring(self, resident: Resident) -> None:
        """From any thread.  A word that is said before the flag is cleared is heard in the same turn as the last."""
        if not resident.is_rung:
            self._queue(resident)
            self._carrier.wake()

    def _queue(self, resident: Resident) -> None:
        resident.is_rung = True
        self._rung.append(resident)

    # --- the end -----------------------------------------------------------------------------------------------------

    def stop(self, name: str, reason: str, left_s: float | None = None, origin: Origin = UNKNOWN) -> None:
        """Ask it to end."""
        resident = self._residents.get(name)
        if resident is None or resident.has_ended():
            return
        if StopAsked in resident.core.accepts:
            self._on(resident, lambda: resident.life.said(StopAsked(reason=reason, left_s=left_s), origin))
        else:
            resident.life.is_ended = True
            resident.end("shutdown")

    def close(self) -> None:
        """Have all workers let go, side by side.  What was asked of them before is still done.  Once."""
        if self._is_closed:
            return
        self._is_closed = True
        for resident in self._residents.values():
            resident.life.is_ended = True
            self._leave(resident)
        deadline = time.monotonic() + CLOSE_ALL_S
        for resident in self._residents.values():
            if resident.closer is not None:
                resident.closer.join(max(0.0, deadline - time.monotonic()))

    def _leave(self, resident: Resident) -> None:
        """Its end is told when its worker has let go of files and sockets."""
        if resident.closer is not None or resident.is_closed:
            return
        self._forget(resident)
        name = f"{resident.name}-close"
        resident.closer = threading.Thread(target=partial(self._let_go, resident), name=name, daemon=True)
        resident.closer.start()

    def _let_go(self, resident: Resident) -> None:
        try:
            if resident.workshop is not None:
                resident.workshop.close()
        except Exception as error:  # noqa: BLE001  # the top of a thread: the end of its actor is told all the same
            _shout(error)
            resident.cause = _cause(error)
        resident.is_closed = True
        self._queue(resident)
        self._carrier.wake()

    def _fail(self, resident: Resident, error: Exception) -> None:
        """The cell ends with it, and waits for nothing."""
        _shout(error)
        self._forget(resident)
        if not resident.has_ended():
            resident.life.failed("".join(traceback.format_exception(error)))
        resident.cause = _cause(error)
        self._tell_end(resident)

    def _forget(self, resident: Resident) -> None:
        self._expect(resident, None)
        self._attend(resident, ())

    def _tell_end(self, resident: Resident) -> None:
        if not resident.is_told:
            resident.is_told = True
            end = Exited(name=resident.name, life=resident.boot.life, cause=resident.cause)
            self._carrier.tell(end, resident.life.farewell)


def _introduce(life: Life[Any], peers: Iterable[tuple[str, int]], origin: Origin) -> None:  # as above
    for name, incarnation in peers:
        life.introduce(name, incarnation, origin)


def _hear_word(resident: Resident) -> None:
    """Raises RuntimeError if the worker failed."""
    if resident.workshop is not None and (word := resident.workshop.heard()) is not None:
        resident.life.said(word)


def _load(path: str) -> Any:  # a shell class: its core, and its worker if it has one
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _cause(error: Exception) -> str:
    """One that a worker raised comes inside another, with its whole traceback for a text."""
    own = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ is not None else error
    return f"error: {type(own).__name__}: {own}"[:CAUSE_CHARS_MAX]


def _shout(error: Exception) -> None:
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.flush()
