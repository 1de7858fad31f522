"""A rule run by hand: all that it does when it fires, without asking its condition, and marked with who ran it.

A person's word stands for the condition and for the switches: a rule that is disabled can be run so, and so can any
while automatic coordination is off.  It stands for nothing else: what the rung in force does not permit is refused.
"""

from alluse_hub.actors.coordinator import directives, rounds
from alluse_hub.actors.coordinator.rules import Match
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.rules import Rule, RuleFired
from alluse_hub.protocols.ruleset import RunRule

HAND = "hand"
"""Stands for the workstream in the id of what was no event: ``hand#3`` is the third run by hand."""


def run(turn: Turn, rule: Rule, order: RunRule) -> str:
    """What it led to, in a sentence."""
    number = turn.ledger.by_hand + 1
    turn.moment = f"{HAND}{number}"
    event = _event(rule, order, number, turn.ledger.session)
    why = f"run by hand by {order.by}" + (f": {order.reason}" if order.reason else "")
    match = Match(rule, event, fires=True, why=why)
    version = turn.ledger.ruleset.versions.get(rule.id, 0)
    fired = RuleFired(
        rule=rule.id, event=event.id, round=turn.ledger.round, why=why, manual_by=order.by, version=version
    )
    turn.record(fired)
    for hold in rule.hold:
        rounds.hold_for(turn, match, hold, is_curbed=False)
    rounds.release_for(turn, match, is_curbed=False)
    directives.settle(turn)
    mark = f"{turn.moment}-"
    rounds.tell_for(turn, [match], mark)
    told = sum(f"/{rule.id}/{mark}" in key for key in turn.ledger.commands)
    parts = [f"{len(rule.hold)} held", f"{len(rule.release)} released", f"{told} of {len(rule.tell)} told"]
    return f"{rule.id} was run on {event.id}: {', '.join(parts)}; `rules show {rule.id}` tells what came of it"


def _event(rule: Rule, order: RunRule, number: int, session: str) -> Event:
    ws, _, n = order.event.rpartition("#")
    if ws and n.isdecimal() and int(n):
        return Event(ws=ws, n=int(n), event=rule.event, session=session, payload=order.payload)
    return Event(ws=HAND, n=number, event=rule.event, session=session, payload=order.payload)
