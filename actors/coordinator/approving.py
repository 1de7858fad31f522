"""What people say to proposals, and what happens when their time is over.

An act that was approved is looked at once more before it is done: what the rung in force no longer permits is refused,
and what comes of a rule that has changed since is void.
"""

from alluse_hub.actors.coordinator import directives, gating, lowering, rounds
from alluse_hub.actors.coordinator.approvals import decided, due, next_due
from alluse_hub.actors.coordinator.rules import Match
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.approvals import (
    ApprovalEnded,
    ApprovalUsed,
    AskApprovals,
    DecideApproval,
    LevelSet,
    Proposal,
    SetLevel,
)
from alluse_hub.protocols.arbitration import LoweringAsked, LoweringEnded, OverrideFloor, ReleaseClaim
from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.rules import Tell
from alluse_hub.protocols.ruleset import CoordinationDone
from alluse_hub.protocols.states import replace

DUE = "approvals"
"""The timer."""

Order = AskApprovals | DecideApproval | SetLevel


def take(turn: Turn, sender: str, order: Order) -> None:
    match order:
        case AskApprovals():
            told = CoordinationDone(about=order.about, ok=True, text="", result=_shown(turn))
        case DecideApproval():
            ok, text = _decide(turn, order)
            told = CoordinationDone(about=order.about, ok=ok, text=text)
        case SetLevel():
            ok, text = _set_level(turn, order)
            told = CoordinationDone(about=order.about, ok=ok, text=text)
    turn.answer(sender, told)


def _decide(turn: Turn, order: DecideApproval) -> tuple[bool, str]:
    asked = turn.ledger.docket.lowerings.get(order.id)
    if asked is not None:
        return _lower(turn, order, asked)
    facts = decided(
        turn.ledger.approvals,
        order.id,
        order.by,
        order.reason,
        turn.at,
        approve=order.approve,
        digest=order.digest,
    )
    if isinstance(facts, str):
        return False, facts
    proposal = turn.ledger.approvals.open[order.id]
    for fact in facts:
        turn.commit(fact)
    if order.id in turn.ledger.approvals.passed:
        return True, f"{order.id} is approved by {order.by}: {_carry_out(turn, proposal)}"
    if order.approve:
        left = proposal.needs - len(proposal.given) - 1
        return True, f"{order.id}: {order.by} agrees; {left} more needed"
    return True, f"{order.id} is rejected by {order.by}, and is not done"


def _lower(turn: Turn, order: DecideApproval, asked: LoweringAsked) -> tuple[bool, str]:
    """What is held for safety: the second of two people says yes or no."""
    if not order.approve:
        turn.commit(LoweringEnded(id=asked.id, how="over", by=order.by, reason=order.reason))
        return True, f"{asked.id} is rejected by {order.by}, and is not done"
    said = {"about": order.about, "by": order.by, "reason": order.reason}
    mode, claim = turn.declared(asked.resource), turn.ledger.claims.get(asked.claim)
    if claim is not None:
        text = lowering.release(turn, ReleaseClaim(claim=asked.claim, **said), claim)
    elif isinstance(mode, Mode):
        floor = OverrideFloor(resource=asked.resource, rung=asked.rung, for_s=asked.for_s, **said)
        text = lowering.override(turn, floor, mode)
    else:
        return False, f"{asked.id} is over: {asked.resource} is not declared any more"
    if text.startswith(("refused: ", lowering.ASKED)):
        gating.nothing_ordered(turn)
    directives.settle(turn)
    return not text.startswith("refused: "), text.removeprefix("refused: ")


def _set_level(turn: Turn, order: SetLevel) -> tuple[bool, str]:
    known = turn.state.book.spec.workstreams
    if order.workstream not in known:
        return False, f"{order.workstream!r} is no workstream; there are {', '.join(known)}"
    if gating.level_of(turn, order.workstream) is order.level:
        return True, f"{order.workstream} is {order.level.value} already"
    turn.commit(LevelSet(workstream=order.workstream, level=order.level, by=order.by, reason=order.reason))
    directives.settle(turn)
    waiting = sum(proposal.act.workstream == order.workstream for proposal in turn.ledger.approvals.open.values())
    still = f"; {waiting} acts still wait as they were asked" if waiting else ""
    return True, f"{order.workstream} is {order.level.value} from now on{still}"


# --- in time ----------------------------------------------------------------------------------------------------------


