"""Claims that people place and withdraw, by way of the gateway."""

from alluse_hub.actors.coordinator import claiming, directives
from alluse_hub.actors.coordinator.arbiter import Outcome, explained
from alluse_hub.actors.coordinator.leases import is_live
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import Claim, ClaimVerdict, PlaceClaim, Tier, WithdrawClaim

RULES = "rule:"
"""How the ids of rules' claims begin; nobody else may use such."""


def place(turn: Turn, sender: str, asked: PlaceClaim) -> None:
    claim = asked.claim
    wrong = _wrong(turn, claim)
    if wrong:
        turn.answer(sender, ClaimVerdict(id=claim.id, outcome="refused", why=wrong))
        return
    claiming.lapse(turn)
    claiming.place(turn, claim)
    directives.settle(turn)
    ruling = turn.ruling(turn.state.book.modes[claim.resource])
    fate = ruling.fate(claim.id)
    outcome = "granted" if fate is not None and fate.outcome is Outcome.HOLDS else "covered"
    turn.answer(sender, ClaimVerdict(id=claim.id, outcome=outcome, why=explained(ruling)))


def _wrong(turn: Turn, claim: Claim) -> str:
    modes = turn.state.book.modes
    mode = modes.get(claim.resource)
    if mode is None:
        return f"{claim.resource!r} is no resource; there are {', '.join(sorted(modes)) or 'none'}"
    if all(rung.name != claim.want for rung in mode.rungs):
        return f"{claim.resource} has no rung {claim.want!r}; it has {', '.join(r.name for r in mode.rungs)}"
    if claim.tier is Tier.RULE or claim.id.startswith(RULES):
        return "rules place their own claims; claim as operator, with an id of your own"
    if not is_live(claim.lease, turn.now):
        return "its lease is over already; give a later end"
    if claim.id not in turn.ledger.claims and len(turn.ledger.claims) >= claiming.CLAIMS_MAX:
        return f"{claiming.CLAIMS_MAX} claims are live; withdraw one first"
    return ""


def withdraw(turn: Turn, sender: str, asked: WithdrawClaim) -> None:
    claim = turn.ledger.claims.get(asked.id)
    if claim is None:
        why = f"no claim {asked.id!r} is live"
        turn.answer(sender, ClaimVerdict(id=asked.id, outcome="refused", why=why))
        return
    if claim.safety and claim.tier is Tier.RULE:
        why = f"{claim.id} is a safety hold of a rule; no single person lifts it, only what it was placed for"
        turn.answer(sender, ClaimVerdict(id=asked.id, outcome="refused", why=why))
        return
    claiming.lapse(turn)
    if asked.id in turn.ledger.claims:
        claiming.withdraw(turn, asked.id, asked.by, asked.reason)
    directives.settle(turn)
    ruling = turn.ruling(turn.state.book.modes[claim.resource])
    turn.answer(sender, ClaimVerdict(id=asked.id, outcome="granted", why=explained(ruling)))
