"""The whole hub in one process, in virtual time, from a seed.

It carries the same ``Life`` that the shell carries on Thespian: the same cores, spools, order, commits and recovery.
What it adds is weather: letters take random time, workers answer late, and faults strike when the plan says so.  The
same seed gives the same run, to the last entry of the trail; a failing run prints its seed.

Nothing here reads a clock or sleeps: time moves to the next thing that is due.
"""

import heapq
import importlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.lifecycle import KILLED, ChildCondition, ChildStart, ChildUp, Exited, StopAsked
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import AUDITOR, GUARDIAN, ROOT
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.hangs import Hangs
from alluse_hub.supervision.inhand import HAND_BYTES, Hand, letter_in
from alluse_hub.supervision.life import ANY_INCARNATION, Life
from alluse_hub.supervision.memory import MemoryTrail
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.weather import Weather as Weather  # noqa: PLC0414  # said twice, it is exported

STORE_AGAIN_S = 0.05
"""How long a commit waits before it looks again for an auditor that has died."""

STEPS_MAX = 20_000_000
"""A run that takes more has lost its way."""


class Worker(Protocol):
    """A leaf's worker as the simulation runs it: ``do`` returns at once and speaks through ``deliver``."""

    def do(self, job: Message) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class WorkerContext:
    name: str
    home: Any  # a path where there is a disk; workers of the simulation have none
    spec: Message
    deliver: Callable[[Message], None]


WorkerFactory = Callable[[WorkerContext], Worker]


class VanishedError(BaseException):
    """Raised by a core under test: its process is gone, as after ``os._exit``."""


