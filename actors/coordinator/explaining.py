"""Why a rule did not fire on an event: what the state of then, the rule as it was then, and the event itself say.

The same conditions, windows and times as when it was decided; so the answer is the decision's own.  Pure.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.rules import Compiled
from alluse_hub.actors.coordinator.sight import Sight
from alluse_hub.actors.coordinator.state import Coordinator
from alluse_hub.protocols.approvals import ApprovalAsked
from alluse_hub.protocols.fields import as_known
from alluse_hub.protocols.flow import Consider, Event
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import Rule, RuleActionRefused, RuleCurbed, RuleFired, RuleStopped, RuleUndecided
from alluse_hub.protocols.windows import RuleTimed


class Reason(NamedTuple):
    """``answer``: one word for programs.  ``why``: for people."""

    answer: str
    why: str


def standing_reason(state: Coordinator, rule: str) -> Reason | None:
    """What keeps it from firing on anything."""
    ruleset = state.ledger.ruleset
    known = ruleset.rules.get(rule)
    if not ruleset.auto:
        return Reason("auto off", "automatic coordination was off")
    if known is None:
        gone = next((c for c in reversed(ruleset.changes) if rule in c.removed), None)
        told = f"; {gone.by} had removed it: {gone.reason or 'no reason given'}" if gone else ""
        return Reason("not there", f"{rule} was not in the set, at revision {ruleset.revision}{told}")
    if not known.enabled:
        off = next((c for c in reversed(ruleset.changes) if rule in c.put), None)
        told = f", by {off.by}: {off.reason or 'no reason given'}" if off is not None else ""
        return Reason("disabled", f"{rule} was disabled{told}")
    return None


def reason(state: Coordinator, shown: Consider, event_id: str, rule: str, at: float, facts: Sequence[Fact]) -> Reason:
    """``state``: before that round was decided; ``facts``: that came of it.  ``at``: hub time of the deciding."""
    for fact in facts:
        match fact:
            case RuleFired(event=event, why=why) if (fact.rule, event) == (rule, event_id):
                return Reason("fired", f"it did fire: {why}{''.join(_held_back(rule, event, facts))}")
            case RuleStopped(event=event, why=why) if (fact.rule, event) == (rule, event_id):
                return Reason("stopped", f"it was stopped: {why}")
            case RuleUndecided(event=event, why=why) if (fact.rule, event) == (rule, event_id):
                return Reason("unknown", f"neither true nor false: {why}")
    found = standing_reason(state, rule)
    if found is not None:
        return found
    if any(isinstance(fact, RuleCurbed) and fact.rule == rule for fact in facts):
        asked = _asked_again(state, shown, event_id, state.ledger.ruleset.rules[rule], at)
        why = "more events of that round met it than it may act on; for the last of them it held, and told nobody"
        return Reason("curbed", why) if asked.answer == "pending" else asked
    return _asked_again(state, shown, event_id, state.ledger.ruleset.rules[rule], at)


def _held_back(rule: str, event: str, facts: Sequence[Fact]) -> Iterator[str]:
    """What it told, and was not done at once."""
    for fact in facts:
        match fact:
            case RuleActionRefused() if (fact.rule, fact.event) == (rule, event):
                yield f"; {fact.command} was refused: {fact.why}"
            case ApprovalAsked(proposal=proposal) if proposal.act.content.get("rule") == rule:
                if proposal.act.text.endswith(f" in {event}"):
                    yield f"; what it told {proposal.act.workstream} waited for people, as {proposal.id}"
            case _:
                pass


def _asked_again(state: Coordinator, shown: Consider, event_id: str, rule: Rule, at: float) -> Reason:
    ledger = state.ledger
    is_next = bool(shown.session) and shown.session != ledger.session
    now = Now(at, ledger.ordinal + is_next, shown.session or ledger.session)
    sight = Sight(state.book, ledger.timing, now)
    sight.due()
    for event in as_known(shown.events, state.book.spec.fields):
        sight.hear(event)
        if event.id == event_id:
            return _of(state, sight, rule, event)
        sight.matches(event)
    return Reason("not shown", f"{event_id} was not in that round")


def _of(state: Coordinator, sight: Sight, rule: Rule, event: Event) -> Reason:
    compiled = next(
        (one for one in state.book.rules.get((event.ws, event.event), ()) if one.rule.id == rule.id),
        None,
    )
    if compiled is None:
        return Reason("other event", f"{rule.id} listened to {rule.workstream}.{rule.event}, not to this")
    asked = sight.asked(compiled, event)
    if asked.value is None:
        return Reason("unknown", f"neither true nor false: {asked.why}")
    if not asked.value:
        others = ", or ".join(str(found) for found in sight.turned_by(compiled, event))
        told = f"; with {others} it would have been true" if others else ""
        return Reason("false", f"its condition was false: {asked.why}{told}")
    return _timed(compiled, sight.stands(compiled, event), asked.why)


def _timed(compiled: Compiled, standing: RuleTimed | None, why: str) -> Reason:
    timed = compiled.timed
    if timed is None or standing is None:
        word = f" for {timed.true_for}" if timed is not None and timed.true_for is not None else ""
        return Reason("pending", f"its condition had just become true, and has to stay so{word}: {why}")
    if standing.rests_until is not None:
        return Reason("resting", f"it had fired before and rests for {timed.cooldown}: {why}")
    if standing.phase == "pending":
        return Reason("pending", f"its condition was true, but not yet without a break for {timed.true_for}: {why}")
    return Reason("firing", f"it had fired already and its condition was not over since: {why}")
