"""Hangs in a simulation: actors that stand still for a while, or for ever, and what their parents make of it.

An actor that hangs hears nothing and says nothing, as under SIGSTOP; what comes for it waits.  Its parent judges it as
the shell would, by the same ``pings``; but parents ask only while somebody hangs, because as long as all answer nothing
comes of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.supervision.pings import Mail, Pings, Work
from alluse_hub.supervision.weather import Weather

PONG_S = 0.001
"""From a ping to its answer, by who can give one."""

FOR_GOOD = 0.5
"""The share of random hangs that do not end by themselves."""

PAUSE_S = (0.1, 30.0)
"""How long the others last."""


class Actor(Protocol):
    """One incarnation of a simulated actor."""

    name: str
    serial: int
    life_number: int
    is_alive: bool

    @property
    def parent(self) -> "Actor | None": ...
    @property
    def children(self) -> "Mapping[str, Actor]": ...


class Dice(Protocol):
    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...
    def expovariate(self, lambd: float) -> float: ...
    def choice(self, seq: Sequence[str]) -> str: ...


class World(Protocol):
    now: float
    weather: Weather

    @property
    def random(self) -> Dice: ...
    @property
    def actors(self) -> Mapping[str, Actor]: ...
    def at(self, when: float, what: Callable[[], None]) -> None: ...
    def guard(self, actor: Any, act: Callable[[], None]) -> None: ...  # Any: its own kind of actor
    def tell_core(self, actor: Any, word: Message) -> None: ...


@dataclass(slots=True)
class Hangs:
    """``_held``: what waits for an actor that hangs.  ``_watched``: by parent and child."""

    world: World
    _held: "dict[int, list[Callable[[], None]]]" = field(default_factory=dict)
    _watched: "dict[int, dict[str, tuple[Actor, Liveness]]]" = field(default_factory=dict)
    _asking: dict[int, Pings] = field(default_factory=dict)  # by parent

    def watch(self, parent: Actor, child: Actor, liveness: Liveness) -> None:
        self._watched.setdefault(parent.serial, {})[child.name] = (child, liveness)
        if (pings := self._asking.get(parent.serial)) is not None:
            pings.watch(child.name, child.life_number, liveness, self.world.now)
        elif self.is_hung(child):
            self._ask(parent)

    def holds(self, actor: Actor, act: Callable[[], None]) -> bool:
        """Whether ``act`` has to wait because the actor hangs."""
        held = self._held.get(actor.serial)
        if held is None:
            return False
        held.append(act)
        return True

    def is_hung(self, actor: Actor) -> bool:
        return actor.serial in self._held

    def begin(self, actor: Actor) -> None:
        if not actor.is_alive or self.is_hung(actor):
            return
        self._held[actor.serial] = []
        if actor.parent is not None and actor.parent.serial not in self._asking:
            self._ask(actor.parent)

    def end(self, actor: Actor) -> None:
        """It goes on where it stood; nothing if it has been killed."""
        for act in self._held.pop(actor.serial, []):
            self.world.at(self.world.now, lambda act=act: self.world.guard(actor, act))  # type: ignore[misc]  # bound

    def plan(self) -> None:
        """The next that the weather brings, and so on until it clears up."""
        world = self.world

        def strike() -> None:
            if world.weather.hang_every_s:
                self.strike()
                self.plan()

        if world.weather.hang_every_s:
            world.at(world.now + world.random.expovariate(1 / world.weather.hang_every_s), strike)

    def strike(self) -> None:
        """A random actor without children."""
        world = self.world
        leaves = sorted(a.name for a in world.actors.values() if a.is_alive and not a.children and a.name != ROOT)
        if not leaves:
            return
        actor = world.actors[world.random.choice(leaves)]
        if not self.is_hung(actor):
            self.begin(actor)
            if world.random.random() >= FOR_GOOD:
                world.at(world.now + world.random.uniform(*PAUSE_S), lambda: self.end(actor))

    # --- parents -----------------------------------------------------------------------------------------------------

    def _ask(self, parent: Actor) -> None:
        """From now on, until nobody whom it watches hangs."""
        pings = Pings()
        for child, liveness in self._watched.get(parent.serial, {}).values():
            if child.is_alive:
                pings.watch(child.name, child.life_number, liveness, self.world.now)
        self._asking[parent.serial] = pings
        self._await(parent, pings)

    def _await(self, parent: Actor, pings: Pings) -> None:
        children = [child for child, _ in self._watched.get(parent.serial, {}).values()]
        if pings.next_due is None or not parent.is_alive or not any(c.is_alive and self.is_hung(c) for c in children):
            self._asking.pop(parent.serial, None)
            return
        self.world.at(pings.next_due, lambda: self.world.guard(parent, lambda: self._look(parent, pings)))

    def _look(self, parent: Actor, pings: Pings) -> None:
        now = self.world.now
        asked, hung = pings.look(now, Mail())
        for name, life in asked:
            child = parent.children[name]
            if child.is_alive and not self.is_hung(child):
                self.world.at(now + PONG_S, lambda n=name, k=life: self._pong(pings, n, k))  # type: ignore[misc]  # bound
        for word in hung:
            self.world.tell_core(parent, word)
        self._await(parent, pings)

    def _pong(self, pings: Pings, name: str, life: int) -> None:
        pings.answered(name, life, Work(), Mail(), self.world.now)
