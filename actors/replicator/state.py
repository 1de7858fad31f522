"""What the replicator knows between letters, and a turn in the making.

Pure: a ``Turn`` lives no longer than one call of ``decide``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from alluse_hub.protocols.effects import Commit, Decision, Effect, Record, Send, Wake
from alluse_hub.protocols.message import Fact, Json, Message, built
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import (
    ClaimOnData,
    DeliveriesMoved,
    Divergence,
    Move,
    Play,
    ReplicatorSpec,
    Stage,
    Sync,
)
from alluse_hub.protocols.versions import NO_VERSION, EventAsked, Order, Version, is_same, order_of
from alluse_hub.protocols.workstream import Command

from .ledger import Delivery, Edge, Ledger, edge_name, evolve, owned, take


@dataclass(frozen=True, slots=True)
class Known:
    """What a source has.  ``at``: when it was first heard of; ``heard_at``: when it last said so."""

    version: Version
    at: float
    heard_at: float


@dataclass(frozen=True, slots=True)
class Payload:
    """A version with its content, of ``size`` bytes in canonical JSON."""

    version: Version
    data: Json
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command to one workstream that is not answered yet.  ``carries``: the deliveries it is about, as edge and
    serial; ``names``: the data sets."""

    command: Command
    names: tuple[str, ...]
    carries: tuple[tuple[str, int], ...]
    first_at: float
    said_at: float
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Mending:
    """Two versions that are being made into one."""

    edge: str
    policy: Divergence
    began: float
    version: Version = NO_VERSION  # what they are made into, once it is on its way to the source
    data: Json = field(default_factory=dict)
    winner: str = ""
    sentence: str = ""
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Forced:
    """A person's order that is not yet so.  ``wants``: by sync, the version that its source first told of since."""

    sync: str  # as asked; ``all`` for all
    syncs: tuple[str, ...]
    asker: str
    request: str
    at: float
    wants: dict[str, Version] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replicator:
    """``known`` and ``payloads`` by ``workstream/data set``; ``exchanges`` by ``kind:workstream``; what concerns an
    edge by its name."""

    name: str
    spec: ReplicatorSpec
    syncs: dict[str, Sync]
    sources: dict[str, tuple[str, ...]]  # by source and data set: syncs
    ends: dict[str, tuple[str, ...]]  # by target: edges
    ledger: Ledger = field(default_factory=Ledger)
    presence: dict[str, str] = field(default_factory=dict)
    rungs: dict[str, str] = field(default_factory=dict)  # by resource that a sync needs: the rung in force
    claims: dict[str, tuple[ClaimOnData, ...]] = field(default_factory=dict)  # by `target/data set`
    freed_at: dict[str, float] = field(default_factory=dict)  # by edge: when a hold that had covered it was over
    asked: dict[str, EventAsked] = field(default_factory=dict)  # by sync that has a condition
    life: int = 0
    asks: dict[str, int] = field(default_factory=dict)  # by source: how often it was asked for its next word
    words: dict[str, int] = field(default_factory=dict)  # by source: serial of its last word that came
    heard_of: dict[str, float] = field(default_factory=dict)  # by workstream: last word of its presence, or probe
    known: dict[str, Known] = field(default_factory=dict)
    payloads: dict[str, tuple[Payload, ...]] = field(default_factory=dict)  # the newest last
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    wanted: dict[str, frozenset[str]] = field(default_factory=dict)  # by workstream: data sets whose content is wanted
    to_compare: dict[str, frozenset[str]] = field(default_factory=dict)  # by workstream: data sets
    passes: dict[str, str] = field(default_factory=dict)  # by edge: deliver what is behind, and why
    seen: dict[str, tuple[Version, float]] = field(default_factory=dict)  # by edge: what its target has, to be judged
    begun: frozenset[str] = frozenset()  # syncs that were compared once
    compared: dict[str, float] = field(default_factory=dict)  # by edge: when it was last found equal
    dark: dict[str, str] = field(default_factory=dict)  # by workstream: why it is taken not to answer
    held_off: dict[str, float] = field(default_factory=dict)  # by workstream: hub time until which nothing is asked
    ask_at: dict[str, float] = field(default_factory=dict)  # by source: when it is asked for its next word
    ask_again: dict[str, tuple[float, float]] = field(default_factory=dict)  # by source: when again, so long after
    compare_at: dict[str, float] = field(default_factory=dict)  # by sync
    pass_at: dict[str, float] = field(default_factory=dict)  # by periodic sync: the next one
    mending: dict[str, Mending] = field(default_factory=dict)  # by source and data set
    unmended: dict[str, str] = field(default_factory=dict)  # by edge: why its conflict could not be closed
    bases: dict[str, Json] = field(default_factory=dict)  # by edge that is merged: content last verified
    forced: tuple[Forced, ...] = ()
    due_at: float | None = None  # hub time at which the clock timer is set
    is_shown: bool = True  # the board has it as it is
    show_at: float | None = None  # hub time from which the board may be shown more
    marks: dict[str, tuple[object, ...]] = field(default_factory=dict)  # by sync: what the board was shown, latest last
    disputes: tuple[object, ...] = ()  # likewise of the conflicts


