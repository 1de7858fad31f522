"""The arbiter: what is in force is a pure function of the live claims, and the same function says why.

On a ladder of rungs, from least to most restrictive::

    floor    = most restrictive rung among live safety claims
    best     = first of the live other claims in the order below
    in force = the more restrictive of floor and best's rung; the default rung if nobody claims
    order    = higher tier, higher priority, placed earlier, smaller id

Safety is a floor, not a priority: nothing lowers it but the end of the claims that raise it.  The order is total, so
the outcome depends on no order of arrival or evaluation.  A claim on another resource says nothing about this one.
People set a rung; everybody else holds at least one, so that a more restrictive rung covers what they ask for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from alluse_hub.actors.coordinator.leases import Now, as_text, end, is_live, lapsed
from alluse_hub.protocols.claims import Claim, Lease, Mode, Tier

__all__ = ["Fate", "Now", "Outcome", "Ruling", "explained", "in_force", "lapsed", "permits", "rank"]

TIERS = {Tier.OPERATOR: 4, Tier.RULE: 3, Tier.WORKFLOW: 2, Tier.SCHEDULE: 1, Tier.SYNC: 0}


class Outcome(StrEnum):
    HOLDS = "holds"  # keeps the resource where it is
    COVERED = "covered"  # asks for no more than what is in force
    LOSES = "loses"  # wants something else


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a live claim, and the first criterion that decided it."""

    claim: Claim
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """``holder``: of the claims that hold, the one whose lease ends last; None if nobody claims, so that the default
    is in force.  ``floor``: the rung below which nothing gets, the default if no safety claim lives.
    """

    mode: Mode
    rung: str
    floor: str
    holder: Claim | None
    fates: tuple[Fate, ...]  # of the live claims, in their order
    now: Now

    @property
    def claims(self) -> tuple[str, ...]:
        """Ids of the claims that hold, in order."""
        return tuple(fate.claim.id for fate in self.fates if fate.outcome is Outcome.HOLDS)

    @property
    def lease(self) -> Lease | None:
        return None if self.holder is None else self.holder.lease

    def fate(self, id_: str) -> Fate | None:
        return next((fate for fate in self.fates if fate.claim.id == id_), None)


def rank(claim: Claim) -> tuple[int, int, int, str]:
    """The total order; the smallest goes first."""
    return (-TIERS[claim.tier], -claim.priority, claim.placed, claim.id)


def in_force(mode: Mode, claims: Iterable[Claim], now: Now) -> Ruling:
    """Raises ValueError if a live claim wants a rung that is not on the ladder."""
    live = sorted((c for c in claims if c.resource == mode.resource and is_live(c.lease, now)), key=rank)
    heights = {rung.name: height for height, rung in enumerate(mode.rungs)}
    if any(claim.want not in heights for claim in live):
        mode.height(next(claim.want for claim in live if claim.want not in heights))
    floor = max((heights[claim.want] for claim in live if claim.safety), default=0)
    best = next((claim for claim in live if not claim.safety), None)
    height = max(floor, heights[best.want]) if best is not None else floor
    rung = mode.rungs[height].name
    fates = tuple(_fate(claim, best, rung, heights, floor) for claim in live)
    holding = [fate.claim for fate in fates if fate.outcome is Outcome.HOLDS]
    # max() keeps the first of equals, and fates are in order: so ties fall to the order as well.
    holder = max(holding, key=lambda claim: end(claim.lease), default=None)
    return Ruling(mode, rung, mode.rungs[floor].name, holder, fates, now)


def _fate(claim: Claim, best: Claim | None, rung: str, heights: dict[str, int], floor: int) -> Fate:
    if claim.safety:
        if claim.want == rung:
            return Fate(claim, Outcome.HOLDS, "for safety")
        return Fate(claim, Outcome.COVERED, f"{rung} is more restrictive than the {claim.want} it asks for")
    assert best is not None, "a claim without safety is live, so one of them is best"
    if claim is best and claim.want == rung:
        return Fate(claim, Outcome.HOLDS, "it goes first among the claims")
    if claim.want == rung:
        return Fate(claim, Outcome.COVERED, f"{rung} is what it asks for")
    if claim.tier is not Tier.OPERATOR and 0 < heights[claim.want] < heights[rung]:
        return Fate(claim, Outcome.COVERED, f"{rung} is more restrictive than the {claim.want} it asks for")
    if claim is best:
        assert heights[claim.want] < floor, "only the safety floor lifts a ruling above its best claim"
        return Fate(claim, Outcome.LOSES, "safety is a floor that no priority lowers")
    return Fate(claim, Outcome.LOSES, _first_difference(best, claim))


def _first_difference(winner: Claim, loser: Claim) -> str:
    if winner.tier is not loser.tier:
        return f"{winner.holder} goes first: {winner.tier} before {loser.tier}"
    if winner.priority != loser.priority:
        return f"{winner.holder} goes first: priority {winner.priority} before {loser.priority}"
    if winner.placed != loser.placed:
        return f"{winner.holder} goes first: its claim was placed earlier"
    return f"{winner.holder} goes first: by the order of ids"


def permits(ruling: Ruling, use: str) -> bool:
    """Whether the rung in force allows ``use`` of the resource."""
    return use in ruling.mode.rungs[ruling.mode.height(ruling.rung)].uses


def named(claim: Claim) -> str:
    """Holder and subject, as sentences name a claim."""
    return f"{claim.holder} ({claim.subject})" if claim.subject else claim.holder


LISTED_MAX = 8
"""Claims that one explanation names in each of its lists."""


def explained(ruling: Ruling) -> str:
    """The ruling in sentences: who holds it until when, who is covered, who loses and why."""
    where = f"{ruling.mode.resource} is {ruling.rung}"
    if ruling.holder is None:
        return f"{where}: nobody claims otherwise."
    holder, now = ruling.holder, ruling.now
    holding = ruling.fate(holder.id)
    assert holding is not None, "the holder is one of the live claims"
    until = as_text(holder.lease, now)
    sentences = [f"{where} {until}: {named(holder)} holds it, {holding.why}, because {holder.reason}."]
    for outcome, words in ((Outcome.HOLDS, "Also held by"), (Outcome.COVERED, "Covered")):
        others = [f for f in ruling.fates if f.outcome is outcome and f.claim.id != holder.id]
        if others:
            listed = [f"{named(f.claim)} {as_text(f.claim.lease, now)}" for f in others[:LISTED_MAX]]
            more = f" and {len(others) - LISTED_MAX} more" if len(others) > LISTED_MAX else ""
            sentences.append(f"{words}: {', '.join(listed)}{more}.")
    losers = [fate for fate in ruling.fates if fate.outcome is Outcome.LOSES]
    sentences.extend(f"{named(f.claim)} wants {f.claim.want} and loses: {f.why}." for f in losers[:LISTED_MAX])
    return " ".join(sentences)
