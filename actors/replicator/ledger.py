"""The replicator's durable state, and how facts alone rebuild it.

Of each *edge*, a sync to one target: its deliveries under way, the version last verified there, and the figures.  What
the programs have, and what is asked of them, is learned again after a start.  Pure.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from alluse_hub.protocols.claims import ConflictClosed, ConflictOpened, ConflictShown
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import (
    ENDS,
    LATENCIES_KEPT,
    WINDOW_S,
    Counts,
    DeliveriesMoved,
    Diverged,
    DriftFound,
    Move,
    Play,
    Reconciled,
    Stage,
    SyncSwitched,
)
from alluse_hub.protocols.versions import NO_VERSION, Version

MINUTE_S = 60.0
CONFLICTS_MAX = 50
"""Closed conflicts kept in memory; all are in the trail."""

WAITING = frozenset({Stage.CHANGED})
ON_ITS_WAY = frozenset({Stage.OFFERED, Stage.WANTED, Stage.SENT})
PASSING = frozenset({Stage.RECEIVED, Stage.APPLIED, Stage.ACKNOWLEDGED})

LEGS = ("offer", "want", "carry", "store", "all")
"""Of a verified delivery: changed to offered, to sent, to received, to verified; and the whole."""


FINALS = tuple(Counts.model_fields)
"""How a delivery may end, in the order of a ``Tally``."""

Tally = tuple[int, int, int, int, int]
NONE_ENDED: Tally = (0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Times in hub seconds; 0 for what has not been yet."""

    serial: int
    version: Version
    cause: str
    changed_at: float
    stage: Stage = Stage.CHANGED
    offered_at: float = 0.0
    sent_at: float = 0.0
    received_at: float = 0.0
    again: int = 0
    was_applied: bool = False
    was_sent_again: bool = False  # because something else was stored

    def legs_ms(self, at: float) -> tuple[float, ...]:
        """As ``LEGS``.  A step that was skipped took no time."""
        times = [self.changed_at]
        for moment in (self.offered_at, self.sent_at, self.received_at, at):
            times.append(max(moment, times[-1]))
        steps = [round((late - early) * 1000, 3) for early, late in pairwise(times)]
        return (*steps, round((at - self.changed_at) * 1000, 3))


@dataclass(frozen=True, slots=True)
class Minute:
    """What ended within one minute of hub time, and what was verified in it."""

    minute: int
    counts: Tally = NONE_ENDED
    bytes: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """``behind_since``: when the oldest version was due that was not yet verified, nor any later one; None if none is
    missing.  ``late_s``: for how long, in all, a due version was missing beyond the objective, as far as that is over.
    """

    serial: int = 0
    open: dict[int, Delivery] = field(default_factory=dict)
    verified: Version = NO_VERSION
    changed_at: float = 0.0  # hub time at which the verified version was first heard of
    verified_at: float | None = None
    ever: Tally = NONE_ENDED
    minutes: tuple[Minute, ...] = ()
    again: int = 0
    doubles: int = 0
    began: float | None = None
    behind_since: float | None = None
    late_s: float = 0.0
    conflict: str = ""
    target_has: Version = NO_VERSION  # of the open conflict
    drifts: int = 0

    @property
    def on_its_way(self) -> int:
        return sum(delivery.stage in ON_ITS_WAY for delivery in self.open.values())

    def waiting(self) -> Delivery | None:
        return next((delivery for delivery in self.open.values() if delivery.stage in WAITING), None)


