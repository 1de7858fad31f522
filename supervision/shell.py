"""The shell: one class that runs any core on Thespian.  It decides nothing.

What Thespian does not promise is made good here: letters carry names, not addresses, and wait until the addressee has
been introduced; order within a pair is restored (``pairs``); timers can be cancelled (``timers``); an actor that raises
is not run again with the same letter but records why, says so to its supervisor and ends.

What a process would be asked for is asked of the actor's ``lodging``; what shells say among themselves is in ``words``.
"""

import importlib
import os
import sys
import traceback
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from thespian.actors import (
    Actor,
    ActorAddress,
    ActorExitRequest,
    ChildActorExited,
    DeadEnvelope,
    PoisonMessage,
    WakeupMessage,
)

from alluse_hub.protocols import wire
from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.lifecycle import ChildCondition, ChildStart, ChildUp, Exited, StopAsked
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Json, Message
from alluse_hub.supervision import processes
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.clock import Clock
from alluse_hub.supervision.directory import Directory
from alluse_hub.supervision.handfile import hand_of, letter_in_hand
from alluse_hub.supervision.life import Life
from alluse_hub.supervision.lodging import EXIT_BROKEN, lodging_on
from alluse_hub.supervision.offspring import Offspring
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.pings import Mail, Pings, Work
from alluse_hub.supervision.spool import Spool
from alluse_hub.supervision.timers import Timers
from alluse_hub.supervision.words import (
    BootOrder,
    Condition,
    Ending,
    Introduce,
    NewbornUp,
    Ping,
    Pong,
    Register,
    StopOrder,
)

HANDLER_LIMIT_S = 60.0
"""A letter that takes longer hangs, and on the engine the kernel ends the actor: its supervisor decides.  Far above
what the longest takes, which is the recovery of a durable actor from a trail that has grown for years."""

CONFIRM_EXIT_S = 0.005
"""How often the shell looks whether a child that said goodbye is really gone: its files and sockets must be free."""

GOODBYE_S = 0.25
"""How long a process must be gone before it counts as one of which nobody will say anything: its goodbye may be in the
mail still, and without that an end in order would pass for a kill."""

ENDED = "ended"
"""The file in ``home/run`` by which the root tells the guardian that its end was asked for, and is no death, and how it
went: a ``HubEnded``, or nothing where the end had no plan."""


