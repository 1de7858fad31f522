"""Cycles: what a rule does must not come round to it again.

Every command and directive is known to be led to by a chain of rules, one by the other: a program names the command
that caused an event, so an event's chain is that of its cause.  A rule that stands in it already, or would make it
longer than ``DEPTH_MAX``, is stopped: of all it does only its holds for safety are placed, since holding is safe.  So
one event from outside leads to at most so many firings as there are rules, times ``DEPTH_MAX``, as long as no more than
``ledger.CHAINS_MAX`` chains have to be remembered at a time.

What comes round through the world outside, without a cause that is named, is curbed by other means: a rung that flaps
is latched (``flapping``), and each rule acts on so many events of a round and no more (``rounds``).
"""

from collections.abc import Iterable

from alluse_hub.actors.coordinator import conflicts
from alluse_hub.actors.coordinator.rules import Match
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import ConflictClass
from alluse_hub.protocols.rules import Rule, RuleStopped

DEPTH_MAX = 16

COMMAND = "c"
DIRECTIVE = "directive"
"""Parts of the keys ``c/7/rule/1`` of commands and ``c/7/directive/ws4/trading/12`` of directives."""


def chain_of(turn: Turn, cause: str) -> tuple[str, ...]:
    """The rules that led to what ``cause`` is the key of, the first one first; empty for anything from outside."""
    head, _, rest = cause.partition("/")
    _round, _, about = rest.partition("/")
    if head != COMMAND or not about:
        return ()
    before = turn.ledger.chains.get(cause, ())
    kind, _, of = about.partition("/")
    is_directive = kind == DIRECTIVE and "/" in of  # else it is a command of a rule of that name
    return before if is_directive else (*before, kind)


def stops(turn: Turn, match: Match) -> tuple[str, ...]:
    """The chain that ends here, since the rule stands in it already or it is too long; empty if it may go on."""
    chain = chain_of(turn, match.event.cause)
    return chain if match.rule.id in chain or len(chain) >= DEPTH_MAX else ()


def stopped(turn: Turn, found: Iterable[tuple[Match, tuple[str, ...]]]) -> None:
    """One conflict for all events of the round by which it came round to a rule."""
    by_rule: dict[str, list[tuple[Match, tuple[str, ...]]]] = {}
    for match, chain in found:
        way = " -> ".join((*chain, match.rule.id))
        turn.record(RuleStopped(rule=match.rule.id, event=match.event.id, chain=chain, why=f"it came round: {way}"))
        by_rule.setdefault(match.rule.id, []).append((match, chain))
    for cases in by_rule.values():
        match, chain = cases[0]
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        conflicts.conflict(
            turn,
            ConflictClass.CYCLE,
            _about(match.rule),
            (*dict.fromkeys(chain), match.rule.id),
            f"{match.rule.id} would fire on {match.event.id}{more}, which it has led to itself: "
            f"{' -> '.join((*chain, match.rule.id))}.",
            outcome="rule stopped",
            winner="",
            closed="Of what it does only holds for safety are placed; nothing is released, and nobody is told.",
        )


def _about(rule: Rule) -> str:
    """What the rule acts on, first of all."""
    resources = [hold.resource for hold in rule.hold] + [release.resource for release in rule.release]
    return next(iter((*resources, *(tell.workstream for tell in rule.tell))), rule.workstream)
