"""The few words that shells say among themselves: boot, introduce, stop.  They carry no decision.

And the one that the owner of a tree says to its root from outside, which is a letter like any other.
"""

from dataclasses import dataclass
from pathlib import Path

from thespian.actors import ActorAddress

from alluse_hub.protocols import wire
from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.names import GUARDIAN, ROOT
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.supervision.life import ANY_INCARNATION
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.pings import Mail, Work
from alluse_hub.supervision.spool import Veiling


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for every actor of a hub."""

    home: str
    clock_offset: float
    reader: str  # class path of the module with `recover(home, actor, kinds)`
    version: str
    root: ActorAddress | None = None
    base: str = "engine"  # what carries letters: see `system.opened`
    personal: tuple[str, ...] = ()  # each a ``PersonalField`` as JSON: plain, as all that travels by itself

    @property
    def veil(self) -> Veiling | None:
        """For one actor; None where nothing is declared personal."""
        if not (self.personal or wire.PERSONAL):
            return None
        from alluse_hub.supervision.veil import veil_of  # noqa: PLC0415  # brings cryptography: 30 ms, and memory

        return veil_of(Path(self.home), tuple(map(PersonalField.model_validate_json, self.personal)))


@dataclass(frozen=True, slots=True)
class BootOrder:
    """Parent to newborn."""

    name: str
    life: int
    spec: Json
    parent: str
    parent_pid: int
    house: House
    origin: Origin = UNKNOWN  # what it is born for


@dataclass(frozen=True, slots=True)
class Register:
    """Newborn to root: from now on ``name`` is ``address``, and so are the ``residents``, if it is a cell: name and
    incarnation each."""

    name: str
    incarnation: int
    address: ActorAddress
    residents: tuple[tuple[str, int], ...] = ()
    origin: Origin = UNKNOWN  # its first letter

    @property
    def introduction(self) -> "Introduce":
        names = ((self.name, self.incarnation), *self.residents)
        return Introduce(tuple((name, incarnation, self.address) for name, incarnation in names), self.origin)


@dataclass(frozen=True, slots=True)
class Introduce:
    """Root to everybody, at every (re)start of an actor."""

    peers: tuple[tuple[str, int, ActorAddress], ...]
    origin: Origin = UNKNOWN  # as the newborn registered with


@dataclass(frozen=True, slots=True)
class NewbornUp:
    """Newborn to parent, when it is ready."""

    name: str
    life: int
    incarnation: int
    pid: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Condition:
    """Child to parent, when it changes: why it is degraded; empty if all is well."""

    name: str
    life: int
    degraded: str


@dataclass(frozen=True, slots=True)
class Ending:
    """Child to parent: it is about to end, and why."""

    name: str
    life: int
    cause: str
    origin: Origin = UNKNOWN  # the entry in which it decided to end, or failed


@dataclass(frozen=True, slots=True)
class StopOrder:
    reason: str
    left_s: float | None = None
    origin: Origin = UNKNOWN


@dataclass(frozen=True, slots=True)
class Ping:
    """Parent to child: give a sign of life.  No control message: it waits its turn."""

    name: str
    life: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Child to parent, in answer."""

    name: str
    life: int
    work: Work
    mail: Mail

    @property
    def told(self) -> tuple[str, int, Work, Mail]:
        return self.name, self.life, self.work, self.mail


def order_to_end(number: int, reason: str, *, keep_workstreams: bool) -> Parcel:
    """For the root.  The owner is no actor: it has one incarnation for each life of the root, and counts its own words;
    ``number`` is 1 for the first."""
    order = ShutDown(by=GUARDIAN, reason=reason, keep_workstreams=keep_workstreams)
    body = wire.encode(order)
    return Parcel("", GUARDIAN, 1, ROOT, ANY_INCARNATION, number, wire.kind_of(order), body, "", "")
