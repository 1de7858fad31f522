"""The docket: what is remembered of claims besides the claims themselves, and how facts alone rebuild it.

Which claims have been given what they take of a pool; for whom it was decided where the order alone did not; who is
asked to yield, what people are asked, and what one person has asked and a second may agree to; how often the rung of a
resource has turned of late.  Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from alluse_hub.protocols.arbitration import (
    ConflictDecided,
    Escalated,
    FlapLatched,
    LoweringAsked,
    LoweringEnded,
    TermBegun,
    YieldAsked,
    YieldOffered,
)
from alluse_hub.protocols.claims import ClaimEnded, ClaimGranted, ConflictClosed, DirectiveIssued
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.states import replace

FLAPS_MAX = 6
"""Turns of a rung within one session, or where people turn it within ``FLAP_S``; one more, and it is latched."""

FLAP_S = 60.0

V = TypeVar("V")

FACTS: frozenset[type[Fact]] = frozenset(
    {
        ClaimGranted,
        ConflictDecided,
        Escalated,
        FlapLatched,
        LoweringAsked,
        LoweringEnded,
        TermBegun,
        YieldAsked,
        YieldOffered,
    }
)
"""Those that only the docket takes."""


@dataclass(frozen=True, slots=True)
class Yielding:
    """A holder that is asked, or told, to let go.  ``offered`` is None as long as its answer is awaited."""

    asked: YieldAsked
    offered: YieldOffered | None = None


@dataclass(frozen=True, slots=True)
class Turned:
    """A change of a rung.  ``at`` 0: by a round, in the session ``ordinal``."""

    rung: str
    ordinal: int
    at: float


@dataclass(frozen=True, slots=True)
class Docket:
    epoch: int = 0  # of this coordinator
    granted: dict[str, int] = field(default_factory=dict)  # by claim: the token of its grant
    tokens: int = 0  # ever given; each is larger than all before
    favoured: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by resource: claims that were decided for
    yielding: dict[str, Yielding] = field(default_factory=dict)  # by conflict
    escalated: dict[str, Escalated] = field(default_factory=dict)  # by conflict
    lowerings: dict[str, LoweringAsked] = field(default_factory=dict)
    released: dict[str, tuple[str, float]] = field(default_factory=dict)  # by resource: who did so last, and when
    turns: dict[str, tuple[Turned, ...]] = field(default_factory=dict)  # by resource, the latest
    spent: tuple[str, ...] = ()  # claims that have been asked for and may not be renewed

    def favoured_on(self, resource: str) -> frozenset[str]:
        return frozenset(self.favoured.get(resource, ()))

    def is_open(self, conflict: str) -> bool:
        """Whether somebody is still asked about it."""
        return conflict in self.yielding or conflict in self.escalated

    def turns_of_late(self, resource: str, ordinal: int, at: float) -> tuple[Turned, ...]:
        """Of the rung, within the session by rounds, or within ``FLAP_S`` by people; ``at`` 0: asked for a round."""
        turns = self.turns.get(resource, ())
        if at:
            return tuple(turn for turn in turns if turn.at and at - turn.at <= FLAP_S)
        return tuple(turn for turn in turns if not turn.at and turn.ordinal == ordinal)


def folded(docket: Docket, fact: Fact) -> Docket:
    match fact:
        case ClaimGranted(id=id_, token=token):
            return replace(docket, granted={**docket.granted, id_: token}, tokens=max(docket.tokens, token))
        case ClaimEnded():
            return _ended(docket, fact)
        case TermBegun(epoch=epoch):
            return replace(docket, epoch=epoch)
        case ConflictDecided(resource=resource, winner=winner):
            return replace(docket, favoured={**docket.favoured, resource: (winner,)})
        case YieldAsked(conflict=conflict):
            return replace(docket, yielding={**docket.yielding, conflict: Yielding(fact)})
        case YieldOffered(conflict=conflict):
            return _offered(docket, docket.yielding[conflict], fact)
        case Escalated(conflict=conflict):
            asked = _but(docket.yielding, conflict)
            return replace(docket, yielding=asked, escalated={**docket.escalated, conflict: fact})
        case ConflictClosed(id=id_):
            if docket.is_open(id_):
                left = _but(docket.yielding, id_), _but(docket.escalated, id_)
                return replace(docket, yielding=left[0], escalated=left[1])
            return docket
        case LoweringAsked(id=id_):
            return replace(docket, lowerings={**docket.lowerings, id_: fact})
        case LoweringEnded(id=id_):
            return replace(docket, lowerings=_but(docket.lowerings, id_))
        case FlapLatched(resource=resource):
            return replace(docket, turns=_but(docket.turns, resource))
        case other:
            raise TypeError(f"a docket is not changed by {type(other).__name__}")


def turned(docket: Docket, issued: DirectiveIssued, before: str, ordinal: int) -> Docket:
    """With a directive that may have changed the rung."""
    if issued.rung == before:
        return docket
    turn = Turned(issued.rung, ordinal, issued.at)
    turns = (*docket.turns.get(issued.resource, ()), turn)[-FLAPS_MAX:]
    return replace(docket, turns={**docket.turns, issued.resource: turns})


def _offered(docket: Docket, yielding: Yielding, fact: YieldOffered) -> Docket:
    spent = docket.spent
    if fact.option != "release" and yielding.asked.claim not in spent:
        spent = (*spent, yielding.asked.claim)
    return replace(docket, spent=spent, yielding={**docket.yielding, fact.conflict: Yielding(yielding.asked, fact)})


def _ended(docket: Docket, fact: ClaimEnded) -> Docket:
    id_ = fact.id
    if id_ in docket.granted:
        docket = replace(docket, granted=_but(docket.granted, id_))
    if id_ in docket.spent:
        docket = replace(docket, spent=tuple(other for other in docket.spent if other != id_))
    for resource, favoured in docket.favoured.items():
        if id_ in favoured:
            left = tuple(other for other in favoured if other != id_)
            rest = _but(docket.favoured, resource)
            docket = replace(docket, favoured={**rest, resource: left} if left else rest)
    return docket


def released(docket: Docket, resource: str, fact: ClaimEnded) -> Docket:
    """With a person's release of a hold on ``resource``."""
    if not fact.at or fact.how not in {"withdrawn", "released"}:
        return docket
    return replace(docket, released={**docket.released, resource: (fact.by, fact.at)})


def _but(table: Mapping[str, V], key: str) -> dict[str, V]:
    return {other: value for other, value in table.items() if other != key}
