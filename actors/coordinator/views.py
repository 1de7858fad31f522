"""What the board is shown."""

from alluse_hub.actors.coordinator.arbiter import explained
from alluse_hub.actors.coordinator.ledger import Ledger, Phase, Tally
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import ConflictShown, ConflictsShown, Mode, ResourceShown
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.rules import Rule, RuleShown, RulesShown

CONFLICTS_SHOWN = 50
"""Closed conflicts that a new board is told of."""


def show_changes(turn: Turn, before: Ledger) -> None:
    """One picture a letter at most: when a resource changes, and once at the end of a round in which rules fired."""
    after = turn.ledger
    resources = after.claims is not before.claims or after.directives is not before.directives
    rules = after.tallies is not before.tallies or after.commands is not before.commands
    if resources or after.ruleset is not before.ruleset or (rules and after.phase is not Phase.WAITING):
        turn.send(BOARD, rules_shown(turn))


def show_all(turn: Turn) -> None:
    turn.send(BOARD, rules_shown(turn))
    turn.send(BOARD, conflicts_shown(turn.ledger))


def rules_shown(turn: Turn) -> RulesShown:
    ledger = turn.ledger
    return RulesShown(
        rules=tuple(_rule(rule, ledger) for rule in turn.state.book.running),
        revision=ledger.ruleset.revision,
        auto=ledger.ruleset.auto,
        resources=tuple(_resource(turn, mode) for mode in turn.state.book.modes.values()),
        session=ledger.session,
        ordinal=ledger.ordinal,
        round=ledger.round,
        open_commands=len(ledger.commands),
    )


def _rule(rule: Rule, ledger: Ledger) -> RuleShown:
    tally = ledger.tallies.get(rule.id, Tally())
    return RuleShown(
        id=rule.id,
        name=rule.name,
        description=rule.description,
        workstream=rule.workstream,
        event=rule.event,
        version=ledger.ruleset.versions.get(rule.id, 0),
        priority=rule.priority,
        enabled=rule.enabled,
        fired=tally.fired,
        undecided=tally.undecided,
        failures=tally.failures,
        last_event=tally.last_event,
        last_session=tally.last_session,
        last_result=tally.last_result,
    )


def _resource(turn: Turn, mode: Mode) -> ResourceShown:
    ruling = turn.ruling(mode)
    directed = turn.ledger.directives.get(mode.resource)
    return ResourceShown(
        resource=mode.resource,
        rung=ruling.rung,
        fence=directed.issued.fence if directed else 0,
        answer=directed.outcome if directed else "",
        claims=tuple(fate.claim.id for fate in ruling.fates),
        explanation=explained(ruling),
    )


def conflicts_shown(ledger: Ledger) -> ConflictsShown:
    return ConflictsShown(
        open=tuple(
            ConflictShown(id=c.id, klass=c.klass, resource=c.resource, parties=c.parties, opened=c.sentence)
            for c in ledger.conflicts.values()
        ),
        closed=ledger.resolved[-CONFLICTS_SHOWN:],
        count=ledger.conflicts_count,
    )
