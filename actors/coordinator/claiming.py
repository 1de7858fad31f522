"""Placing, clearing and ending claims; what meets in that, and becomes a conflict, is in ``meetings``."""

from alluse_hub.actors.coordinator import meetings, taking
from alluse_hub.actors.coordinator.arbiter import lapsed
from alluse_hub.actors.coordinator.leases import extended, is_served
from alluse_hub.actors.coordinator.ledger import REPLACED
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import Claim, ClaimCleared, ClaimEnded, ClaimExtended, ClaimPlaced, Mode
from alluse_hub.protocols.resources import Dataset, Declared, Pool, Value

CLAIMS_MAX = 250
"""Live claims: the arbiter looks at each in every decision.  Beyond, the new subjects of a rule share one claim."""


def claim_id(rule: str, resource: str, subject: str) -> str:
    return f"rule:{rule}@{resource}:{subject}" if subject else f"rule:{rule}@{resource}"


def place(turn: Turn, claim: Claim) -> Claim:
    """The claim as it lives now.  Placed again in the same shape, its lease may grow; in another, it is replaced."""
    resource = turn.declared(claim.resource)
    assert resource is not None, "only what is declared is claimed"
    old = turn.ledger.claims.get(claim.id)
    is_same = old is not None and _shape(old) == _shape(claim)
    if old is not None and is_same and not _grows(turn, old, claim):
        return old
    before = [meetings.said(turn, one) for one in meetings.reached(turn, claim)] if _may_clash(turn, claim) else []
    rivals = meetings.longest_by_side(turn, claim)
    if old is not None and is_same:
        lease = extended(old.lease, claim.lease)
        turn.record(ClaimExtended(id=claim.id, lease=lease, cause=claim.cause, reason=claim.reason))
    else:
        if old is not None:
            turn.record(ClaimEnded(id=old.id, how=REPLACED, by=claim.holder, why=claim.reason))
        turn.record(ClaimPlaced(claim=claim.model_copy(update={"placed": turn.ledger.placed + 1})))
    live = turn.ledger.claims[claim.id]
    match resource:
        case Mode():
            meetings.overlap(turn, live, rivals)
        case Pool() if not is_same:
            taking.grant_standing(turn)
            if live.id not in turn.ledger.docket.granted:
                meetings.over_commit(turn, live, resource)
        case Dataset() if not is_same:
            meetings.diverge(turn, live, resource)
    told: set[tuple[str, str]] = set()  # what meets on a resource need not be told again of those below it
    for ruling in before:
        meetings.clash(turn, live, ruling, told, is_new=not is_same)
    return live


def _grows(turn: Turn, old: Claim, claim: Claim) -> bool:
    """A claim that others wait for, and whose holder did not let go when asked, is not made longer."""
    return extended(old.lease, claim.lease) != old.lease and old.id not in turn.ledger.docket.spent


def _may_clash(turn: Turn, claim: Claim) -> bool:
    return not isinstance(turn.declared(claim.resource), Pool | Dataset) and meetings.is_contested(turn, claim)


def _shape(claim: Claim) -> tuple[object, ...]:
    return (
        *(claim.resource, claim.want, claim.safety, claim.tier, claim.priority, claim.holder, claim.lease.clock),
        *(claim.amount, tuple(claim.versions.items()), claim.exact, claim.latched, claim.at, claim.yields),
        claim.overrides,
    )


def clear(turn: Turn, id_: str, by: str, why: str) -> None:
    """What the claim was placed for is over.  If its least time is not, it lives on to the end of that.  One that is
    latched is ended by people alone."""
    claim = turn.ledger.claims.get(id_)
    if claim is None or claim.latched:
        return
    if claim.lease.until_cleared and not is_served(claim.lease, turn.now):
        turn.record(ClaimCleared(id=id_, by=by, why=why))
    else:
        turn.record(ClaimEnded(id=id_, how="cleared", by=by, why=why))
    meetings.release_meets_hold(turn, claim, by)


def withdraw(turn: Turn, id_: str, by: str, why: str, *, how: str = "withdrawn") -> None:
    """By people."""
    turn.record(ClaimEnded(id=id_, how=how, by=by, why=why, at=turn.at))


def lapse(turn: Turn) -> None:
    """End the claims whose lease is over."""
    for claim in lapsed(tuple(turn.ledger.claims.values()), turn.now):
        turn.record(ClaimEnded(id=claim.id, how="lapsed", by=claim.holder, why="its time is over"))


def drop_undeclared(turn: Turn) -> None:
    """End the claims on what the configuration no longer has, or no longer has so much of."""
    for claim in tuple(turn.ledger.claims.values()):
        why = _undeclared(claim, turn.declared(claim.resource))
        if why:
            turn.record(ClaimEnded(id=claim.id, how="withdrawn", by="configuration", why=why))
    for pool in turn.state.book.spec.pools:
        granted = {held.id for held in taking.ruling(turn, pool).granted}
        for claim in tuple(turn.ledger.claims.values()):
            if claim.resource == pool.resource and claim.id in turn.ledger.docket.granted and claim.id not in granted:
                why = f"{pool.resource} has only {pool.capacity} now"
                turn.record(ClaimEnded(id=claim.id, how="withdrawn", by="configuration", why=why))


def _undeclared(claim: Claim, resource: Declared | None) -> str:
    match resource:
        case Mode() if all(rung.name != claim.want for rung in resource.rungs):
            return f"the configuration has no {claim.want} of {claim.resource} any more"
        case Pool() if claim.amount > resource.capacity:
            return f"{claim.resource} has only {resource.capacity} now"
        case None:
            return f"the configuration has no {claim.want} of {claim.resource} any more".replace("  ", " ")
        case Mode() | Pool() | Value() | Dataset():
            return ""
