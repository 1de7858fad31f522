"""The arbiter: what is in force is a pure function of the live claims, and the same function says why.

On a ladder of rungs, from least to most restrictive::

    floor    = most restrictive rung among live safety claims
    best     = first of the live other claims in the order of the resource's policy
    in force = the more restrictive of floor and best's rung; the default rung if nobody claims

Safety is a floor, not a priority: nothing lowers it but the end of the claims that raise it, or an override that names
them, for which two people stand.  The order is total, so the outcome depends on no order of arrival or evaluation.  A
claim covers its path and what is below it.  People set a rung; everybody else holds at least one, so that a more
restrictive rung covers what they ask for.  Where the policy is to ask (*negotiate*, *human*), the most restrictive
wish is in force until there is an answer: what silence leaves standing is always the safe side.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from alluse_hub.actors.coordinator.fates import LISTED_MAX, Fate, Outcome, listed, named
from alluse_hub.actors.coordinator.leases import Now, as_text, end, is_live, lapsed
from alluse_hub.actors.coordinator.order import NOBODY, TIERS, Favoured, first_difference, key, reaches
from alluse_hub.actors.coordinator.pools import PoolRuling, pool_explained, pool_in_force
from alluse_hub.actors.coordinator.values import (
    DatasetRuling,
    ValueRuling,
    dataset_explained,
    dataset_in_force,
    value_explained,
    value_in_force,
)
from alluse_hub.protocols.claims import Claim, Lease, Mode, Policy, Tier
from alluse_hub.protocols.resources import Dataset, Declared, Pool, Value

__all__ = [
    "LISTED_MAX",
    "TIERS",
    "Fate",
    "Now",
    "Outcome",
    "Ruling",
    "decide",
    "explained",
    "in_force",
    "lapsed",
    "named",
    "permits",
    "rank",
]

ASKING = frozenset({Policy.NEGOTIATE, Policy.HUMAN})
"""Policies that decide by asking."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """``holder``: of the claims that hold, the one whose lease ends last; None if nobody claims, so that the default
    is in force.  ``floor``: the rung below which nothing gets, the default if no safety claim lives.  ``asks``: claims
    want different rungs, and nobody has been asked yet which is to be.
    """

    mode: Mode
    rung: str
    floor: str
    holder: Claim | None
    fates: tuple[Fate, ...]  # of the live claims, in their order
    now: Now
    asks: bool = False

    @property
    def claims(self) -> tuple[str, ...]:
        """Ids of the claims that hold, in order."""
        return tuple(fate.claim.id for fate in self.fates if fate.outcome is Outcome.HOLDS)

    @property
    def lease(self) -> Lease | None:
        return None if self.holder is None else self.holder.lease

    def fate(self, id_: str) -> Fate | None:
        return next((fate for fate in self.fates if fate.claim.id == id_), None)


AnyRuling = Ruling | PoolRuling | ValueRuling | DatasetRuling


def decide(
    resource: Declared,
    claims: Iterable[Claim],
    now: Now,
    granted: AbstractSet[str] = NOBODY,
    favoured: Favoured = NOBODY,
) -> AnyRuling:
    """The one decision on a resource of any kind.  ``granted``: claims that have been given what they take of a pool.
    Raises ValueError as ``in_force``."""
    match resource:
        case Mode():
            return in_force(resource, claims, now, favoured)
        case Pool():
            return pool_in_force(resource, claims, now, granted, favoured)
        case Value():
            return value_in_force(resource, claims, now, favoured)
        case Dataset():
            return dataset_in_force(resource, claims, now, favoured)


def rank(claim: Claim, mode: Mode, now: Now, favoured: Favoured = NOBODY) -> tuple[object, ...]:
    """The total order; the smallest goes first."""
    return key(claim, mode.policy, now, favoured)


def in_force(mode: Mode, claims: Iterable[Claim], now: Now, favoured: Favoured = NOBODY) -> Ruling:
    """Raises ValueError if a live claim wants a rung that is not on the ladder."""
    reaching = (c for c in claims if reaches(c, mode.resource) and is_live(c.lease, now))
    live = sorted(reaching, key=lambda claim: rank(claim, mode, now, favoured))
    heights = {rung.name: height for height, rung in enumerate(mode.rungs)}
    if any(claim.want not in heights for claim in live):
        mode.height(next(claim.want for claim in live if claim.want not in heights))
    lowered = _lowered(live, heights)
    floor = max((lowered.get(claim.id, heights[claim.want]) for claim in live if claim.safety), default=0)
    others = [claim for claim in live if not claim.safety]
    best = others[0] if others else None
    asks = mode.policy in ASKING and best is not None and best.id not in favoured
    asks = asks and len({claim.want for claim in others}) > 1
    if asks:
        best = max(others, key=lambda claim: heights[claim.want])  # the first of equals
    height = max(floor, heights[best.want]) if best is not None else floor
    rung = mode.rungs[height].name
    judge = _Judge(mode, best, rung, heights, floor, lowered, now, favoured, asks)
    fates = tuple(judge.fate(claim) for claim in live)
    holding = [fate.claim for fate in fates if fate.outcome is Outcome.HOLDS]
    # max() keeps the first of equals, and fates are in order: so ties fall to the order as well.
    holder = max(holding, key=lambda claim: end(claim.lease), default=None)
    return Ruling(mode, rung, mode.rungs[floor].name, holder, fates, now, asks)


def _lowered(live: list[Claim], heights: dict[str, int]) -> dict[str, int]:
    """How high the safety claims still reach that are overridden: as high as the most restrictive override says.  One
    placed after an override is another claim, though it has the id of one before it."""
    claims = {claim.id: claim for claim in live}
    lowered: dict[str, int] = {}
    for override in live:
        for id_ in override.overrides:
            if id_ in claims and claims[id_].placed <= override.placed:
                lowered[id_] = max(lowered.get(id_, 0), heights[override.want])
    return {id_: min(height, heights[claims[id_].want]) for id_, height in lowered.items()}


@dataclass(frozen=True, slots=True)
class _Judge:
    """A ruling in the making: what decides each claim's fate."""

    mode: Mode
    best: Claim | None
    rung: str
    heights: dict[str, int]
    floor: int
    lowered: dict[str, int]
    now: Now
    favoured: Favoured
    asks: bool

    def fate(self, claim: Claim) -> Fate:
        if claim.safety:
            return self._of_safety(claim)
        best, rung = self.best, self.rung
        assert best is not None, "a claim without safety is live, so one of them is best"
        if claim is best and claim.want == rung:
            return Fate(claim, Outcome.HOLDS, self._first())
        if claim.want == rung:
            return Fate(claim, Outcome.COVERED, f"{rung} is what it asks for")
        if claim.tier is not Tier.OPERATOR and 0 < self.heights[claim.want] < self.heights[rung]:
            return Fate(claim, Outcome.COVERED, f"{rung} is more restrictive than the {claim.want} it asks for")
        if claim is best:
            assert self.heights[claim.want] < self.floor, "only the safety floor lifts a ruling above its best claim"
            return Fate(claim, Outcome.LOSES, "safety is a floor that no priority lowers")
        if self.asks:
            return Fate(claim, Outcome.LOSES, f"{best.holder} wants more, and nobody has decided yet")
        why = first_difference(best, claim, self.mode.policy, self.now, self.favoured)
        return Fate(claim, Outcome.LOSES, why)

    def _of_safety(self, claim: Claim) -> Fate:
        height, rung = self.heights[claim.want], self.rung
        if claim.want == rung:
            return Fate(claim, Outcome.HOLDS, "for safety")
        if height > self.heights[rung]:
            return Fate(claim, Outcome.LOSES, "two people override it")
        return Fate(claim, Outcome.COVERED, f"{rung} is more restrictive than the {claim.want} it asks for")

    def _first(self) -> str:
        if self.asks:
            return "it wants most, and nobody has decided yet"
        assert self.best is not None, "it holds"
        return (
            "two people override what is held for safety" if self.best.overrides else "it goes first among the claims"
        )


