"""Who goes first: a total order over the claims on a resource, by its policy.

Whom a person has decided for goes first of all, then an override, for which two stand; then the higher tier; then what
the policy looks at; then who was placed earlier, then the smaller id.  No two claims are equal, so the outcome depends
on no order of arrival.

Waiting adds to a priority, one for each ``age_s``, and never to a tier: otherwise a sync that waits would outrank a
person in the end, and without it one of low priority might wait for ever.  Pure.
"""

from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.protocols.claims import Claim, Policy, Tier

TIERS = {Tier.OPERATOR: 4, Tier.RULE: 3, Tier.WORKFLOW: 2, Tier.SCHEDULE: 1, Tier.SYNC: 0}

Favoured = frozenset[str]
"""Ids of claims that a person, or those who hold them, have decided for."""

NOBODY: Favoured = frozenset()


def reaches(claim: Claim, resource: str) -> bool:
    """A claim covers what is below its path, unless it is exact."""
    if claim.resource == resource:
        return True
    return not claim.exact and resource.startswith(claim.resource + "/")


def specificity(claim: Claim) -> int:
    """Segments of its path."""
    return claim.resource.count("/") + 1


def priority(claim: Claim, now: Now, age_s: float) -> int:
    """With what its waiting adds.  A claim that looks at no clock, such as a rule's, does not age."""
    if not claim.since:
        return claim.priority
    return claim.priority + int(max(0.0, now.hub_s - claim.since) // age_s)


def key(
    claim: Claim, policy: Policy, now: Now, favoured: Favoured = NOBODY, age_s: float = float("inf")
) -> tuple[object, ...]:
    """The smallest goes first."""
    first = (claim.id not in favoured, not claim.overrides, -TIERS[claim.tier])
    last = (claim.placed, claim.id)
    match policy:
        case Policy.RECENT:
            return (*first, -claim.placed, claim.id)
        case Policy.FIRST_HOLDER:
            return (*first, *last)
        case Policy.SPECIFIC_FIRST:
            return (*first, -specificity(claim), -priority(claim, now, age_s), *last)
        case _:
            return (*first, -priority(claim, now, age_s), -specificity(claim), *last)


def first_difference(
    winner: Claim, loser: Claim, policy: Policy, now: Now, favoured: Favoured = NOBODY, age_s: float = float("inf")
) -> str:
    """Why the one goes first: the first criterion of the order in which they differ."""
    why = f"{winner.holder} goes first: "
    if (winner.id in favoured) != (loser.id in favoured):
        return f"{why}so it was decided"
    if bool(winner.overrides) != bool(loser.overrides):
        return f"{why}two people stand for it"
    if winner.tier is not loser.tier:
        return f"{why}{winner.tier} before {loser.tier}"
    priorities = priority(winner, now, age_s), priority(loser, now, age_s)
    by_priority = f"{why}priority {priorities[0]} before {priorities[1]}"
    paths = f"{why}{winner.resource} is more specific than {loser.resource}"
    is_specific = specificity(winner) != specificity(loser)
    match policy:
        case Policy.RECENT:
            return f"{why}its claim was placed later"
        case Policy.FIRST_HOLDER:
            pass
        case Policy.SPECIFIC_FIRST if is_specific:
            return paths
        case _ if priorities[0] != priorities[1]:
            return by_priority
        case _ if is_specific:
            return paths
    if winner.placed != loser.placed:
        return f"{why}its claim was placed earlier"
    return f"{why}by the order of ids"
