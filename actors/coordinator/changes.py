"""What would have to be otherwise for a claim to win: the smallest single change, tried out.

Each candidate is decided again by the same function that decided first, so what is said here is so.  Smaller changes
are tried before larger ones: another priority, a smaller amount, another tier, the end of one claim that stands in the
way, the end of all that are held for safety above it.  Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from alluse_hub.actors.coordinator.arbiter import decide
from alluse_hub.actors.coordinator.fates import Outcome
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.order import NOBODY, TIERS, Favoured, reaches
from alluse_hub.protocols.claims import Claim, Tier
from alluse_hub.protocols.resources import Declared, Pool

TRIED_MAX = 16
"""Claims in the way whose end is tried, each alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """``text`` ends the sentence "it would have it ..."; ``claims``: all of them, as they would be."""

    text: str
    claims: tuple[Claim, ...]


def to_win(
    resource: Declared,
    claims: Iterable[Claim],
    now: Now,
    id_: str,
    granted: AbstractSet[str] = NOBODY,
    favoured: Favoured = NOBODY,
) -> Change | None:
    """None if the claim wins already, or by no single change."""
    about = tuple(claim for claim in claims if reaches(claim, resource.resource))
    if _wins(resource, about, now, id_, granted, favoured):
        return None
    own = next((claim for claim in about if claim.id == id_), None)
    if own is None:
        return None
    for change in _candidates(resource, about, own, granted):
        if _wins(resource, change.claims, now, id_, granted, favoured):
            return change
    return None


def _wins(
    resource: Declared, claims: Sequence[Claim], now: Now, id_: str, granted: AbstractSet[str], favoured: Favoured
) -> bool:
    fate = decide(resource, claims, now, granted, favoured).fate(id_)
    return fate is not None and fate.outcome in {Outcome.HOLDS, Outcome.COVERED}


def _candidates(
    resource: Declared, claims: tuple[Claim, ...], own: Claim, granted: AbstractSet[str]
) -> Iterator[Change]:
    def changed(text: str, **update: object) -> Change:
        other = own.model_copy(update=update)
        return Change(text, tuple(other if claim.id == own.id else claim for claim in claims))

    def without(text: str, gone: Iterable[str]) -> Change:
        names = set(gone)
        return Change(text, tuple(claim for claim in claims if claim.id not in names))

    others = [claim for claim in claims if claim.id != own.id]
    equals = [claim.priority for claim in others if claim.tier is own.tier and not claim.safety]
    above = max(equals, default=own.priority) + 1
    yield changed(f"with priority {above}", priority=above)
    if isinstance(resource, Pool):
        free = resource.capacity - sum(claim.amount for claim in others if claim.id in granted)
        if 0 < free < own.amount:
            yield changed(f"if it took only {free}", amount=free)
    for tier in sorted(Tier, key=lambda tier: TIERS[tier]):
        if TIERS[tier] > TIERS[own.tier]:
            yield changed(f"as a claim of tier {tier}", tier=tier)
    for other in others[:TRIED_MAX]:
        yield without(f"if {other.id} ended", {other.id})
    safety = [claim.id for claim in others if claim.safety]
    if len(safety) > 1:
        yield without(f"if all that is held for safety ended, {len(safety)} claims", safety)
    yield without("if nobody else claimed it", {claim.id for claim in others})
