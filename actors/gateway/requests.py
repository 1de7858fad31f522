"""What is asked of the gateway and not yet answered.

Answers of other actors name what they are about, not the request; so of each kind and name one order is open at a
time, and a second one is told so.  Every open request has a deadline, and there are at most ``OPEN_MAX``.
"""

from dataclasses import dataclass, field, replace

from pydantic import Field

from alluse_hub.protocols.message import Json, Message
from alluse_hub.supervision.breaker import Breaker

OPEN_MAX = 64
"""Twice the connections that the worker takes; more means that answers go missing, and says so."""


class GatewaySpec(Message):
    """Who is here, and who may ask.  ``needed_by``: by workstream, those that depend on it.

    ``supervisors``: actor -> its supervisor's name.  ``cells``: monitor -> the cell it lives in, for those that share a
    process.  ``allow_users``: by name or number, besides the owner of the
    process and root.  ``trail_reader``: class path of the module that reads the trail for the worker; see ``reader``.
    """

    hub: str = "alluse"
    version: str = ""
    workstreams: tuple[str, ...] = ()
    supervisors: dict[str, str] = Field(default_factory=dict)
    cells: dict[str, str] = Field(default_factory=dict)
    needed_by: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    flows: tuple[str, ...] = ()
    syncs: tuple[str, ...] = ()
    allow_users: tuple[int | str, ...] = ()
    control_group: str = ""
    trail_reader: str = "alluse_hub.actors.auditor.query"
    board_timeout_s: float = Field(default=5.0, gt=0)
    shutdown_s: float = Field(default=30.0, gt=0)


@dataclass(frozen=True, slots=True)
class Open:
    """A request in hand.  ``about``: what the awaited answer will name, as ``program:ws3``; empty for the board's."""

    request: str
    ask: str
    args: Json
    user: str
    about: str = ""
    to: str = ""  # who was asked, if it was an order
    waits: Message | None = None  # the order itself, until it is safe on the disk


@dataclass(frozen=True, slots=True)
class Gateway:
    name: str
    spec: GatewaySpec
    open: dict[str, Open] = field(default_factory=dict)
    lapsed: dict[str, Open] = field(default_factory=dict)  # orders not given, of which the trail has to hear
    breakers: dict[str, Breaker] = field(default_factory=dict)  # towards those that orders go to
    ends_by: float | None = None  # hub time; the hub ends, and no orders are taken any more

    def holding(self, request: Open) -> "Gateway":
        return replace(self, open=self.open | {request.request: request})

    def without(self, request: str) -> "Gateway":
        return replace(self, open={id_: held for id_, held in self.open.items() if id_ != request})

    def lapsing(self, held: Open) -> "Gateway":
        """The newest of them; an auditor that is away for long hears of these."""
        lapsed = [*self.lapsed.items(), (held.request, held)][-OPEN_MAX:]
        return replace(self.without(held.request), lapsed=dict(lapsed))

    def breaker(self, name: str) -> Breaker:
        return self.breakers.get(name, Breaker())

    def with_breaker(self, name: str, breaker: Breaker) -> "Gateway":
        if breaker == self.breaker(name):
            return self
        others = {other: known for other, known in self.breakers.items() if other != name}
        return replace(self, breakers=others if breaker == Breaker() else {**others, name: breaker})

    def about(self, what: str) -> Open | None:
        return next((held for held in self.open.values() if held.about == what), None)
