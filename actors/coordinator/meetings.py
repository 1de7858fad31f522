"""What meets in placing and ending claims: the conflicts that show where two cannot both have what they want.

Holds of different length on one rung, a release against somebody else's hold, wants for different rungs or values,
versions that have diverged, more taken of a pool than there is.  Equal wants are shared and no conflict, and a holder
has none with itself.  Most are resolved on the spot by the arbiter's order; where the resource's policy is to ask, the
conflict stays open until there is an answer.
"""

from alluse_hub.actors.coordinator import negotiating, taking
from alluse_hub.actors.coordinator.arbiter import Outcome, Ruling, decide, explained, named
from alluse_hub.actors.coordinator.changes import to_win
from alluse_hub.actors.coordinator.conflicts import conflict, open_
from alluse_hub.actors.coordinator.leases import as_text, end, is_live
from alluse_hub.actors.coordinator.order import reaches
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.actors.coordinator.values import DatasetRuling, ValueRuling
from alluse_hub.protocols.arbitration import COOLING_S
from alluse_hub.protocols.claims import Claim, ConflictClass, Mode, Policy, Tier
from alluse_hub.protocols.resources import Dataset, Declared, Pool, Value

Said = Ruling | ValueRuling

NAMED_MAX = 8
"""Holders of one resource that a conflict names, and that people may choose from; the first of them in its order."""


def reached(turn: Turn, claim: Claim) -> tuple[Mode | Value, ...]:
    """The modes and values that the claim is about: its own, and those below it."""
    known: tuple[Mode | Value, ...] = (*turn.state.book.spec.modes, *turn.state.book.spec.values)
    return tuple(one for one in known if reaches(claim, one.resource))


def said(turn: Turn, resource: Mode | Value) -> Said:
    docket = turn.ledger.docket
    found = decide(resource, turn.ledger.claims.values(), turn.now, favoured=docket.favoured_on(resource.resource))
    assert isinstance(found, Ruling | ValueRuling), "a mode or value is ruled on as such"
    return found


def is_contested(turn: Turn, claim: Claim) -> bool:
    """Whether wants for different rungs can collide: safety claims alone never do."""
    return not claim.safety or any(not other.safety for other in turn.ledger.claims.values())


def clash(turn: Turn, claim: Claim, before: Said, told: set[tuple[str, str]], *, is_new: bool) -> None:
    """Wants for different rungs or values: this claim loses, or others lose by it.  ``told``: who met already."""
    resource = before.mode if isinstance(before, Ruling) else before.value
    after = said(turn, resource)
    fate, holder = after.fate(claim.id), after.holder
    assert fate is not None, "a claim just placed is live"
    assert holder is not None, "where a claim is live, one holds"
    now, name = _now(after), resource.resource
    if after.asks and is_new and any(claim.want != other.want for other in _others(after)):
        _ask(turn, after, name, now)
        return
    if fate.outcome is Outcome.LOSES and is_new and (holder.id, claim.id) not in told:
        told.add((holder.id, claim.id))
        cools = _cools(turn, claim, holder)
        conflict(
            turn,
            ConflictClass.CONTRADICTION if cools else ConflictClass.CLASH,
            name,
            (holder.id, claim.id),
            f"{named(claim)} wants {name} {claim.want}, but {named(holder)} holds it {now}{cools}.",
            outcome="claim waits",
            winner=holder.id,
            closed=f"{name} stays {now} {as_text(holder.lease, turn.now)}: {fate.why}. "
            f"The claim of {named(claim)} stands and is weighed again when that ends."
            f"{would_win(turn, claim.id, resource)}",
        )
    for loser in after.fates:
        earlier = before.fate(loser.claim.id)
        newly = earlier is not None and earlier.outcome is not Outcome.LOSES and loser.outcome is Outcome.LOSES
        pair = (claim.id, loser.claim.id)
        if newly and loser.claim.id != claim.id and loser.claim.holder != claim.holder and pair not in told:
            told.add(pair)
            conflict(
                turn,
                ConflictClass.CLASH,
                name,
                (loser.claim.id, claim.id),
                f"{named(claim)} wants {name} {claim.want}, {named(loser.claim)} wants it {loser.claim.want}.",
                outcome="claim prevails",
                winner=claim.id,
                closed=f"{name} is {now} {as_text(claim.lease, turn.now)}: {loser.why}.",
            )


def would_win(turn: Turn, id_: str, resource: Declared) -> str:
    """What would have to be otherwise for the claim to win, as one more sentence."""
    docket, claims = turn.ledger.docket, tuple(turn.ledger.claims.values())
    change = to_win(resource, claims, turn.now, id_, docket.granted.keys(), docket.favoured_on(resource.resource))
    return f" It would have it {change.text}." if change is not None else ""


def _now(ruling: Said) -> str:
    return ruling.rung if isinstance(ruling, Ruling) else ruling.said


