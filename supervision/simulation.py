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
from typing import Any, Protocol

from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.lifecycle import ChildStart, ChildUp, Exited, StopAsked
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import AUDITOR, GUARDIAN, ROOT
from alluse_hub.supervision.life import ANY_INCARNATION, Boot, Life
from alluse_hub.supervision.memory import MemoryTrail
from alluse_hub.supervision.parcel import Parcel

SPAWN_S = 0.015
"""Time from a fork to an open mail, as measured on real processes."""

EXIT_S = 0.005
"""Time from an actor's last word to its parent's notice."""

STORE_AGAIN_S = 0.05
"""How long a commit waits before it looks again for an auditor that has died."""

STEPS_MAX = 20_000_000
"""A run that takes more has lost its way."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How unkind the world is.  Times in seconds; ``loss`` is the share of letters that never arrive."""

    latency_s: tuple[float, float] = (0.0002, 0.002)
    store_s: tuple[float, float] = (0.002, 0.01)
    work_s: tuple[float, float] = (0.0, 0.0005)
    loss: float = 0.0
    crash_every_s: float = 0.0  # mean time between crashes of a random leaf actor; 0 for never


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


@dataclass(slots=True)
class _Actor:
    """One incarnation, and its place in the tree; the ``Ports`` of its life."""

    world: "Simulation"
    name: str
    parent: str
    serial: int
    life_number: int
    core: Core[Any]  # each actor has a state of its own
    life: Life[Any]
    worker: Worker | None = None
    children: dict[str, int] = field(default_factory=dict)
    armed: float | None = None
    is_alive: bool = True
    is_announced: bool = False

    def now(self) -> float:
        return self.world.now

    def wall(self) -> float:
        return self.world.now

    def post(self, to: str, parcel: Parcel) -> None:
        self.world.post(self.name, to, parcel)

    def spawn(self, name: str, life: int, start: ChildStart) -> None:
        self.world.spawn(self, name, life, start)

    def stop(self, name: str, reason: str, grace_s: float) -> None:
        self.world.order_stop(name, reason, grace_s)

    def kill(self, name: str) -> None:
        self.world.crash(name, "killed")

    def do(self, job: Message) -> None:
        assert self.worker is not None, f"{self.name} has no worker for a {type(job).__name__}"
        self.worker.do(job)

    def end(self, reason: str) -> None:
        self.world.ended(self, reason)

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
        self.actors: dict[str, _Actor] = {}
        self.errors: list[str] = []
        self.steps = 0
        self._workers = workers or {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self.probes: dict[str, list[Message]] = {}
        self._last_on: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str], int] = {}
        if self.weather.crash_every_s:
            self._plan_crash()

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
        number = self._told[to, sender] = self._told.get((to, sender), 0) + 1
        kind = wire.kind_of(message)
        parcel = Parcel("", sender, 1, to, ANY_INCARNATION, number, kind, wire.encode(message), "", "")
        self.at(self.now, lambda: self._arrive(to, parcel))

    def _arrive(self, to: str, parcel: Parcel) -> None:
        if to in self.probes:
            self.probes[to].append(wire.decode(parcel.kind, parcel.body))
            return
        actor = self.actors.get(to)
        if actor is not None and actor.is_alive and actor.life.is_open:
            self._guard(actor, lambda: actor.life.hear(parcel))

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
            self._guard(actor, lambda: actor.life.committed(n))

    # --- actors -------------------------------------------------------------------------------------------------------

    def boot(self, tree: ChildStart) -> None:
        self._create(ROOT, GUARDIAN, 1, tree)

    def spawn(self, parent: _Actor, name: str, life: int, start: ChildStart) -> None:
        parent.children[name] = life
        self.at(self.now + SPAWN_S, lambda: self._create(name, parent.name, life, start, parent))

    def _create(self, name: str, parent: str, number: int, start: ChildStart, by: _Actor | None = None) -> None:
        if by is not None and (not by.is_alive or by.children.get(name) != number):
            return
        shell = _load(start.actor)
        spool = self.trail.spool(name)
        self._serial += 1
        actor = _Actor(self, name, parent, self._serial, number, shell.core, None)  # type: ignore[arg-type]  # next line
        actor.life = Life(Boot(name, number, start.spec, parent), shell.core, spool, actor)
        self.actors[name] = actor
        if (factory := self._workers.get(start.actor)) is not None:
            spec = shell.core.spec.model_validate(start.spec)
            actor.worker = factory(WorkerContext(name, self.home, spec, lambda word: self._said(actor, word)))
        self._guard(actor, actor.life.open)
        if not actor.is_alive:
            return
        self._introduce(actor)

    def _introduce(self, newborn: _Actor) -> None:
        incarnation = newborn.life.spool.incarnation
        for other in list(self.actors.values()):
            if other.is_alive and other is not newborn:
                self._introduce_to(newborn, other.name, other.life.spool.incarnation)
                self._introduce_to(other, newborn.name, incarnation)
        for probe in self.probes:
            self._introduce_to(newborn, probe, 1)
        self._introduce_to(newborn, newborn.name, incarnation)

    def _introduce_to(self, actor: _Actor, name: str, incarnation: int) -> None:
        self._guard(actor, lambda: actor.life.introduce(name, incarnation))

    def _said(self, actor: _Actor, word: Message) -> None:
        when = max(self.now + self._between(self.weather.work_s), self._last_on.get((actor.name, ""), 0.0))
        self._last_on[actor.name, ""] = when
        self.at(when, lambda: self._guard(actor, lambda: actor.life.said(word)))

    def _tell_core(self, actor: _Actor, word: Message) -> None:
        if actor.is_alive and type(word) in actor.core.accepts:
            self.at(self.now, lambda: self._guard(actor, lambda: actor.life.said(word)))

    def _guard(self, actor: _Actor, act: Callable[[], None]) -> None:
        """Run one turn of an actor; what it raises ends it, as the shell would."""
        if not actor.is_alive:
            return
        try:
            act()
        except Exception as error:  # noqa: BLE001  # the simulation's one place that catches everything
            self.errors.append(f"seed {self.seed}, {actor.name} at {self.now:.3f}: {type(error).__name__}: {error}")
            actor.life.failed(repr(error))
            self.ended(actor, f"error: {error}")
            return
        self._announce(actor)
        self._arm(actor)

    def _announce(self, actor: _Actor) -> None:
        parent = self.actors.get(actor.parent)
        if actor.is_announced or parent is None or not actor.is_alive or not actor.life.is_ready:
            return
        actor.is_announced = True
        if parent.children.get(actor.name) == actor.life_number:
            incarnation = actor.life.spool.incarnation
            up = ChildUp(name=actor.name, life=actor.life_number, incarnation=incarnation, pid=actor.serial)
            self._tell_core(parent, up)

    def _arm(self, actor: _Actor) -> None:
        due = actor.life.next_wake() if actor.is_alive and not actor.life.is_ended else None
        if due is not None and (actor.armed is None or due < actor.armed):
            actor.armed = due
            self.at(due, lambda: self._tick(actor, due))

    def _tick(self, actor: _Actor, armed: float) -> None:
        if actor.armed == armed:
            actor.armed = None
        self._guard(actor, actor.life.tick)

    # --- endings ------------------------------------------------------------------------------------------------------

    def order_stop(self, name: str, reason: str, grace_s: float) -> None:
        child = self.actors.get(name)
        if child is None or not child.is_alive:
            return
        if StopAsked in child.core.accepts:
            self.at(self.now, lambda: self._guard(child, lambda: child.life.said(StopAsked(reason=reason))))
            self.at(self.now + grace_s, lambda: self._end(child, "killed: it did not end within its grace"))
        else:
            child.life.is_ended = True
            self.ended(child, "shutdown")

    def ended(self, actor: _Actor, reason: str) -> None:
        self._end(actor, reason)

    def crash(self, name: str, cause: str = "killed") -> None:
        """kill -9: nothing more is said; children go with their parent."""
        if (actor := self.actors.get(name)) is not None:
            self._end(actor, cause)

    def _end(self, actor: _Actor, cause: str) -> None:
        if not actor.is_alive:
            return
        actor.is_alive = False
        if actor.worker is not None:
            actor.worker.close()
        for child in actor.children:
            if (known := self.actors.get(child)) is not None and known.parent == actor.name:
                self._end(known, "killed")
        parent = self.actors.get(actor.parent)
        if parent is not None and parent.children.get(actor.name) == actor.life_number:
            gone = Exited(name=actor.name, life=actor.life_number, cause=cause)
            self.at(self.now + EXIT_S, lambda: self._tell_core(parent, gone))

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