@dataclass(frozen=True, slots=True)
class Ledger:
    """``edges`` by ``sync>target``; ``latencies_ms`` by sync, each as ``LEGS``."""

    edges: dict[str, Edge] = field(default_factory=dict)
    plays: dict[str, Play] = field(default_factory=dict)
    latencies_ms: dict[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    conflicts: dict[str, ConflictOpened] = field(default_factory=dict)
    closed: tuple[ConflictShown, ...] = ()
    conflicts_count: int = 0

    def edge(self, name: str) -> Edge:
        return self.edges.get(name, NEW_EDGE)

    def play(self, sync: str) -> Play:
        return self.plays.get(sync, Play.PLAYING)


NEW_EDGE = Edge()


def edge_name(sync: str, target: str) -> str:
    return f"{sync}>{target}"


FACTS: frozenset[type[Fact]] = frozenset(
    {ConflictClosed, ConflictOpened, DeliveriesMoved, Diverged, DriftFound, Reconciled, SyncSwitched}
)


def evolve(ledger: Ledger, fact: Fact) -> Ledger:
    match fact:
        case DeliveriesMoved(moves=moves):
            return _moved(ledger, moves)
        case SyncSwitched(sync=sync, play=play):
            return replace(ledger, plays={**ledger.plays, sync: play})
        case DriftFound(sync=sync, target=target):
            return _with_edge(ledger, sync, target, drifts=ledger.edge(edge_name(sync, target)).drifts + 1)
        case Diverged(sync=sync, target=target, conflict=conflict, target_has=target_has):
            return _with_edge(ledger, sync, target, conflict=conflict, target_has=target_has)
        case Reconciled(sync=sync, target=target):
            return _with_edge(ledger, sync, target, conflict="", target_has=NO_VERSION)
        case ConflictOpened(id=id_):
            conflicts = {**ledger.conflicts, id_: fact}
            return replace(ledger, conflicts=conflicts, conflicts_count=ledger.conflicts_count + 1)
        case ConflictClosed():
            return _closed(ledger, fact)
        case other:
            raise TypeError(f"the replicator's ledger does not take {type(other).__name__}")


def _with_edge(ledger: Ledger, sync: str, target: str, **changes: object) -> Ledger:
    name = edge_name(sync, target)
    edge = replace(ledger.edge(name), **changes)  # type: ignore[arg-type]  # fields of Edge, checked by replace
    return replace(ledger, edges={**ledger.edges, name: edge})


def _closed(ledger: Ledger, fact: ConflictClosed) -> Ledger:
    opened = ledger.conflicts[fact.id]
    shown = ConflictShown(
        id=opened.id,
        klass=opened.klass,
        resource=opened.resource,
        parties=opened.parties,
        opened=opened.sentence,
        outcome=fact.outcome,
        winner=fact.winner,
        closed=fact.sentence,
    )
    left = {id_: conflict for id_, conflict in ledger.conflicts.items() if id_ != fact.id}
    return replace(ledger, conflicts=left, closed=(*ledger.closed, shown)[-CONFLICTS_MAX:])


# --- deliveries ------------------------------------------------------------------------------------------------------


def _moved(ledger: Ledger, moves: tuple[Move, ...]) -> Ledger:
    moved = owned(ledger)
    for move in moves:
        take(moved, move)
    return moved


def owned(ledger: Ledger) -> Ledger:
    """A copy whose tables are its own, for ``take`` to change."""
    return replace(ledger, edges=dict(ledger.edges), latencies_ms=dict(ledger.latencies_ms))


def take(ledger: Ledger, move: Move) -> None:
    """Changes the tables of ``ledger`` in place: copying them for each of hundreds of moves would be most of it."""
    name = edge_name(move.sync, move.target)
    edge = ledger.edges.get(name, NEW_EDGE)
    if move.version is not None:
        ledger.edges[name] = _begun(edge, move, move.version)
        return
    delivery = edge.open.get(move.serial)
    if delivery is None:
        return  # it ended before a snapshot of another configuration
    if move.to is Stage.VERIFIED:
        known = ledger.latencies_ms.get(move.sync, ())
        ledger.latencies_ms[move.sync] = (*known, delivery.legs_ms(move.at))[-LATENCIES_KEPT:]
    ledger.edges[name] = _ended(edge, delivery, move) if move.to in ENDS else _went_on(edge, delivery, move)


def _begun(edge: Edge, move: Move, version: Version) -> Edge:
    delivery = Delivery(move.serial, version, move.cause, move.at)
    return replace(
        edge,
        serial=move.serial,
        open={**edge.open, move.serial: delivery},
        began=move.at if edge.began is None else edge.began,
        behind_since=move.at if edge.behind_since is None else edge.behind_since,
    )


def _went_on(edge: Edge, delivery: Delivery, move: Move) -> Edge:
    again = delivery.again + move.again
    match move.to:
        case Stage.OFFERED:
            at = delivery.offered_at or move.at
            delivery = replace(delivery, stage=move.to, offered_at=at, again=again)
        case Stage.SENT:
            at = delivery.sent_at or move.at
            delivery = replace(delivery, stage=move.to, sent_at=at, again=again)
        case Stage.RECEIVED:
            delivery = replace(delivery, stage=move.to, received_at=move.at, again=again)
        case Stage.WANTED if delivery.stage is Stage.SENT:
            delivery = replace(delivery, stage=move.to, was_sent_again=True, again=again)
        case Stage.APPLIED:
            delivery = replace(delivery, stage=move.to, was_applied=True, again=again)
        case _:
            delivery = replace(delivery, stage=move.to, again=again)
    return replace(edge, open={**edge.open, move.serial: delivery}, again=edge.again + move.again)


def _ended(edge: Edge, delivery: Delivery, move: Move) -> Edge:
    open_ = {serial: other for serial, other in edge.open.items() if serial != move.serial}
    edge = replace(
        edge,
        open=open_,
        ever=_counted(edge.ever, move.to),
        minutes=_in_minute(edge.minutes, delivery, move),
        again=edge.again + move.again,
    )
    if move.to is not Stage.VERIFIED:
        return edge
    is_double = delivery.sent_at > 0 and not delivery.was_applied
    later = [other.changed_at for serial, other in open_.items() if serial > move.serial]
    return replace(
        edge,
        verified=delivery.version,
        changed_at=delivery.changed_at,
        verified_at=move.at,
        doubles=edge.doubles + is_double,
        behind_since=min(later, default=None),
        late_s=edge.late_s + move.late_s,
    )


def _counted(tally: Tally, to: Stage) -> Tally:
    counts = list(tally)
    counts[FINALS.index(to.value)] += 1
    verified, refused, diverged, expired, superseded = counts
    return verified, refused, diverged, expired, superseded


def _in_minute(minutes: tuple[Minute, ...], delivery: Delivery, move: Move) -> tuple[Minute, ...]:
    """With one more end; minutes that are out of the window are forgotten."""
    minute = int(move.at // MINUTE_S)
    is_new = not minutes or minutes[-1].minute != minute
    last = Minute(minute) if is_new else minutes[-1]
    is_verified = move.to is Stage.VERIFIED
    last = Minute(
        minute,
        _counted(last.counts, move.to),
        last.bytes + (delivery.version.bytes if is_verified else 0),
        last.records + (delivery.version.records if is_verified else 0),
    )
    oldest = minute - int(WINDOW_S // MINUTE_S)
    earlier = minutes if is_new else minutes[:-1]
    if is_new:
        earlier = tuple(each for each in earlier if each.minute > oldest)
    return (*earlier, last)