def permits(ruling: Ruling, use: str) -> bool:
    """Whether the rung in force allows ``use`` of the resource."""
    return use in ruling.mode.rungs[ruling.mode.height(ruling.rung)].uses


def explained(ruling: AnyRuling) -> str:
    """The ruling in sentences: who holds it until when, who is covered, who loses or waits, and why."""
    match ruling:
        case PoolRuling():
            return pool_explained(ruling)
        case ValueRuling():
            return value_explained(ruling)
        case DatasetRuling():
            return dataset_explained(ruling)
        case Ruling():
            return _mode_explained(ruling)


def _mode_explained(ruling: Ruling) -> str:
    where = f"{ruling.mode.resource} is {ruling.rung}"
    if ruling.holder is None:
        return f"{where}: nobody claims otherwise."
    holder, now = ruling.holder, ruling.now
    holding = ruling.fate(holder.id)
    assert holding is not None, "the holder is one of the live claims"
    until = as_text(holder.lease, now)
    sentences = [f"{where} {until}: {named(holder)} holds it, {holding.why}, because {holder.reason}."]
    for outcome, words in ((Outcome.HOLDS, "Also held by"), (Outcome.COVERED, "Covered")):
        others = [f.claim for f in ruling.fates if f.outcome is outcome and f.claim.id != holder.id]
        if others:
            sentences.append(f"{words}: {listed(others, now)}.")
    losers = [fate for fate in ruling.fates if fate.outcome is Outcome.LOSES]
    sentences.extend(f"{named(f.claim)} wants {f.claim.want} and loses: {f.why}." for f in losers[:LISTED_MAX])
    return " ".join(sentences)
