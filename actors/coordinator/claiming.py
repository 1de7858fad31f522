"""Placing, clearing and ending claims, and the conflicts that show in doing so.

A conflict is recorded where two holders cannot both have what they want: holds of different length on one rung, a
release against somebody else's hold, wants for different rungs.  Equal wants are shared and no conflict, and a holder
has none with itself.  All are resolved on the spot by the arbiter's order, so each closes in the turn that opened it.
"""

from alluse_hub.actors.coordinator.arbiter import Outcome, Ruling, in_force, lapsed, named
from alluse_hub.actors.coordinator.conflicts import conflict
from alluse_hub.actors.coordinator.leases import as_text, end, extended, is_live, is_served
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import (
    Claim,
    ClaimCleared,
    ClaimEnded,
    ClaimExtended,
    ClaimPlaced,
    ConflictClass,
)

CLAIMS_MAX = 250
"""Live claims: the arbiter looks at each in every decision.  Beyond, the new subjects of a rule share one claim."""


def claim_id(rule: str, resource: str, subject: str) -> str:
    return f"rule:{rule}@{resource}:{subject}" if subject else f"rule:{rule}@{resource}"


def place(turn: Turn, claim: Claim) -> Claim:
    """The claim as it lives now.  Placed again in the same shape, its lease may grow; in another, it is replaced."""
    old = turn.ledger.claims.get(claim.id)
    before = _ruling(turn, claim) if _is_contested(turn, claim) else None
    rivals = _longest_by_side(turn, claim)
    if old is not None and _shape(old) == _shape(claim):
        lease = extended(old.lease, claim.lease)
        if lease == old.lease:
            return old
        turn.record(ClaimExtended(id=claim.id, lease=lease, cause=claim.cause, reason=claim.reason))
    else:
        if old is not None:
            turn.record(ClaimEnded(id=old.id, how="replaced", by=claim.holder, why=claim.reason))
        turn.record(ClaimPlaced(claim=claim.model_copy(update={"placed": turn.ledger.placed + 1})))
    live = turn.ledger.claims[claim.id]
    _overlap(turn, live, rivals)
    if before is not None:
        _clash(turn, live, before, is_new=old is None or _shape(old) != _shape(claim))
    return live


def _shape(claim: Claim) -> tuple[object, ...]:
    return (claim.resource, claim.want, claim.safety, claim.tier, claim.priority, claim.holder, claim.lease.clock)


def clear(turn: Turn, id_: str, by: str, why: str) -> None:
    """What the claim was placed for is over.  If its least time is not, it lives on to the end of that."""
    claim = turn.ledger.claims.get(id_)
    if claim is None:
        return
    if claim.lease.until_cleared and not is_served(claim.lease, turn.now):
        turn.record(ClaimCleared(id=id_, by=by, why=why))
    else:
        turn.record(ClaimEnded(id=id_, how="cleared", by=by, why=why))
    _release_meets_hold(turn, claim, by)


def withdraw(turn: Turn, id_: str, by: str, why: str) -> None:
    turn.record(ClaimEnded(id=id_, how="withdrawn", by=by, why=why))


def lapse(turn: Turn) -> None:
    """End the claims whose lease is over."""
    for claim in lapsed(tuple(turn.ledger.claims.values()), turn.now):
        turn.record(ClaimEnded(id=claim.id, how="lapsed", by=claim.holder, why="its time is over"))


def drop_undeclared(turn: Turn) -> None:
    """End the claims on what the configuration no longer has."""
    for claim in tuple(turn.ledger.claims.values()):
        mode = turn.state.book.modes.get(claim.resource)
        if mode is None or all(rung.name != claim.want for rung in mode.rungs):
            why = f"the configuration has no {claim.want} of {claim.resource} any more"
            turn.record(ClaimEnded(id=claim.id, how="withdrawn", by="configuration", why=why))


# --- what meets in placing and ending --------------------------------------------------------------------------


def _ruling(turn: Turn, claim: Claim) -> Ruling:
    return in_force(turn.state.book.modes[claim.resource], turn.ledger.claims.values(), turn.now)


def _is_contested(turn: Turn, claim: Claim) -> bool:
    """Whether wants for different rungs can collide: safety claims alone never do."""
    others = (other for other in turn.ledger.claims.values() if other.resource == claim.resource)
    return not claim.safety or any(not other.safety for other in others)