class Shell(Actor):  # type: ignore[misc]  # Thespian ships no types
    """Subclasses bind ``core``; that is all there is to a role's actor."""

    core: ClassVar[Core[Any]]  # each role has a state of its own
    handler_limit_s: ClassVar[float] = HANDLER_LIMIT_S  # read by the engine, for each class

    def __init__(self) -> None:
        super().__init__()
        self._life: Life[Any] | None = None  # as above
        self._spool: Spool | None = None
        self._children: dict[str, Offspring] = {}
        self._addresses: dict[str, ActorAddress] = {}
        self._pings = Pings()
        self._chores = Timers()  # the shell's own timers: grace of children, confirmation of exits
        self._directory = Directory()  # root only
        self._armed: float | None = None
        self._is_announced = False  # the parent knows that it is up
        self._condition = ""  # as the parent knows it
        self._is_asked = False  # root only: somebody wants the hub to end

    # --- Thespian's side ---------------------------------------------------------------------------------------------

    def receiveMessage(self, message: object, sender: ActorAddress) -> object:  # noqa: N802  # Thespian's name
        try:
            self._take(message, sender)
        except Exception as error:  # noqa: BLE001  # the one place that catches everything: the supervisor decides
            self._fail(error)
        return self._watch()

    def _take(self, message: object, sender: ActorAddress) -> None:
        match message:
            case Parcel():
                if self._life is not None:
                    self._is_asked = self._is_asked or message.kind == ShutDown.__name__
                    self._life.hear(message)
            case WakeupMessage():
                self._armed = None
            case BootOrder():
                self._boot(message, sender)
            case Introduce():
                self._introduce(message)
            case Register():
                self._register(message)
            case NewbornUp():
                self._newborn_up(message, sender)
            case Condition(name=name, life=life, degraded=why):
                self._tell_core(ChildCondition(name=name, life=life, degraded=why))
            case Ending():
                if (child := self._children.get(message.name)) and child.life == message.life:
                    child.cause, child.farewell = message.cause, message.origin
            case Ping():
                if not self._has_ended():
                    self.send(self._parent, Pong(message.name, message.life, self._work(), self._mail))
            case Pong():
                if (hung := self._pings.answered(*message.told, self.now())) is not None:
                    self._tell_core(hung)
            case StopOrder():
                self._stop_ordered(message)
            case ChildActorExited():
                self._child_left(message.childAddress)
            case ActorExitRequest():
                self._leave()
            case DeadEnvelope() | PoisonMessage():
                pass  # what matters is said again by its core
            case _:
                self._other(message)
        self._tick()

    def _other(self, message: object) -> None:
        raise TypeError(f"a shell does not take {type(message).__name__}")

    def _watch(self) -> object:
        return None

    def _tick(self) -> None:
        """Do what is due, and ask Thespian for one wake-up at the next time something will be."""
        if self._life is None or self._life.is_ended:
            return
        while (chore := self._chores.due(self.now())) is not None:
            self._do_chore(chore)
        self._life.tick()
        if self._has_ended():
            return
        if not self._is_announced and self._life.is_ready:
            self._is_announced = True
            own = self._own
            up = NewbornUp(own.name, own.life, self._life.spool.incarnation, own.pid, own.start_ticks)
            self._tell_parent(up)
        if self._is_announced and self._life.degraded != self._condition:
            self._condition = self._life.degraded
            self._tell_parent(Condition(self._own.name, self._own.life, self._condition))
        due = self._next_due()
        if due is not None and (self._armed is None or due < self._armed):
            self._armed = due
            self.wakeupAfter(timedelta(seconds=max(0.0, due - self.now())))

    def _next_due(self) -> float | None:
        """Hub time at which ``_tick`` has something to do; None if never."""
        assert self._life is not None, "only a booted actor waits"
        waits = [at for at in (self._life.next_wake(), self._chores.next_due()) if at is not None]
        return min(waits) if waits else None

    def _has_ended(self) -> bool:
        return self._life is None or self._life.is_ended

    # --- birth -------------------------------------------------------------------------------------------------------

    def _boot(self, order: BootOrder, parent: ActorAddress) -> None:
        self._house = order.house
        self._home = Path(order.house.home)
        self._clock = Clock(order.house.clock_offset)
        self._parent = parent
        self._lodging = lodging_on(order.house.base, self._home, self.send)
        own = self._lodging.move_in(order.name, order.parent_pid)
        spool = self._spool = Spool.open(self._home / "trail" / "spool", order.name, order.house.veil)
        version = order.house.version
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        boot = Boot(order.name, order.life, order.spec, order.parent, version, own.pid, own.ticks, order.origin, path)
        self._own = boot
        hand = hand_of(self._home, order.name, spool.incarnation, order.house.version, self.now(), spool.veil)
        self._life = Life(boot, self.core, spool, self, hand)
        self._prepare()
        self._life.open()
        registration = self._registration()
        if order.house.root is None:
            self._register(registration)
        else:
            self.send(order.house.root, registration)

    def _prepare(self) -> None:
        """Before the mail is opened; a leaf makes its worker here."""

    # --- the directory -----------------------------------------------------------------------------------------------

    def _registration(self) -> Register:
        assert self._life is not None, "only a booted actor can be written to"
        life = self._life
        return Register(self._own.name, life.spool.incarnation, self.myAddress, origin=life.registered_as)

    def _register(self, newborn: Register) -> None:
        """Root only: tell everybody of the newborn, and the newborn of everybody."""
        for address, introduction in self._directory.enter(newborn, self._own.name):
            self.send(address, introduction)
        self._introduce(newborn.introduction)

    def _introduce(self, introduction: Introduce) -> None:
        assert self._life is not None, "introductions follow the registration of a booted actor"
        for name, incarnation, address in introduction.peers:
            self._addresses[name] = address
            self._life.introduce(name, incarnation, introduction.origin)

    # --- ports: what the life asks of its carrier --------------------------------------------------------------------

    def now(self) -> float:
        return self._clock.now()

    def wall(self) -> float:
        return self._clock.wall()

    def post(self, to: str, parcel: Parcel) -> None:
        self.send(self._addresses[to], parcel)

    def do(self, job: Message) -> None:
        raise TypeError(f"{type(self).__name__} has no worker for a {type(job).__name__}")

    def recover(self, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        return self.recover_of(self._own.name, kinds)

    def recover_of(self, name: str, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        recovered = importlib.import_module(self._house.reader).recover(self._home, name, kinds)
        return recovered.snapshot, recovered.facts

    def end(self, reason: str) -> None:
        self._close()
        if self._house.root is None and self._is_asked:
            word = None if self._life is None else self._life.last_word
            (self._home / "run" / ENDED).write_bytes(b"" if word is None else wire.encode(word))
        farewell = UNKNOWN if self._life is None else self._life.farewell
        self._tell_parent(Ending(self._own.name, self._own.life, reason, farewell))
        self.send(self.myAddress, ActorExitRequest())

    # --- children ----------------------------------------------------------------------------------------------------

    def spawn(self, name: str, life: int, start: ChildStart) -> None:
        address = self.createActor(start.actor)
        self._children[name] = Offspring(name, life, address)
        house = self._house if self._house.root is not None else replace(self._house, root=self.myAddress)
        origin = self._origin_of(name)
        self.send(address, BootOrder(name, life, start.spec, self._own.name, os.getpid(), house, origin))

    def stop(self, name: str, reason: str, grace_s: float | None, left_s: float | None) -> None:
        self._pings.forget(name)
        if child := self._children.get(name):
            self.send(child.address, StopOrder(reason, left_s, self._origin_of(name)))
            if grace_s is not None:
                self._chores.set(f"grace/{name}/{child.life}", self.now() + grace_s)

    def kill(self, name: str) -> None:
        self._pings.forget(name)
        child = self._children.get(name)
        if child is not None and self._lodging.evict(name, child.address, child.process):
            self._gone(child)

    def terminate(self, name: str) -> None:
        self._pings.forget(name)
        child = self._children.get(name)
        if child is not None and child.process is not None:
            self._lodging.terminate(child.process)

    # --- signs of life -----------------------------------------------------------------------------------------------

    def watch_over(self, name: str, liveness: Liveness) -> None:
        child = self._children.get(name)
        if child is not None and not self._lodging.is_shared:  # one thread for all: who could ask could be answered
            self._pings.watch(name, child.life, liveness, self.now())
            self._look_for_pongs()

    def _look_for_pongs(self) -> None:
        asked, hung = self._pings.look(self.now(), self._mail)
        for name, life in asked:
            self.send(self._children[name].address, Ping(name, life))
        for word in hung:
            self._tell_core(word)
        if (due := self._pings.next_due) is not None:
            self._chores.set("pongs/all/0", due)

    def _work(self) -> Work:
        """What the worker is at, if there is one."""
        return Work()

    @property
    def _mail(self) -> Mail:
        count = getattr(self._myRef, "count_mail", None)
        return Mail() if count is None else Mail(*count())

    def _newborn_up(self, up: NewbornUp, address: ActorAddress) -> None:
        child = self._children.get(up.name)
        if child is None or child.life != up.life:
            return
        child.address = address
        child.process = processes.Process(up.pid, up.ticks, up.name)
        self._tell_core(ChildUp(name=up.name, life=up.life, incarnation=up.incarnation, pid=up.pid))

    def _child_left(self, address: ActorAddress) -> None:
        for child in list(self._children.values()):
            if child.address == address:
                self._confirm(child)
        # Of children that die together Thespian reports some and forgets the others, right after this turn.
        self._chores.set("look/all/0", self.now() + CONFIRM_EXIT_S)

    def _look_at_all(self) -> None:
        for child in list(self._children.values()):
            if child.process is None or not self._lodging.is_lost(child.process):
                continue
            if child.lost_since is None:
                child.lost_since = self.now()
            if self.now() - child.lost_since >= GOODBYE_S:
                self._gone(child)
            else:
                self._chores.set(f"lost/{child.name}/{child.life}", child.lost_since + GOODBYE_S)

    def _do_chore(self, chore: str) -> None:
        what, name, life = chore.split("/")
        child = self._children.get(name)
        if what in {"look", "lost"}:
            self._look_at_all()
        elif what == "pongs":
            self._look_for_pongs()
        elif child is None or child.life != int(life):
            return
        elif what == "grace":
            child.cause = child.cause or "killed: it did not end within its grace"
            self.kill(name)
        else:
            self._confirm(child)

    def _confirm(self, child: Offspring) -> None:
        """A goodbye comes before the process has ended; its files and sockets are free only after."""
        if child.process is not None and not self._lodging.is_gone(child.process):
            self._chores.set(f"exit/{child.name}/{child.life}", self.now() + CONFIRM_EXIT_S)
        else:
            self._gone(child)

    def _gone(self, child: Offspring) -> None:
        del self._children[child.name]
        self._pings.forget(child.name)
        if child.process is not None:
            self._lodging.strike(child.process)
        farewell = child.farewell if child.farewell.cause else Origin(letter_in_hand(self._home, child.name))
        self._tell_core(Exited(name=child.name, life=child.life, cause=child.cause or "killed"), farewell)

    # --- death -------------------------------------------------------------------------------------------------------

    def _stop_ordered(self, order: StopOrder) -> None:
        if self._life is None or self._life.is_ended:
            return
        if StopAsked in self.core.accepts:
            self._life.said(StopAsked(reason=order.reason, left_s=order.left_s), order.origin)
        else:
            self._life.is_ended = True
            self.end("shutdown")

    def _fail(self, error: Exception) -> None:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(text)
        sys.stderr.flush()
        if self._life is None:
            raise SystemExit(EXIT_BROKEN) from error  # nothing has begun
        if self._life.is_ended:
            self._lodging.break_off()
        try:
            self._life.failed(text)
        except Exception:  # noqa: BLE001  # nothing can be written any more: only the end itself can still be seen
            self._lodging.break_off()
        self.end(f"error: {type(error).__name__}: {error}"[:500])

    def _leave(self) -> None:
        """The base ends this actor, whoever wanted it: nothing more is decided or written."""
        if self._life is not None:
            self._life.is_ended = True
        try:
            self._close()
        finally:
            if self._life is not None:
                self._life.hand.close()
            if self._spool is not None:
                self._spool.close()

    def _close(self) -> None:
        """The last chance to let go of threads and sockets."""

    def _tell_parent(self, word: object) -> None:
        if self._house.root is not None:  # the root's parent is no actor and reads no mail
            self.send(self._parent, word)

    def _tell_core(self, message: Message, origin: Origin = UNKNOWN) -> None:
        assert self._life is not None, "only a booted actor has children"
        if type(message) in self.core.accepts:
            self._life.said(message, origin)

    def _origin_of(self, child: str) -> Origin:
        assert self._life is not None, "only a booted actor has children"
        return self._life.of_child(child)
