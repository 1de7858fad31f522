"""Lowering what is held for safety: two people, each with a reason.

The first one's word is kept for a quarter of an hour; the second one, who must be somebody else, makes it so.  Either a
claim is *released* for good, or the floor is *overridden*: the safety claims of that moment count as no more than a
rung, for an hour at most, while any that comes later is a floor as ever.  The override is a claim itself and stands in
every list while it lasts.

Two people lower what both have seen.  A claim that was placed behind the word of the first, be it under the id of one
that ended, is neither released nor overridden by the word of the second.
"""

from collections.abc import Sequence

from alluse_hub.actors.coordinator import claiming
from alluse_hub.actors.coordinator.arbiter import explained
from alluse_hub.actors.coordinator.order import reaches
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import (
    OVERRIDE_MAX_S,
    TWO_PEOPLE_S,
    LoweringAsked,
    LoweringEnded,
    OverrideFloor,
    ReleaseClaim,
)
from alluse_hub.protocols.claims import Claim, Lease, Mode, Tier
from alluse_hub.protocols.names import same_person

ASKED = "asked: "
"""How what is told to the first of two people begins."""


def needs_two(claim: Claim, by: str) -> bool:
    """Whether ``by`` alone may not end the claim: it is for safety, and not that person's own, or it is latched."""
    return claim.latched or (claim.safety and not (claim.tier is Tier.OPERATOR and claim.holder == by))


def release(turn: Turn, order: ReleaseClaim, claim: Claim) -> str:
    asked = LoweringAsked(
        id=f"release:{claim.id}",
        resource=claim.resource,
        claim=claim.id,
        by=order.by,
        reason=order.reason,
        until=turn.at + TWO_PEOPLE_S,
        placed=turn.ledger.placed,
    )
    first = _second_of(turn, asked, (claim,))
    if isinstance(first, str):
        return first
    both = f"{first.by} and {order.by}"
    claiming.withdraw(turn, claim.id, both, f"{first.reason}; {order.reason}", how="released")
    return f"{claim.id} is released by {both}"


def override(turn: Turn, order: OverrideFloor, mode: Mode) -> str:
    """What became of it, in a sentence; what is wrong with it, after ``refused: ``."""
    heights = {rung.name: height for height, rung in enumerate(mode.rungs)}
    if order.rung not in heights:
        return f"refused: {mode.resource} has no rung {order.rung!r}; it has {', '.join(heights)}"
    lowered = [
        claim
        for claim in turn.ledger.claims.values()
        if claim.safety and reaches(claim, mode.resource) and heights.get(claim.want, 0) > heights[order.rung]
    ]
    if not lowered:
        return f"refused: nothing is held for safety above {order.rung} on {mode.resource}"
    asked = LoweringAsked(
        id=f"override:{mode.resource}:{order.rung}",
        resource=mode.resource,
        rung=order.rung,
        for_s=order.for_s,
        by=order.by,
        reason=order.reason,
        until=turn.at + TWO_PEOPLE_S,
        placed=turn.ledger.placed,
    )
    first = _second_of(turn, asked, lowered)
    if isinstance(first, str):
        return first
    claim = Claim(
        id=f"override:{mode.resource}",
        resource=mode.resource,
        want=order.rung,
        tier=Tier.OPERATOR,
        exact=True,
        lease=Lease(until=turn.at + min(first.for_s, order.for_s, OVERRIDE_MAX_S)),
        holder=f"{first.by} and {order.by}",
        reason=f"{first.reason}; {order.reason}",
        since=turn.at,
        overrides=tuple(claim.id for claim in _seen_by(first, lowered)),
    )
    claiming.place(turn, claim)
    return explained(turn.ruling(mode))


def asked_for(asked: LoweringAsked) -> str:
    """What waits for a second person, in a sentence."""
    what = f"release {asked.claim}" if asked.claim else f"override it to {asked.rung} for {asked.for_s:.0f} s"
    return f"{asked.by} asks to {what}, because {asked.reason}; a second person has to agree."


def _second_of(turn: Turn, asked: LoweringAsked, claims: Sequence[Claim]) -> LoweringAsked | str:
    """The word of the first person on any of ``claims``, now that a second one agrees; else what is told to this
    one."""
    first = turn.ledger.docket.lowerings.get(asked.id)
    if first is not None and (first.until <= turn.at or not _seen_by(first, claims)):
        turn.record(LoweringEnded(id=first.id, how="expired" if first.until <= turn.at else "over"))
        first = None
    if first is None:
        turn.commit(asked)
        minutes = TWO_PEOPLE_S / 60
        return f"{ASKED}a second person has to ask for the same within {minutes:.0f} minutes"
    if same_person(first.by, asked.by):
        return f"refused: {asked.by} has asked already; the second has to be somebody else"
    turn.record(LoweringEnded(id=first.id, how="agreed", by=asked.by, reason=asked.reason))
    turn.agreeing = 2
    return first


def _seen_by(first: LoweringAsked, claims: Sequence[Claim]) -> list[Claim]:
    """Those that were there when the first person spoke."""
    return [claim for claim in claims if claim.placed <= first.placed]


def next_due(turn: Turn) -> float | None:
    """When the first word of one person is over, in seconds of hub time."""
    return min((asked.until for asked in turn.ledger.docket.lowerings.values()), default=None)


def settle(turn: Turn) -> None:
    """What nobody has agreed to in time is over, and so is what was asked about a claim that is gone."""
    for id_, asked in tuple(turn.ledger.docket.lowerings.items()):
        if asked.until <= turn.at:
            turn.record(LoweringEnded(id=id_, how="expired"))
        elif asked.claim and asked.claim not in turn.ledger.claims:
            turn.record(LoweringEnded(id=id_, how="over"))