def start(name: str, spec: Message) -> Replicator:
    assert isinstance(spec, ReplicatorSpec), "the core names its own specification"
    syncs = {sync.id: sync for sync in spec.syncs}
    sources: dict[str, tuple[str, ...]] = {}
    ends: dict[str, tuple[str, ...]] = {}
    for sync in spec.syncs:
        sources[source_of(sync)] = (*sources.get(source_of(sync), ()), sync.id)
        for target in sync.targets:
            ends[target] = (*ends.get(target, ()), edge_name(sync.id, target))
    return Replicator(name, spec, syncs, sources, ends)


def restored(fresh: Replicator, kept: Replicator) -> Replicator:
    """The configuration of now with the ledger of a snapshot."""
    return replace(fresh, ledger=kept.ledger)


def evolved(state: Replicator, fact: Fact) -> Replicator:
    return replace(state, ledger=evolve(state.ledger, fact))


def source_of(sync: Sync) -> str:
    return at(sync.source, sync.content)


def at(workstream: str, dataset: str) -> str:
    return f"{workstream}/{dataset}"


NO_MOVE = Move(sync="", target="", serial=1, to=Stage.CHANGED, at=0.0).__dict__
"""Every field of one, with what it is if nothing is said."""


class Turn:
    """One decision in the making.  Moves of deliveries are gathered into one fact, which is recorded before anything
    is sent that follows from them."""

    __slots__ = ("_answers", "_owned", "_sends", "_wakes", "facts", "moves", "now", "state", "who")

    def __init__(self, state: Replicator, now: float, who: str) -> None:
        self.state = replace(state)
        self.now = now
        self.who = who  # id of the letter: what is asked because of it is named after it
        self.facts: list[Effect] = []
        self.moves: list[Move] = []
        self._owned: Ledger | None = None  # the ledger, once its tables are this turn's own
        self._sends: list[Effect] = []
        self._answers: list[Effect] = []
        self._wakes: list[Effect] = []

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger

    def set(self, **changes: Any) -> None:  # Any: whatever the fields of Replicator are; its slots refuse other names
        for name, value in changes.items():
            object.__setattr__(self.state, name, value)

    def edge(self, name: str) -> Edge:
        return self.state.ledger.edge(name)

    def sync_of(self, edge: str) -> Sync:
        return self.state.syncs[edge.partition(">")[0]]

    def is_up(self, workstream: str) -> bool:
        return self.state.presence.get(workstream) == "up"

    def is_forced(self, sync: str) -> bool:
        return any(sync in forced.syncs for forced in self.state.forced)

    def hold_on(self, edge: str) -> str:
        """What holds it back, in words; empty if nothing does.  A rung that is not known of may not permit it."""
        permit = self.state.spec.permits.get(edge)
        if permit is not None:
            rung = self.state.rungs.get(permit.resource, "not known of")
            if rung not in permit.rungs:
                return f"{permit.resource} is {rung}"
        return self._claimed(edge) if self.state.claims else ""

    def _claimed(self, edge: str) -> str:
        """Whoever claims the data set there outranks the sync, unless the newest version has seen theirs."""
        sync = self.sync_of(edge)
        resource = at(edge.partition(">")[2], sync.content)
        known = self.state.known.get(source_of(sync))
        newest = known.version.vector if known is not None else {}
        for claim in self.state.claims.get(resource, ()):
            if not claim.versions:
                return f"{resource} is held by {claim.holder}"
            if order_of(claim.versions, newest) not in {Order.EQUAL, Order.BEFORE}:
                there = "+".join(f"{writer}:{count}" for writer, count in sorted(claim.versions.items()))
                return f"{resource} is held by {claim.holder} at {there}, which {sync.source} has not seen"
        return ""

    def content(self, key: str, version: Version) -> Payload | None:
        """That version with its content, if it is here."""
        for payload in reversed(self.state.payloads.get(key, ())):
            if is_same(payload.version, version):
                return payload
        return None

    def newest(self, key: str) -> Payload | None:
        found = self.state.payloads.get(key, ())
        return found[-1] if found else None

    def keep(self, key: str, payload: Payload) -> None:
        others = tuple(each for each in self.state.payloads.get(key, ()) if not is_same(each.version, payload.version))
        self.set(payloads={**self.state.payloads, key: (*others, payload)})

    def came_up(self, workstream: str) -> None:
        """Whoever answers is up, and not dark."""
        state = self.state
        if not self.is_up(workstream):
            self.set(presence={**state.presence, workstream: "up"}, is_shown=False)
        if workstream in state.dark or workstream in state.held_off:
            self.set(
                dark={ws: why for ws, why in state.dark.items() if ws != workstream},
                held_off={ws: until for ws, until in state.held_off.items() if ws != workstream},
            )

    def plays(self, sync: str) -> bool:
        return self.ledger.play(sync) is Play.PLAYING

    def record(self, fact: Fact, *, commit: bool = False) -> None:
        self._put_moves()
        self.set(ledger=evolve(self.ledger, fact), is_shown=False)
        self.facts.append(Commit(fact) if commit else Record(fact))

    def move(self, edge: str, serial: int, to: Stage, **more: Any) -> None:  # Any: fields of Move
        self.moves_of(edge, serial, ((to, more),))

    def moves_of(self, edge: str, serial: int, steps: Iterable[tuple[Stage, dict[str, Any]]]) -> None:
        """What one delivery does at once."""
        sync, _, target = edge.partition(">")
        moves = []
        for to, more in steps:
            fields = {**NO_MOVE, "sync": sync, "target": target, "serial": serial, "to": to, "at": self.now, **more}
            assert len(fields) == len(NO_MOVE), f"a move has no {more.keys() - NO_MOVE.keys()}"
            if to is Stage.VERIFIED and (since := self.edge(edge).behind_since) is not None:
                late_s = fields["at"] - since - self.sync_of(edge).objective_s
                fields["late_s"] = round(late_s, 6) if late_s > 0 else 0.0
            moves.append(built(Move, fields))
        self.moves += moves
        if self.ledger is not self._owned:
            self._owned = owned(self.ledger)
            self.set(ledger=self._owned, is_shown=False)
        take(self._owned, moves)

    def delivery(self, edge: str, serial: int) -> Delivery | None:
        return self.edge(edge).open.get(serial)

    def send(self, to: str, message: Message) -> None:
        self._sends.append(Send(to, message))

    def answer(self, to: str, message: Message) -> None:
        """Goes last: what it tells of is on record by then."""
        self._answers.append(Send(to, message))

    def wake(self, timer: str, after_s: float) -> None:
        self._wakes.append(Wake(timer, after_s))

    def _put_moves(self) -> None:
        if self.moves:
            self.facts.append(Record(DeliveriesMoved(moves=tuple(self.moves))))
            self.moves = []

    def done(self) -> Decision[Replicator]:
        self._put_moves()
        return Decision(self.state, (*self.facts, *self._sends, *self._wakes, *self._answers))