def meet(turn: Turn) -> None:
    """The timer woke."""
    turn.state = replace(turn.state, approval_at=None)
    for fact in tuple(due(turn.ledger.approvals, turn.at)):
        proposal = turn.ledger.approvals.open.get(fact.id)
        if proposal is None:
            continue  # what was done for one before it has made it void
        turn.record(fact)
        if fact.id in turn.ledger.approvals.passed:
            _carry_out(turn, proposal)
    directives.settle(turn)  # what expired is asked again


def take_up(turn: Turn) -> None:
    """At a start: what all have agreed to, and what was approved and is not under way."""
    for id_, proposal in tuple(turn.ledger.approvals.open.items()):
        if len(proposal.given) >= proposal.needs:
            by = ", ".join(given.by for given in proposal.given)
            turn.record(ApprovalEnded(id=id_, outcome="approved", by=by, why=proposal.given[-1].reason))
    for id_, proposal in tuple(turn.ledger.approvals.passed.items()):
        if proposal.act.content.get("key") in turn.ledger.commands:
            turn.record(ApprovalUsed(id=id_))
        elif proposal.act.kind == "command":
            _carry_out(turn, proposal)
    directives.settle(turn)


def settle(turn: Turn) -> None:
    """At the end of a letter: what the rules no longer have is void, and the timer is armed."""
    ends = (at for at in (next_due(turn.ledger.approvals), lowering.next_due(turn)) if at is not None)
    first = min(ends, default=None)
    if first == turn.state.approval_at:
        return
    turn.state = replace(turn.state, approval_at=first)
    if first is None:
        turn.cancel(DUE)
    else:
        turn.wake(DUE, max(0.0, first - turn.at))


def void_of_changed_rules(turn: Turn) -> None:
    """Commands of rules that do not say so any more wait for nobody."""
    for id_, proposal in tuple(turn.ledger.approvals.open.items()):
        if proposal.act.kind == "command" and _rule_of(turn, proposal) is None:
            turn.record(ApprovalEnded(id=id_, outcome="void", why="the rule has changed since"))


# --- doing it ---------------------------------------------------------------------------------------------------------


def _carry_out(turn: Turn, proposal: Proposal) -> str:
    """What comes of it, in a sentence."""
    if proposal.act.kind == "directive":
        directives.settle(turn)  # finds it approved, unless it is another by now
        return "it is directed" if proposal.id not in turn.ledger.approvals.passed else "it has changed since"
    told = _rule_of(turn, proposal)
    if told is None:
        turn.record(ApprovalUsed(id=proposal.id, why="the rule has changed since"))
        return "the rule has changed since, so it is not done"
    match, tell = told
    key = str(proposal.act.content["key"])
    rounds.tell_now(turn, match, tell, key)
    turn.record(ApprovalUsed(id=proposal.id))
    return "it is told" if key in turn.ledger.commands else f"it was refused; `rules show {match.rule.id}` tells why"


def _rule_of(turn: Turn, proposal: Proposal) -> tuple[Match, Tell] | None:
    """None if the rule is gone, or does not tell that any more."""
    content = proposal.act.content
    tell = Tell.model_validate(content["tell"])
    rule = turn.ledger.ruleset.rules.get(str(content["rule"]))
    if rule is None or tell not in rule.tell:
        return None
    event = Event.model_validate(content["event"])
    return Match(rule, event, fires=True, why=str(content["why"])), tell


# --- as it is shown ---------------------------------------------------------------------------------------------------


def _shown(turn: Turn) -> Json:
    approvals = turn.ledger.approvals
    levels = {workstream: gating.level_of(turn, workstream).value for workstream in turn.state.book.spec.workstreams}
    return {
        "now": turn.at,
        "levels": dict(levels),
        "open": [
            *(proposal.model_dump(mode="json") for proposal in approvals.open.values()),
            *(_lowering(asked) for asked in turn.ledger.docket.lowerings.values()),
        ],
        "questions": [asked.model_dump(mode="json") for asked in turn.ledger.docket.escalated.values()],
        "ended": [
            {**ended.proposal.model_dump(mode="json"), "outcome": ended.outcome, "ended_by": ended.by, "why": ended.why}
            for ended in approvals.ended
        ],
    }


def _lowering(asked: LoweringAsked) -> Json:
    """In the form of a proposal."""
    what = f"release {asked.claim}" if asked.claim else f"let {asked.resource} down to {asked.rung}, {asked.for_s:g} s"
    act: Json = {"kind": "lowering", "about": asked.resource, "sense": "loosens", "text": f"{what}: {asked.reason}"}
    return {"id": asked.id, "act": act, "by": asked.by, "needs": 1, "given": [], "expires": asked.until, "digest": ""}