def _others(ruling: Said) -> list[Claim]:
    return [fate.claim for fate in ruling.fates if not fate.claim.safety]


def _cools(turn: Turn, claim: Claim, holder: Claim) -> str:
    """How long ago an equal placed what this person would lift; empty if that is no matter of seconds."""
    equals = claim.tier is holder.tier is Tier.OPERATOR and claim.holder != holder.holder and not holder.safety
    ago = turn.at - holder.since
    return f", for {ago:.0f} s only" if equals and holder.since and ago < COOLING_S else ""


def _ask(turn: Turn, after: Said, name: str, now: str) -> None:
    """The policy is to ask: the conflict stays open, and what is in force meanwhile is the safe side."""
    if negotiating.is_under_way(turn, name):
        return
    wants = ", ".join(f"{named(other)} wants it {other.want}" for other in _others(after)[:NAMED_MAX])
    policy = after.mode.policy if isinstance(after, Ruling) else after.value.policy
    id_ = open_(
        turn,
        ConflictClass.CLASH,
        name,
        tuple(other.id for other in _others(after)),
        f"Who is to have {name} is to be decided: {wants}; until then it is {now}.",
    )
    holder = after.holder
    assert holder is not None, "there are claims, so one holds"
    first = next(fate.claim for fate in after.fates if not fate.claim.safety and fate.claim.want != holder.want)
    if policy is Policy.NEGOTIATE and holder.at and not holder.safety:
        negotiating.ask(turn, id_, name, holder, first, must=False)
    else:
        choices = tuple(other.id for other in _others(after))
        negotiating.escalate(turn, id_, name, f"Which claim is to have {name}? {explained(after)}", choices)


def overlap(turn: Turn, claim: Claim, before: tuple[Claim | None, Claim | None]) -> None:
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


def longest_by_side(turn: Turn, claim: Claim) -> tuple[Claim | None, Claim | None]:
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


def release_meets_hold(turn: Turn, claim: Claim, by: str) -> None:
    mode = turn.state.book.modes.get(claim.resource)
    if mode is None:
        return
    after = turn.ruling(mode)
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


def diverge(turn: Turn, claim: Claim, dataset: Dataset) -> None:
    """A version that has not seen another one, nor that it."""
    now = decide(
        dataset,
        turn.ledger.claims.values(),
        turn.now,
        favoured=turn.ledger.docket.favoured_on(dataset.resource),
    )
    assert isinstance(now, DatasetRuling), "a data set is ruled on as one"
    others = [one if one != claim.id else other for one, other in now.diverged if claim.id in {one, other}]
    if not others or now.holder is None:
        return
    by = named(turn.ledger.claims[others[0]])
    sentence = f"{named(claim)} and {by} have versions of {dataset.resource} of which neither has seen the other."
    id_ = open_(turn, ConflictClass.DIVERGENCE, dataset.resource, (*others, claim.id), sentence)
    if dataset.policy is Policy.HUMAN:
        question = f"Which version of {dataset.resource} is to stand? {explained(now)}"
        negotiating.escalate(turn, id_, dataset.resource, question, (*others, claim.id))
    else:
        negotiating.close(turn, id_, outcome="version stands", winner=now.holder.id, sentence=explained(now))


def over_commit(turn: Turn, claim: Claim, pool: Pool) -> None:
    """A claim that has to wait for what it takes."""
    now = taking.ruling(turn, pool)
    fate = now.fate(claim.id)
    assert fate is not None, "a claim just placed is live"
    holders = tuple(held.id for held in now.granted)
    id_ = open_(
        turn,
        ConflictClass.OVER_COMMIT,
        pool.resource,
        (*holders[:NAMED_MAX], claim.id),
        f"{named(claim)} takes {claim.amount} of {pool.resource}, which has {now.free} of {pool.capacity} free.",
    )
    standing = [held for held in now.granted if held.id in turn.ledger.claims]
    asks = [one for one in now.yields if one.to.id == claim.id and one.holder.id in turn.ledger.claims]
    if asks and not negotiating.is_under_way(turn, pool.resource):
        negotiating.ask(turn, id_, pool.resource, asks[0].holder, claim, must=asks[0].must)
    elif pool.policy is Policy.HUMAN and standing and not negotiating.is_under_way(turn, pool.resource):
        choices = (*(held.id for held in standing[:NAMED_MAX]), claim.id)
        question = f"Who is to have {pool.resource}? {explained(now)}"
        negotiating.escalate(turn, id_, pool.resource, question, choices)
    else:
        place = now.position(claim.id)
        negotiating.close(
            turn,
            id_,
            outcome="claim waits",
            winner=holders[0] if holders else "",
            sentence=f"It waits in place {place} of the queue: {fate.why}. {explained(now)}"
            f"{would_win(turn, claim.id, pool)}",
        )
