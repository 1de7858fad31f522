"""Claims that others than rules place and withdraw: people, and whoever else says ``PlaceClaim``."""

from alluse_hub.actors.coordinator import claiming, conflicts, directives, taking
from alluse_hub.actors.coordinator.arbiter import Outcome, decide, explained
from alluse_hub.actors.coordinator.declared import fits
from alluse_hub.actors.coordinator.leases import is_live
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import COOLING_S
from alluse_hub.protocols.claims import (
    Claim,
    ClaimVerdict,
    ConflictClass,
    Mode,
    PlaceClaim,
    Tier,
    WithdrawClaim,
)
from alluse_hub.protocols.resources import Dataset, Declared, Pool, Value

RULES = "rule:"
"""How the ids of rules' claims begin; nobody else may use such."""


def place(turn: Turn, sender: str, asked: PlaceClaim) -> None:
    claiming.lapse(turn)
    verdict = placed(turn, asked.claim)
    directives.settle(turn)
    turn.answer(sender, verdict)


def placed(turn: Turn, claim: Claim, *, since: float | None = None) -> ClaimVerdict:
    """``since``: hub time from which it ages, in seconds; None for now, 0 for never."""
    wrong = _wrong(turn, claim, turn.declared(claim.resource))
    if wrong:
        return ClaimVerdict(id=claim.id, outcome="refused", why=wrong)
    klass, wrong = _out_of_date(turn, claim)
    if klass is not None:
        parties = (claim.id,)
        conflicts.conflict(
            turn,
            klass,
            claim.resource,
            parties,
            f"{claim.holder} claims {claim.resource} {claim.want}".rstrip() + f", but {wrong}.",
            outcome="claim refused",
            winner="",
            closed=f"Refused: {wrong}. Look again, then claim.",
        )
        return ClaimVerdict(id=claim.id, outcome="refused", why=wrong, klass=klass)
    _undoes(turn, claim)
    old = turn.ledger.claims.get(claim.id)
    since = old.since if old is not None else turn.at if since is None else since
    claiming.place(turn, claim.model_copy(update={"since": since}))
    return verdict_on(turn, claim.id, turn.declared(claim.resource))


def verdict_on(turn: Turn, id_: str, resource: Declared | None) -> ClaimVerdict:
    assert resource is not None, "only what is declared is claimed"
    docket = turn.ledger.docket
    favoured = docket.favoured_on(resource.resource)
    if isinstance(resource, Pool):
        ruling = taking.ruling(turn, resource)
        has, place = id_ in docket.granted, ruling.position(id_)
        outcome = "granted" if has else "queued"
        token = docket.granted.get(id_, 0)
        return ClaimVerdict(id=id_, outcome=outcome, why=explained(ruling), position=place, fence=token)
    found = decide(resource, turn.ledger.claims.values(), turn.now, favoured=favoured)
    fate = found.fate(id_)
    asks = getattr(found, "asks", False)
    outcome = "granted" if fate is not None and fate.outcome is Outcome.HOLDS else "covered"
    fence = fence_of(turn, resource)
    if asks and outcome == "covered":
        outcome = "needs_ruling"
    return ClaimVerdict(id=id_, outcome=outcome, why=explained(found), fence=fence)


def fence_of(turn: Turn, resource: Declared) -> int:
    """What a claim names as its basis: it changes whenever what is in force does."""
    match resource:
        case Mode():
            told = turn.ledger.directives.get(resource.resource)
            return told.issued.fence if told is not None else 0
        case Pool():
            return turn.ledger.docket.tokens
        case Value() | Dataset():
            favoured = turn.ledger.docket.favoured_on(resource.resource)
            found = decide(resource, turn.ledger.claims.values(), turn.now, favoured=favoured)
            holder = getattr(found, "holder", None)
            return holder.placed if holder is not None else 0


def _wrong(turn: Turn, claim: Claim, resource: Declared | None) -> str:
    if resource is None:
        known = sorted(known.resource for known in turn.state.book.spec.resources)
        return f"{claim.resource!r} is no resource; there are {', '.join(known) or 'none'}"
    if wrong := _wrong_want(claim, resource):
        return wrong
    if claim.tier is Tier.RULE or claim.id.startswith(RULES):
        return "rules place their own claims; claim as operator, with an id of your own"
    if claim.overrides or claim.latched:
        return "an override, or a latch, is no claim that anybody can place alone"
    if not is_live(claim.lease, turn.now):
        return "its lease is over already; give a later end"
    old = turn.ledger.claims.get(claim.id)
    if old is not None and old.holder != claim.holder:
        return f"{claim.id} is a claim of {old.holder}; take an id of your own"
    if claim.id in turn.ledger.docket.spent:
        return "others wait for it and it did not yield, so it is not made longer"
    if claim.id not in turn.ledger.claims and len(turn.ledger.claims) >= claiming.CLAIMS_MAX:
        return f"{claiming.CLAIMS_MAX} claims are live; withdraw one first"
    return ""


