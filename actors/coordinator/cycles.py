"""Cycles: what a rule does must not come round to it again.

Every command and directive is known to be led to by a chain of rules, one by the other, and by an event from outside: a
program names the command that caused an event, so an event's chain is that of its cause.  A rule is stopped if

* it stands in the chain already, or would make it longer than ``DEPTH_MAX``;
* it has fired ``LED_MAX`` times on what comes of one event from outside, whichever way;
* the cause is one of ours that is forgotten, so that nobody can say how far it has gone.

Of all that a stopped rule does only its holds for safety are placed, since holding is safe.  On the event from outside
itself each rule fires once.  So one event from outside leads to no more firings than there are rules, times
``DEPTH_MAX``, whatever the rules are and however many chains there are at a time.  What comes of several events at
once, as a directive may, counts for the first of them.

A deadline and a person's order begin a count of their own, and keep the chain as far as it is known.  What comes round
through the world outside, without a cause that is named, is curbed by other means: a rung that flaps is latched
(``flapping``), and each rule acts on so many events of a round and no more (``rounds``).
"""

from collections.abc import Iterable
from typing import NamedTuple

from alluse_hub.actors.coordinator import conflicts
from alluse_hub.actors.coordinator.rules import Match
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import ConflictClass
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.rules import Rule, RuleLed, RuleStopped

DEPTH_MAX = 16

LED_MAX = DEPTH_MAX - 1
"""Firings of one rule on what comes of one event from outside; on the event itself it fires once."""

COMMAND = "c"
"""How the keys ``c/7/rule/1`` of commands and ``c/7/directive/ws4/trading/12`` of directives begin."""

FORGOTTEN = "?"
"""Stands in a chain for rules that nobody knows any more."""


class Origin(NamedTuple):
    """Of an event: the rules that led to it, the first one first, and the event from outside behind them.  No rules: it
    is one itself."""

    rules: tuple[str, ...]
    root: str


class Stop(NamedTuple):
    rules: tuple[str, ...]
    why: str


def origin(turn: Turn, event: Event) -> Origin:
    at = f"{event.id}@{turn.moment}" if turn.moment else event.id
    head, _, rest = event.cause.partition("/")
    if head != COMMAND or not rest.partition("/")[2]:
        return Origin((), at)
    led = turn.ledger.chains.led.get(event.cause)
    if led is None:
        return Origin((), at) if turn.moment else Origin((FORGOTTEN,), at)
    return Origin(led.rules, led.root if led.root and not turn.moment else at)


def stops(turn: Turn, match: Match) -> Stop | None:
    """Why the rule may not fire on the event; None if it may."""
    rules, root = origin(turn, match.event)
    id_ = match.rule.id
    if FORGOTTEN in rules:
        return Stop(rules, f"what led to {match.event.cause} is too long ago to be known")
    if id_ in rules or len(rules) >= DEPTH_MAX:
        return Stop(rules, f"it came round: {' -> '.join((*rules, id_))}")
    if rules and turn.ledger.chains.fired(root, id_) >= LED_MAX:
        return Stop(rules, f"it has fired {LED_MAX} times on what comes of {root}")
    return None


def count(turn: Turn, match: Match) -> None:
    """The rule has fired."""
    rules, root = origin(turn, match.event)
    if rules:
        turn.record(RuleLed(rule=match.rule.id, event=match.event.id, root=root))


def lead(turn: Turn, match: Match, resource: str) -> None:
    """The rule claims or releases the resource."""
    rules, root = origin(turn, match.event)
    turn.lead(resource, (*rules, match.rule.id), root)


def stopped(turn: Turn, found: Iterable[tuple[Match, Stop]]) -> None:
    """One conflict for all events of the round by which it came round to a rule."""
    by_rule: dict[str, list[tuple[Match, Stop]]] = {}
    for match, stop in found:
        turn.record(RuleStopped(rule=match.rule.id, event=match.event.id, chain=stop.rules, why=stop.why))
        by_rule.setdefault(match.rule.id, []).append((match, stop))
    for cases in by_rule.values():
        match, stop = cases[0]
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        conflicts.conflict(
            turn,
            ConflictClass.CYCLE,
            _about(match.rule),
            (*dict.fromkeys(stop.rules), match.rule.id),
            f"{match.rule.id} would fire on {match.event.id}{more}, but {stop.why}.",
            outcome="rule stopped",
            winner="",
            closed="Of what it does only holds for safety are placed; nothing is released, and nobody is told.",
        )


def _about(rule: Rule) -> str:
    """What the rule acts on, first of all."""
    resources = [hold.resource for hold in rule.hold] + [release.resource for release in rule.release]
    return next(iter((*resources, *(tell.workstream for tell in rule.tell))), rule.workstream)
