"""What people ask of resources and conflicts, each answered in a sentence.

They claim and release; they decide what the order leaves open; and two of them together lower what is held for safety.
What restricts goes out at once; what loosens, and each answer behind it, waits for the disk.
"""

from alluse_hub.actors.coordinator import claiming, directives, gating, lowering, negotiating, operators
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import ClaimResource, DecideConflict, OverrideFloor, ReleaseClaim
from alluse_hub.protocols.claims import Claim, Lease, Mode, Tier
from alluse_hub.protocols.ruleset import CoordinationDone

PASSED_S = 5.0
"""So long what a person takes of a pool may be passed by what fits before it."""

Order = ClaimResource | ReleaseClaim | OverrideFloor | DecideConflict


def take(turn: Turn, sender: str, order: Order) -> None:
    claiming.lapse(turn)
    match order:
        case ClaimResource():
            text = _claim(turn, order)
        case ReleaseClaim():
            text = _release(turn, order)
        case OverrideFloor():
            text = _override(turn, order)
        case DecideConflict():
            text = negotiating.decide(turn, order.conflict, order.choice, order.by, order.reason)
    refused = text.startswith("refused: ")
    if refused or text.startswith(lowering.ASKED):
        gating.nothing_ordered(turn)
    directives.settle(turn)
    text = text.removeprefix("refused: ") + gating.waits_for(turn, order.by)
    turn.answer(sender, CoordinationDone(about=order.about, ok=not refused, text=text))


def claim_id(by: str, resource: str) -> str:
    return f"operator:{by}@{resource}"


def _claim(turn: Turn, order: ClaimResource) -> str:
    claim = Claim(
        id=claim_id(order.by, order.resource),
        resource=order.resource,
        want=order.want,
        amount=order.amount,
        safety=order.safety,
        tier=Tier.OPERATOR,
        lease=Lease(until=turn.at + order.for_s if order.for_s else None),
        max_wait_s=PASSED_S,
        holder=order.by,
        reason=order.reason,
    )
    verdict = operators.placed(turn, claim)
    return f"{verdict.outcome}: {verdict.why}"


def _release(turn: Turn, order: ReleaseClaim) -> str:
    id_ = order.claim if order.claim in turn.ledger.claims else claim_id(order.by, order.claim)
    claim = turn.ledger.claims.get(id_)
    if claim is None:
        return f"refused: no claim {order.claim!r} is live; `resources` lists those that are"
    if lowering.needs_two(claim, order.by):
        return lowering.release(turn, order, claim)
    verdict = operators.withdrawn(turn, claim, order.by, order.reason)
    return f"{'refused' if verdict.outcome == 'refused' else 'released'}: {verdict.why}"


def _override(turn: Turn, order: OverrideFloor) -> str:
    mode = turn.declared(order.resource)
    if not isinstance(mode, Mode):
        known = ", ".join(sorted(turn.state.book.modes)) or "none"
        return f"refused: {order.resource!r} is no mode; there are {known}"
    return lowering.override(turn, order, mode)