def _wrong_want(claim: Claim, resource: Declared) -> str:
    match resource:
        case Mode() if all(rung.name != claim.want for rung in resource.rungs):
            rungs = ", ".join(rung.name for rung in resource.rungs)
            return f"{claim.resource} has no rung {claim.want!r}; it has {rungs}"
        case Pool() if claim.amount > resource.capacity:
            return f"{claim.resource} has {resource.capacity} in all, and {claim.amount} are asked for"
        case Value() if not fits(resource.form, claim.want):
            return f"{claim.want!r} is no {resource.form}, as {claim.resource} has to be"
        case Dataset() if not claim.versions and claim.tier is not Tier.OPERATOR:  # a person holds what stands there
            return f"{claim.resource} is claimed in a version; give the number of each writer"
        case Pool() | Value() | Dataset() if claim.safety:
            return f"{claim.resource} has no rungs to be held at for safety; claim it without"
        case _:
            return ""


def _out_of_date(turn: Turn, claim: Claim) -> tuple[ConflictClass | None, str]:
    """Whether it was made up from what is no longer so, or in the name of a coordinator that is no more."""
    epoch = turn.ledger.docket.epoch
    if claim.epoch and claim.epoch < epoch:
        return ConflictClass.AUTHORITY, f"it was made under epoch {claim.epoch}, and this is epoch {epoch}"
    for name, fence in sorted(claim.basis.items()):
        resource = turn.declared(name)
        now = fence_of(turn, resource) if resource is not None else 0
        if now != fence:
            return ConflictClass.STALE_BASIS, f"it was made up when {name} stood at {fence}, which is at {now} by now"
    return None, ""


def _undoes(turn: Turn, claim: Claim) -> None:
    """A hold placed soon after an equal released one: it goes into force, and that the two differ is told."""
    mode = turn.declared(claim.resource)
    by, at = turn.ledger.docket.released.get(claim.resource, ("", 0.0))
    is_hold = isinstance(mode, Mode) and mode.height(claim.want) > 0
    if not is_hold or not by or by == claim.holder or turn.at - at >= COOLING_S or claim.tier is not Tier.OPERATOR:
        return
    conflicts.conflict(
        turn,
        ConflictClass.CONTRADICTION,
        claim.resource,
        (by, claim.id),
        f"{by} released {claim.resource} {turn.at - at:.0f} s ago, and {claim.holder} wants it {claim.want}.",
        outcome="hold stands",
        winner=claim.id,
        closed=f"A hold goes into force at once, and may be released again after {COOLING_S:.0f} s.",
    )


def withdraw(turn: Turn, sender: str, asked: WithdrawClaim) -> None:
    claim = turn.ledger.claims.get(asked.id)
    if claim is None:
        why = f"no claim {asked.id!r} is live"
        turn.answer(sender, ClaimVerdict(id=asked.id, outcome="refused", why=why))
        return
    if claim.latched or (claim.safety and claim.tier is Tier.RULE):
        why = f"{claim.id} is a safety hold of a rule; no single person lifts it, only what it was placed for"
        turn.answer(sender, ClaimVerdict(id=asked.id, outcome="refused", why=why))
        return
    if claim.safety and claim.holder != asked.by:
        why = f"{claim.id} is a safety hold of {claim.holder}; nobody else lifts it alone"
        turn.answer(sender, ClaimVerdict(id=asked.id, outcome="refused", why=why))
        return
    claiming.lapse(turn)
    verdict = withdrawn(turn, claim, asked.by, asked.reason)
    directives.settle(turn)
    turn.answer(sender, verdict)


def withdrawn(turn: Turn, claim: Claim, by: str, reason: str) -> ClaimVerdict:
    """One person's hold is not released by another before it has cooled."""
    ago = turn.at - claim.since
    is_hot = claim.tier is Tier.OPERATOR and claim.since and ago < COOLING_S and claim.holder != by
    if is_hot and not claim.overrides and isinstance(turn.declared(claim.resource), Mode):
        left = COOLING_S - ago
        why = f"{claim.holder} placed it {ago:.0f} s ago; another may release it in {left:.0f} s"
        conflicts.conflict(
            turn,
            ConflictClass.CONTRADICTION,
            claim.resource,
            (claim.id, by),
            f"{by} releases {claim.resource}, which {claim.holder} has held {claim.want} for {ago:.0f} s.",
            outcome="hold stands",
            winner=claim.id,
            closed=f"The hold stands: {why}.",
        )
        return ClaimVerdict(id=claim.id, outcome="refused", why=why, klass=ConflictClass.CONTRADICTION)
    if claim.id in turn.ledger.claims:
        claiming.withdraw(turn, claim.id, by, reason)
    resource = turn.declared(claim.resource)
    assert resource is not None, "claims on what is not declared are ended at the start"
    ruling = taking.ruling(turn, resource) if isinstance(resource, Pool) else None
    favoured = turn.ledger.docket.favoured_on(claim.resource)
    found = ruling or decide(resource, turn.ledger.claims.values(), turn.now, favoured=favoured)
    return ClaimVerdict(id=claim.id, outcome="granted", why=explained(found))
