"""What the board is shown."""

from alluse_hub.actors.coordinator import doubts, lowering, operators, taking
from alluse_hub.actors.coordinator.arbiter import AnyRuling, Ruling, decide, explained
from alluse_hub.actors.coordinator.leases import is_live
from alluse_hub.actors.coordinator.ledger import Ledger, Phase, Tally
from alluse_hub.actors.coordinator.order import reaches
from alluse_hub.actors.coordinator.pools import PoolRuling
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.actors.coordinator.values import DatasetRuling, ValueRuling
from alluse_hub.protocols.arbitration import Escalated
from alluse_hub.protocols.claims import ConflictOpened, ConflictShown, ConflictsShown, ResourceShown
from alluse_hub.protocols.names import BOARD, REPLICATOR
from alluse_hub.protocols.resources import Declared, Pool
from alluse_hub.protocols.rules import Rule, RuleShown, RulesShown
from alluse_hub.protocols.sync import ClaimOnData, RungsShown

CONFLICTS_SHOWN = 50
"""Closed conflicts that a new board is told of."""


def show_changes(turn: Turn, before: Ledger) -> None:
    """One picture a letter at most: when a resource changes, and once at the end of a round in which rules fired."""
    after = turn.ledger
    resources = after.claims is not before.claims or after.directives is not before.directives
    rules = after.tallies is not before.tallies or after.commands is not before.commands
    resources = resources or after.docket is not before.docket or after.doubts_count != before.doubts_count
    asked = after.approvals is not before.approvals or after.docket.lowerings is not before.docket.lowerings
    if resources or asked or after.ruleset is not before.ruleset or (rules and after.phase is not Phase.WAITING):
        turn.send(BOARD, rules_shown(turn))
    if resources:
        show_rungs(turn)
    if after.docket.escalated is not before.docket.escalated:
        turn.send(BOARD, conflicts_shown(after))


def show_all(turn: Turn) -> None:
    turn.send(BOARD, rules_shown(turn))
    turn.send(BOARD, conflicts_shown(turn.ledger))
    show_rungs(turn)


def show_rungs(turn: Turn) -> None:
    """Of what syncs need and carry: while a hold covers a target, nothing is carried there."""
    book = turn.state.book
    if book.spec.needed_by_syncs or book.spec.held_for_syncs:
        rungs = {name: turn.ruling(book.modes[name]).rung for name in book.spec.needed_by_syncs}
        claims = {name: found for name in book.spec.held_for_syncs if (found := _claims_on(turn, name))}
        turn.send(REPLICATOR, RungsShown(rungs=rungs, claims=claims))


def _claims_on(turn: Turn, dataset: str) -> tuple[ClaimOnData, ...]:
    live = (one for one in turn.ledger.claims.values() if reaches(one, dataset) and is_live(one.lease, turn.now))
    return tuple(ClaimOnData(holder=claim.holder, versions=claim.versions) for claim in live)


def rules_shown(turn: Turn) -> RulesShown:
    ledger = turn.ledger
    return RulesShown(
        rules=tuple(_rule(rule, ledger) for rule in turn.state.book.running),
        revision=ledger.ruleset.revision,
        auto=ledger.ruleset.auto,
        waiting=len(ledger.approvals.open) + len(ledger.docket.lowerings) + len(ledger.docket.escalated),
        resources=tuple(_resource(turn, resource) for resource in turn.state.book.spec.resources),
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
        attached=rule.attached,
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


def _resource(turn: Turn, resource: Declared) -> ResourceShown:
    if isinstance(resource, Pool):
        ruling: AnyRuling = taking.ruling(turn, resource)
    else:
        favoured = turn.ledger.docket.favoured_on(resource.resource)
        ruling = decide(resource, turn.ledger.claims.values(), turn.now, favoured=favoured)
    directed = turn.ledger.directives.get(resource.resource)
    lowerings = turn.ledger.docket.lowerings.values()
    return ResourceShown(
        resource=resource.resource,
        kind=type(resource).__name__.lower(),
        rung=_said(ruling),
        fence=operators.fence_of(turn, resource),
        answer=directed.outcome if directed else "",
        claims=tuple(fate.claim.id for fate in ruling.fates),
        explanation=explained(ruling),
        asks=tuple(lowering.asked_for(one) for one in lowerings if one.resource == resource.resource),
        doubt=doubts.said(turn, resource.resource),
    )


def _said(ruling: AnyRuling) -> str:
    match ruling:
        case Ruling():
            return ruling.rung
        case PoolRuling():
            return f"{ruling.taken} of {ruling.pool.capacity} taken"
        case ValueRuling():
            return ruling.said
        case DatasetRuling():
            versions = ruling.holder.versions if ruling.holder is not None else {}
            return " ".join(f"{writer}:{number}" for writer, number in sorted(versions.items()))


def conflicts_shown(ledger: Ledger) -> ConflictsShown:
    return ConflictsShown(
        open=tuple(_open(c, ledger.docket.escalated.get(c.id)) for c in ledger.conflicts.values()),
        closed=ledger.resolved[-CONFLICTS_SHOWN:],
        count=ledger.conflicts_count + ledger.doubts_count,
    )


def _open(conflict: ConflictOpened, asked: Escalated | None) -> ConflictShown:
    return ConflictShown.of(conflict) if asked is None else ConflictShown.of(conflict, asked.question, asked.choices)