def _longest_by_side(turn: Turn, claim: Claim) -> tuple[Claim | None, Claim | None]:
    """Of the live claims for the same rung: the longest of this holder, and the longest of all others."""
    same = [
        other
        for other in turn.ledger.claims.values()
        if other.resource == claim.resource and other.want == claim.want and is_live(other.lease, turn.now)
    ]
    own = [other for other in same if other.holder == claim.holder]
    others = [other for other in same if other.holder != claim.holder]

    def length(other: Claim) -> tuple[int, float]:
        return end(other.lease)

    return max(own, key=length, default=None), max(others, key=length, default=None)


def _overlap(turn: Turn, claim: Claim, before: tuple[Claim | None, Claim | None]) -> None:
    """Two holders, one rung, different ends: when the second comes, or overtakes the first."""
    own, other = before
    mode = turn.state.book.modes[claim.resource]
    if other is None or mode.height(claim.want) == 0:
        return
    theirs, mine = end(other.lease), end(claim.lease)
    if mine == theirs if own is None else not end(own.lease) <= theirs < mine:
        return
    winner = claim if mine > theirs else other
    conflict(
        turn,
        ConflictClass.CLASH,
        claim.resource,
        (other.id, claim.id),
        f"Two holds on {claim.resource} end at different times: {named(other)} wants it {claim.want} "
        f"{as_text(other.lease, turn.now)}, {named(claim)} {as_text(claim.lease, turn.now)}.",
        outcome="longer wins",
        winner=winner.id,
        closed=f"The longer wins: {claim.resource} stays {claim.want} {as_text(winner.lease, turn.now)}, "
        f"as {named(winner)} wants; the other hold ends by itself and changes nothing.",
    )


def _clash(turn: Turn, claim: Claim, before: Ruling, *, is_new: bool) -> None:
    """Wants for different rungs: this claim loses, or others lose by it."""
    after = _ruling(turn, claim)
    fate = after.fate(claim.id)
    holder = after.holder
    assert fate is not None, "a claim just placed is live"
    assert holder is not None, "where a claim is live, one holds"
    if fate.outcome is Outcome.LOSES and is_new:
        conflict(
            turn,
            ConflictClass.CLASH,
            claim.resource,
            (holder.id, claim.id),
            f"{named(claim)} wants {claim.resource} {claim.want}, but {named(holder)} holds it {after.rung}.",
            outcome="claim waits",
            winner=holder.id,
            closed=f"{claim.resource} stays {after.rung} {as_text(holder.lease, turn.now)}: {fate.why}. "
            f"The claim of {named(claim)} stands and is weighed again when that ends.",
        )
    for loser in after.fates:
        earlier = before.fate(loser.claim.id)
        newly = earlier is not None and earlier.outcome is not Outcome.LOSES and loser.outcome is Outcome.LOSES
        if newly and loser.claim.id != claim.id and loser.claim.holder != claim.holder:
            conflict(
                turn,
                ConflictClass.CLASH,
                claim.resource,
                (loser.claim.id, claim.id),
                f"{named(claim)} wants {claim.resource} {claim.want}, {named(loser.claim)} wants it "
                f"{loser.claim.want}.",
                outcome="claim prevails",
                winner=claim.id,
                closed=f"{claim.resource} is {after.rung} {as_text(claim.lease, turn.now)}: {loser.why}.",
            )


def _release_meets_hold(turn: Turn, claim: Claim, by: str) -> None:
    after = _ruling(turn, claim)
    others = [f.claim for f in after.fates if f.outcome is Outcome.HOLDS and f.claim.holder != claim.holder]
    if not others or after.mode.height(after.rung) == 0:
        return
    other = max(others, key=lambda candidate: end(candidate.lease))
    conflict(
        turn,
        ConflictClass.CLASH,
        claim.resource,
        (claim.id, other.id),
        f"{by} releases {claim.resource} from {named(claim)}, but {named(other)} holds it {after.rung} as well.",
        outcome="hold stands",
        winner=other.id,
        closed=f"A release undoes only the holds of the rule and subject it names: {claim.resource} stays "
        f"{after.rung} {as_text(other.lease, turn.now)}, as {named(other)} wants.",
    )
