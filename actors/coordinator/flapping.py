"""Flapping: a rung that turns again and again is latched at the most restrictive one seen, until two people release it.

More than ``FLAPS_MAX`` turns within one session, where rounds turn it, or within ``FLAP_S`` seconds, where people do,
is a loop through the world outside, whatever each turn's reason.  The latch is a safety claim like any other.
"""

from alluse_hub.actors.coordinator import conflicts, negotiating
from alluse_hub.actors.coordinator.arbiter import Ruling
from alluse_hub.actors.coordinator.docket import FLAPS_MAX
from alluse_hub.actors.coordinator.ledger import Phase
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import FlapLatched
from alluse_hub.protocols.claims import Claim, ClaimPlaced, ConflictClass, Lease, Mode, Tier

GUARD = "flap-guard"


def latch_id(resource: str) -> str:
    return f"flap:{resource}"


def moment(turn: Turn) -> float:
    """Hub time for what people do; 0 within a round, which looks at no clock."""
    return 0.0 if turn.ledger.phase is Phase.DECIDING else turn.at


def latched(turn: Turn, ruling: Ruling, rung: str) -> Ruling:
    """The ruling that stands, where the rung was ``rung``: a latched one, if this would be a turn too many."""
    mode = ruling.mode
    docket, at = turn.ledger.docket, moment(turn)
    if ruling.rung == rung or len(docket.turns.get(mode.resource, ())) < FLAPS_MAX:
        return ruling
    turns = docket.turns_of_late(mode.resource, turn.ledger.ordinal, at)
    if len(turns) < FLAPS_MAX:
        return ruling
    known = {rung.name for rung in mode.rungs}
    seen = [name for name in (*(turned.rung for turned in turns), ruling.rung) if name in known]
    worst = max(seen, key=mode.height)
    _latch(turn, mode, worst, len(turns) + 1)
    return turn.ruling(mode)


def _latch(turn: Turn, mode: Mode, worst: str, turns: int) -> None:
    claim = Claim(
        id=latch_id(mode.resource),
        resource=mode.resource,
        want=worst,
        safety=True,
        latched=True,
        exact=True,
        tier=Tier.RULE,
        holder=GUARD,
        lease=Lease(),
        reason=f"it would have turned {turns} times in short",
        placed=turn.ledger.placed + 1,
    )
    turn.record(ClaimPlaced(claim=claim))
    turn.record(FlapLatched(resource=mode.resource, rung=worst, turns=turns))
    id_ = conflicts.open_(
        turn,
        ConflictClass.CYCLE,
        mode.resource,
        (claim.id,),
        f"{mode.resource} would have turned {turns} times in short: it is held {worst} until two people release it.",
    )
    question = f"What turns {mode.resource} again and again? `release {claim.id}` by two people ends the hold."
    negotiating.escalate(turn, id_, mode.resource, question, (claim.id,))