class Moment(Enum):
    """What can be seen of an actor from outside."""

    BORN = auto()  # it begins to start
    UP = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Simulated:
    """One incarnation, and its place in the tree; the ``Ports`` of its life."""

    world: "Simulation"
    name: str
    parent: "Simulated | None"
    serial: int
    life_number: int
    core: Core[Any]  # each actor has a state of its own
    life: Life[Any]
    worker: Worker | None = None
    children: "dict[str, Simulated]" = field(default_factory=dict)  # the last life of each
    armed: float | None = None
    is_alive: bool = True
    is_announced: bool = False
    condition: str = ""  # as its parent knows it

    def now(self) -> float:
        return self.world.now

    def wall(self) -> float:
        return self.world.now

    def post(self, to: str, parcel: Parcel) -> None:
        self.world.post(self.name, to, parcel)

    def spawn(self, name: str, life: int, start: ChildStart) -> None:
        self.world.spawn(self, name, life, start)

    def stop(self, name: str, reason: str, grace_s: float | None, left_s: float | None) -> None:
        if (child := self.children.get(name)) is not None:
            self.world.order_stop(child, reason, grace_s, left_s)

    def kill(self, name: str) -> None:
        if (child := self.children.get(name)) is not None:
            self.world.end(child, KILLED)

    def terminate(self, name: str) -> None:
        """Who hangs does not hear it."""
        if not self.world.hangs.is_hung(self.children[name]):
            self.kill(name)

    def watch_over(self, name: str, liveness: Liveness) -> None:
        self.world.hangs.watch(self, self.children[name], liveness)

    def do(self, job: Message) -> None:
        assert self.worker is not None, f"{self.name} has no worker for a {type(job).__name__}"
        self.worker.do(job)

    def end(self, reason: str) -> None:
        self.world.end(self, reason)

    def recover(self, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        return self.world.trail.recover(self.name, kinds)


class Simulation:
    """``cores``: the core for a class path of a child spec; ``workers``: a worker for those that have one."""

    def __init__(
        self,
        seed: int = 0,
        weather: Weather | None = None,
        workers: dict[str, WorkerFactory] | None = None,
        home: Any = None,  # handed to workers as it is
    ) -> None:
        self.seed = seed
        self.now = 0.0
        self.weather = weather or Weather()
        self.random = random.Random(seed)  # noqa: S311  # a reproducible dice, not a secret
        self.trail = MemoryTrail(on_power=self._power)
        self.home = home
        self.actors: dict[str, Simulated] = {}  # the last incarnation of each name
        self.errors: list[str] = []
        self.steps = 0
        self._workers = workers or {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self.probes: dict[str, list[Message]] = {}
        self._last_on: dict[tuple[str, str], float] = {}
        self._hands: dict[str, bytearray] = {}
        self.hangs = Hangs(self)
        if self.weather.crash_every_s:
            self._plan_crash()
        self.hangs.plan()

    # --- time ---------------------------------------------------------------------------------------------------------

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._events, (max(when, self.now), self._serial, what))

    def step(self) -> bool:
        """Do the next thing that is due; False if nothing ever will be."""
        if not self._events:
            return False
        self.steps += 1
        assert self.steps < STEPS_MAX, f"seed {self.seed}: no end in sight"
        when, _, what = heapq.heappop(self._events)
        self.now = when
        what()
        return True

    def advance(self, seconds: float) -> None:
        """Everything due within the next ``seconds``, in order."""
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.step()
        self.now = until

    def run_until(self, holds: Callable[[], bool], limit_s: float = 3600.0) -> None:
        """Until ``holds`` does; AssertionError, with the seed, if it does not within ``limit_s`` virtual seconds."""
        until = self.now + limit_s
        while not holds():
            is_in_time = bool(self._events) and self._events[0][0] <= until
            assert is_in_time, f"seed {self.seed}: not within {limit_s} s; errors: {self.errors[-1:] or 'none'}"
            self.step()

    def _between(self, bounds: tuple[float, float]) -> float:
        return self.random.uniform(*bounds)

    def probe(self, name: str) -> list[Message]:
        """A name that anybody can write to; what arrives is kept in the list."""
        heard = self.probes.setdefault(name, [])
        for actor in list(self.actors.values()):
            self._introduce_to(actor, name, 1)
        return heard

    # --- letters ------------------------------------------------------------------------------------------------------

    def post(self, sender: str, to: str, parcel: Parcel) -> None:
        if self.weather.loss and self.random.random() < self.weather.loss:
            return
        when = max(self.now + self._between(self.weather.latency_s), self._last_on.get((sender, to), 0.0))
        self._last_on[sender, to] = when
        self.at(when, lambda: self._arrive(to, parcel))

    def tell(self, to: str, message: Message, sender: str = GUARDIAN) -> None:
        """A word from outside the tree."""
        self._serial += 1  # an incarnation of the sender for each word: who hears it need not have heard the others
        kind = wire.kind_of(message)
        parcel = Parcel("", sender, self._serial, to, ANY_INCARNATION, 1, kind, wire.encode(message), "", "")
        self.at(self.now, lambda: self._arrive(to, parcel))

    def _arrive(self, to: str, parcel: Parcel) -> None:
        if to in self.probes:
            self.probes[to].append(wire.decode(parcel.kind, parcel.body))
            return
        actor = self.actors.get(to)
        if actor is not None and actor.is_alive and actor.life.is_open:
            self.guard(actor, lambda: actor.life.hear(parcel))

    def _power(self, actor: str, incarnation: int, n: int) -> None:
        """The auditor's answer to a commit."""
        self.at(self.now + self._between(self.weather.store_s), lambda: self._stored(actor, incarnation, n))

    def _stored(self, name: str, incarnation: int, n: int) -> None:
        auditor = self.actors.get(AUDITOR)
        if auditor is not None and not auditor.is_alive:
            self.at(self.now + STORE_AGAIN_S, lambda: self._stored(name, incarnation, n))
            return
        actor = self.actors.get(name)
        if actor is not None and actor.life.spool.incarnation == incarnation:
            self.guard(actor, lambda: actor.life.committed(n))

    # --- actors -------------------------------------------------------------------------------------------------------

    def boot(self, tree: ChildStart) -> None:
        self._born(self._conceived(ROOT, None, 1, tree), tree)

    def spawn(self, parent: Simulated, name: str, life: int, start: ChildStart) -> None:
        child = parent.children[name] = self._conceived(name, parent, life, start)
        self.at(self.now + self.weather.spawn_s, lambda: self._born(child, start))

    def cast(self, name: str, start: ChildStart) -> tuple[Core[Any], Json]:  # each core has a state of its own
        """Which core lives under that name, and its specification; a test may cast somebody else."""
        _ = name
        core: Core[Any] = _load(start.actor).core
        return core, start.spec

    def _conceived(self, name: str, parent: Simulated | None, number: int, start: ChildStart) -> Simulated:
        core, spec = self.cast(name, start)
        self._serial += 1
        actor = Simulated(self, name, parent, self._serial, number, core, None)  # type: ignore[arg-type]  # next line
        origin = UNKNOWN if parent is None else parent.life.of_child(name)
        boot = Boot(name, number, spec, GUARDIAN if parent is None else parent.name, origin=origin, actor=start.actor)
        spool = self.trail.spool(name)
        hand = Hand(self._hands.setdefault(name, bytearray(HAND_BYTES)), spool.incarnation, "", self.now)
        actor.life = Life(boot, core, spool, actor, hand)
        return actor

    def _born(self, actor: Simulated, start: ChildStart) -> None:
        if not actor.is_alive:
            return
        self.actors[actor.name] = actor
        self.witness(actor, Moment.BORN)
        if (factory := self._workers.get(start.actor)) is not None:
            spec = actor.core.spec.model_validate(start.spec)
            actor.worker = factory(WorkerContext(actor.name, self.home, spec, lambda word: self._said(actor, word)))
        self.guard(actor, actor.life.open)
        if actor.is_alive:
            self._introduce(actor)

    def _introduce(self, newborn: Simulated) -> None:
        incarnation, origin = newborn.life.spool.incarnation, newborn.life.registered_as
        for other in list(self.actors.values()):
            if other.is_alive and other is not newborn:
                self._introduce_to(newborn, other.name, other.life.spool.incarnation, origin)
                self._introduce_to(other, newborn.name, incarnation, origin)
        for probe in self.probes:
            self._introduce_to(newborn, probe, 1)
        self._introduce_to(newborn, newborn.name, incarnation)

    def _introduce_to(self, actor: Simulated, name: str, incarnation: int, origin: Origin = UNKNOWN) -> None:
        self.guard(actor, lambda: actor.life.introduce(name, incarnation, origin))

    def _said(self, actor: Simulated, word: Message) -> None:
        when = max(self.now + self._between(self.weather.work_s), self._last_on.get((actor.name, ""), 0.0))
        self._last_on[actor.name, ""] = when
        self.at(when, lambda: self.guard(actor, lambda: actor.life.said(word)))

    def tell_core(self, actor: Simulated, word: Message, origin: Origin = UNKNOWN) -> None:
        """A word from the actor's shell."""
        if actor.is_alive and type(word) in actor.core.accepts:
            self.at(self.now, lambda: self.guard(actor, lambda: actor.life.said(word, origin)))

    def witness(self, actor: Simulated, moment: Moment, cause: str = "") -> None:
        """For those who watch from outside."""

    def guard(self, actor: Simulated, act: Callable[[], None]) -> None:
        """Run one turn of an actor; what it raises ends it, as the shell would."""
        if not actor.is_alive or self.hangs.holds(actor, act):
            return
        try:
            act()
        except VanishedError:
            self.end(actor, KILLED)
            return
        except Exception as error:  # noqa: BLE001  # the simulation's one place that catches everything
            self.errors.append(f"seed {self.seed}, {actor.name} at {self.now:.3f}: {type(error).__name__}: {error}")
            actor.life.failed(repr(error))
            self.end(actor, f"error: {error}")
            return
        self._announce(actor)
        self._tell_condition(actor)
        self._arm(actor)

    def _announce(self, actor: Simulated) -> None:
        if actor.is_announced or not actor.is_alive or not actor.life.is_ready:
            return
        actor.is_announced = True
        self.witness(actor, Moment.UP)
        if actor.parent is not None:
            incarnation = actor.life.spool.incarnation
            up = ChildUp(name=actor.name, life=actor.life_number, incarnation=incarnation, pid=actor.serial)
            self.tell_core(actor.parent, up)

    def _tell_condition(self, actor: Simulated) -> None:
        if actor.is_announced and actor.parent is not None and actor.life.degraded != actor.condition:
            actor.condition = actor.life.degraded
            word = ChildCondition(name=actor.name, life=actor.life_number, degraded=actor.condition)
            self.tell_core(actor.parent, word)

    def _arm(self, actor: Simulated) -> None:
        due = actor.life.next_wake() if actor.is_alive and not actor.life.is_ended else None
        if due is not None and (actor.armed is None or due < actor.armed):
            actor.armed = due
            self.at(due, lambda: self._tick(actor, due))

    def _tick(self, actor: Simulated, armed: float) -> None:
        if actor.armed == armed:
            actor.armed = None
        self.guard(actor, actor.life.tick)

    # --- endings ------------------------------------------------------------------------------------------------------

    def order_stop(self, child: Simulated, reason: str, grace_s: float | None, left_s: float | None = None) -> None:
        if not child.is_alive:
            return
        if StopAsked in child.core.accepts:
            asked = StopAsked(reason=reason, left_s=left_s)
            origin = UNKNOWN if child.parent is None else child.parent.life.of_child(child.name)
            self.at(self.now, lambda: self.guard(child, lambda: child.life.said(asked, origin)))
            if grace_s is not None:
                self.at(self.now + grace_s, lambda: self.end(child, "killed: it did not end within its grace"))
        else:
            child.life.is_ended = True
            self.end(child, "shutdown")

    def crash(self, name: str, cause: str = KILLED) -> None:
        """kill -9: nothing more is said; children go with their parent."""
        if (actor := self.actors.get(name)) is not None:
            self.end(actor, cause)

    def end(self, actor: Simulated, cause: str) -> None:
        """It is gone, in this very moment; its parent hears of it a little later."""
        if not actor.is_alive:
            return
        actor.is_alive = False
        if actor.worker is not None:
            actor.worker.close()
        self.witness(actor, Moment.ENDED, cause)
        for child in actor.children.values():
            self.orphaned(child)
        parent = actor.parent
        if parent is not None:
            gone = Exited(name=actor.name, life=actor.life_number, cause=cause)
            farewell = actor.life.farewell if actor.life.farewell.cause else Origin(letter_in(self._hands[actor.name]))
            self.at(self.now + self.weather.exit_s, lambda: self.tell_core(parent, gone, farewell))

    def orphaned(self, child: Simulated) -> None:
        """Its parent has died; the kernel ends it too."""
        self.end(child, KILLED)

    def _plan_crash(self) -> None:
        wait = self.random.expovariate(1 / self.weather.crash_every_s)

        def strike() -> None:
            if not self.weather.crash_every_s:
                return  # the weather has cleared up since
            leaves = sorted(a.name for a in self.actors.values() if a.is_alive and not a.children and a.name != ROOT)
            if leaves:
                self.crash(self.random.choice(leaves))
            self._plan_crash()

        self.at(self.now + wait, strike)

    def close(self) -> None:
        """End every worker."""
        for actor in self.actors.values():
            if actor.is_alive and actor.worker is not None:
                actor.worker.close()
            actor.is_alive = False
        self._events.clear()


def _load(path: str) -> Any:  # a shell class; only its ``core`` is used
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
