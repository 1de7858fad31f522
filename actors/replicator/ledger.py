"""The replicator's durable state, and how facts alone rebuild it.

Of each *edge*, a sync to one target: its deliveries under way, the version last verified there, and the figures.  What
the programs have, and what is asked of them, is learned again after a start.  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TypeVar

from alluse_hub.protocols.arbitration import ConflictDecided, Escalated
from alluse_hub.protocols.claims import ConflictClosed, ConflictOpened, ConflictShown
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import (
    ENDS,
    LATENCIES_KEPT,
    WINDOW_S,
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

F = TypeVar("F", bound=Fact)

MINUTE_S = 60.0
CONFLICTS_MAX = 50
"""Closed conflicts kept in memory; all are in the trail."""

WAITING = frozenset({Stage.CHANGED})
ON_ITS_WAY = frozenset({Stage.OFFERED, Stage.WANTED, Stage.SENT})

LEGS = ("offer", "want", "carry", "store", "all")
"""Of a verified delivery: changed to offered, to sent, to received, to verified; and the whole."""


FINALS = ("verified", "refused", "diverged", "expired", "superseded")
"""How a delivery may end, in the order of a ``Tally``; what was verified by a sample alone is counted beside it."""

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
    sampled: int = 0


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
    sampled_ever: int = 0
    sampled: int = 0  # records by which ``verified`` was verified; 0: all
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
        return len([1 for delivery in self.open.values() if delivery.stage in ON_ITS_WAY])

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
    asked: dict[str, Escalated] = field(default_factory=dict)  # by conflict that people are asked about
    decided: dict[str, ConflictDecided] = field(default_factory=dict)  # by open conflict: their last word

    def edge(self, name: str) -> Edge:
        return self.edges.get(name, NEW_EDGE)

    def play(self, sync: str) -> Play:
        return self.plays.get(sync, Play.PLAYING)


NEW_EDGE = Edge()


def edge_name(sync: str, target: str) -> str:
    return f"{sync}>{target}"


FACTS: frozenset[type[Fact]] = frozenset(
    {
        ConflictClosed,
        ConflictDecided,
        ConflictOpened,
        DeliveriesMoved,
        Diverged,
        DriftFound,
        Escalated,
        Reconciled,
        SyncSwitched,
    }
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
        case Escalated(conflict=conflict):
            return replace(ledger, asked={**ledger.asked, conflict: fact})
        case ConflictDecided(conflict=conflict):
            return replace(ledger, asked=_but(ledger.asked, conflict), decided={**ledger.decided, conflict: fact})
        case other:
            raise TypeError(f"the replicator's ledger does not take {type(other).__name__}")


def _with_edge(ledger: Ledger, sync: str, target: str, **changes: object) -> Ledger:
    name = edge_name(sync, target)
    edge = replace(ledger.edge(name), **changes)  # type: ignore[arg-type]  # fields of Edge, checked by replace
    return replace(ledger, edges={**ledger.edges, name: edge})


def _closed(ledger: Ledger, fact: ConflictClosed) -> Ledger:
    shown = ConflictShown.of(ledger.conflicts[fact.id]).ended(fact)
    left = {id_: conflict for id_, conflict in ledger.conflicts.items() if id_ != fact.id}
    closed = (*ledger.closed, shown)[-CONFLICTS_MAX:]
    asked, decided = _but(ledger.asked, fact.id), _but(ledger.decided, fact.id)
    return replace(ledger, conflicts=left, closed=closed, asked=asked, decided=decided)


def _but(kept: dict[str, F], conflict: str) -> dict[str, F]:
    return {id_: one for id_, one in kept.items() if id_ != conflict} if conflict in kept else kept


# --- deliveries ------------------------------------------------------------------------------------------------------


def _moved(ledger: Ledger, moves: tuple[Move, ...]) -> Ledger:
    moved = owned(ledger)
    for _, of_one in groupby(moves, key=lambda move: (move.sync, move.target, move.serial)):
        take(moved, list(of_one))
    return moved


def owned(ledger: Ledger) -> Ledger:
    """A copy whose tables are its own, for ``take`` to change."""
    return replace(ledger, edges=dict(ledger.edges), latencies_ms=dict(ledger.latencies_ms))


def take(ledger: Ledger, moves: Sequence[Move]) -> None:
    """Moves of one delivery.  Changes the tables of ``ledger`` in place: copying them for each of hundreds of moves
    would be most of it."""
    first = moves[0]
    name = edge_name(first.sync, first.target)
    edge = ledger.edges.get(name, NEW_EDGE)
    delivery = edge.open.get(first.serial)
    again = 0
    for move in moves:
        again += move.again
        if move.version is not None:
            delivery = Delivery(move.serial, move.version, move.cause, move.at)
            edge = _begun(edge, move)
        elif delivery is None:
            return  # it ended before a snapshot of another configuration
        elif move.to in ENDS:
            if move.to is Stage.VERIFIED:
                known = ledger.latencies_ms.get(move.sync, ())
                ledger.latencies_ms[move.sync] = (*known, delivery.legs_ms(move.at))[-LATENCIES_KEPT:]
            edge, delivery = _ended(edge, delivery, move), None
        else:
            delivery = _went_on(delivery, move)
    if delivery is not None:
        edge = replace(edge, open={**edge.open, first.serial: delivery}, again=edge.again + again)
    elif again:
        edge = replace(edge, again=edge.again + again)
    ledger.edges[name] = edge


def _begun(edge: Edge, move: Move) -> Edge:
    return replace(
        edge,
        serial=move.serial,
        began=move.at if edge.began is None else edge.began,
        behind_since=move.at if edge.behind_since is None else edge.behind_since,
    )


def _went_on(delivery: Delivery, move: Move) -> Delivery:
    again = delivery.again + move.again
    match move.to:
        case Stage.OFFERED:
            at = delivery.offered_at or move.at
            return replace(delivery, stage=move.to, offered_at=at, again=again)
        case Stage.SENT:
            at = delivery.sent_at or move.at
            return replace(delivery, stage=move.to, sent_at=at, again=again)
        case Stage.RECEIVED:
            return replace(delivery, stage=move.to, received_at=move.at, again=again)
        case Stage.WANTED if delivery.stage is Stage.SENT:
            return replace(delivery, stage=move.to, was_sent_again=True, again=again)
        case Stage.APPLIED:
            return replace(delivery, stage=move.to, was_applied=True, again=again)
        case _:
            return replace(delivery, stage=move.to, again=again)


def _ended(edge: Edge, delivery: Delivery, move: Move) -> Edge:
    open_ = {serial: other for serial, other in edge.open.items() if serial != move.serial}
    edge = replace(
        edge,
        open=open_,
        ever=edge.ever if move.sampled else _counted(edge.ever, move.to),
        sampled_ever=edge.sampled_ever + (move.sampled > 0),
        minutes=_in_minute(edge.minutes, delivery, move),
    )
    if move.to is not Stage.VERIFIED:
        return edge
    is_double = delivery.sent_at > 0 and not delivery.was_applied
    later = [other.changed_at for serial, other in open_.items() if serial > move.serial]
    return replace(
        edge,
        verified=delivery.version,
        sampled=move.sampled,
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
        last.counts if move.sampled else _counted(last.counts, move.to),
        last.bytes + (delivery.version.bytes if is_verified else 0),
        last.records + (delivery.version.records if is_verified else 0),
        last.sampled + (move.sampled > 0),
    )
    oldest = minute - int(WINDOW_S // MINUTE_S)
    earlier = minutes if is_new else minutes[:-1]
    if is_new:
        earlier = tuple(each for each in earlier if each.minute > oldest)
    return (*earlier, last)
