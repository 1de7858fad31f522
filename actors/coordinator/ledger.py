"""The coordinator's durable state, and how facts alone rebuild it.

A round is decided as a whole.  Between ``RoundOpened`` and ``RoundDecided`` or ``RoundClosed`` the ledger keeps what it
was ``before``; a coordinator that died there takes that up again (``RoundAbandoned``), and as nothing was sent, the
round is decided afresh.  Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from alluse_hub.actors.coordinator import approvals
from alluse_hub.actors.coordinator import chains as led_by
from alluse_hub.actors.coordinator import docket as dockets
from alluse_hub.actors.coordinator import tellings as tellings_
from alluse_hub.actors.coordinator import timing as timings
from alluse_hub.actors.coordinator.approvals import Approvals
from alluse_hub.actors.coordinator.chains import Chains
from alluse_hub.actors.coordinator.docket import Docket
from alluse_hub.actors.coordinator.ruleset import RuleSet, folded
from alluse_hub.actors.coordinator.tellings import Tellings
from alluse_hub.actors.coordinator.timing import Timing
from alluse_hub.protocols.approvals import ApprovalAsked, ApprovalEnded, ApprovalGiven, ApprovalUsed, LevelSet
from alluse_hub.protocols.claims import (
    Claim,
    ClaimCleared,
    ClaimCut,
    ClaimEnded,
    ClaimExtended,
    ClaimPlaced,
    ConflictClass,
    ConflictClosed,
    ConflictOpened,
    ConflictShown,
    DirectiveAnswered,
    DirectiveIssued,
    Lease,
)
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.program_claims import ClaimsHeard
from alluse_hub.protocols.rules import (
    ActsCommitted,
    CommandGranted,
    CommandIssued,
    DirectiveLed,
    RoundAbandoned,
    RoundClosed,
    RoundDecided,
    RoundOpened,
    RuleActionDone,
    RuleActionRefused,
    RuleCurbed,
    RuleFired,
    RuleLed,
    RuleStopped,
    RuleUndecided,
)
from alluse_hub.protocols.ruleset import AutoSwitched, RulesChanged
from alluse_hub.protocols.states import replace

CONFLICTS_MAX = 200
"""Closed conflicts kept in memory; all are in the trail."""

REPLACED = "replaced"
"""How a claim ends behind which another one of the same id is placed."""

OWN: frozenset[type[Fact]] = frozenset(
    {
        ActsCommitted,
        AutoSwitched,
        ClaimCleared,
        ClaimCut,
        ClaimEnded,
        ClaimExtended,
        ClaimPlaced,
        CommandGranted,
        CommandIssued,
        ConflictClosed,
        ConflictOpened,
        DirectiveAnswered,
        DirectiveIssued,
        DirectiveLed,
        RoundAbandoned,
        RoundClosed,
        RoundDecided,
        RoundOpened,
        RuleActionDone,
        RuleActionRefused,
        RuleCurbed,
        RuleFired,
        RuleLed,
        RuleStopped,
        RuleUndecided,
        RulesChanged,
    }
)

FACTS = OWN | dockets.FACTS | timings.FACTS | approvals.FACTS | tellings_.FACTS


class Phase(StrEnum):
    DECIDING = "deciding"
    WAITING = "waiting"  # for answers to what the round sent
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Directed:
    """The current directive of a resource.  ``outcome`` is empty while its first answer is awaited."""

    issued: DirectiveIssued
    outcome: str = ""
    error: str = ""

    @property
    def is_obeyed(self) -> bool:
        return self.outcome in {"applied", "already"}

    @property
    def is_in_doubt(self) -> bool:
        """Said in vain so far; what the workstream does is not known."""
        return bool(self.outcome) and not self.is_obeyed


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a rule, over the life of the home."""

    fired: int = 0
    undecided: int = 0
    failures: int = 0
    last_event: str = ""
    last_session: str = ""
    last_result: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    claims: dict[str, Claim] = field(default_factory=dict)  # live ones, by id, in the order of placing
    placed: int = 0  # claims ever placed
    directives: dict[str, Directed] = field(default_factory=dict)  # by resource
    commands: dict[str, CommandIssued] = field(default_factory=dict)  # unanswered ones, by key
    ruleset: RuleSet = field(default_factory=RuleSet)
    approvals: Approvals = field(default_factory=Approvals)
    tallies: dict[str, Tally] = field(default_factory=dict)  # by rule
    by_hand: int = 0  # rules run by people
    conflicts: dict[str, ConflictOpened] = field(default_factory=dict)  # open ones, by id
    resolved: tuple[ConflictShown, ...] = ()  # the latest, oldest first
    conflicts_count: int = 0
    doubts_count: int = 0  # counted apart: whether an answer is late changes the id of no other conflict
    round: int = 0
    phase: Phase = Phase.CLOSED
    session: str = ""
    ordinal: int = 0  # of the session, from 1
    through: dict[str, int] = field(default_factory=dict)  # of the round, by workstream
    docket: Docket = field(default_factory=Docket)
    chains: Chains = field(default_factory=Chains)
    timing: Timing = field(default_factory=Timing)
    tellings: Tellings = field(default_factory=Tellings)
    before: "Ledger | None" = None

    def pending(self) -> bool:
        """Whether the round still waits for an answer."""
        return self.acting() or any(told.round == self.round for told in self.tellings.open.values())

    def acting(self) -> bool:
        """Whether it waits for one to what it does, as against what it tells programs of their claims."""
        return (
            any(not directed.outcome for directed in self.directives.values())
            or any(command.round == self.round for command in self.commands.values())
            or any(yielding.asked.round == self.round for yielding in self.docket.yielding.values())
        )


K = TypeVar("K")
V = TypeVar("V")


def _with(table: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    return {**table, key: value}


def _without(table: Mapping[K, V], key: K) -> dict[K, V]:
    return {other: value for other, value in table.items() if other != key}


def evolve(ledger: Ledger, fact: Fact) -> Ledger:
    match fact:
        case RoundOpened() | RoundDecided() | RoundClosed() | RoundAbandoned() | ActsCommitted():
            return _round(ledger, fact)
        case ClaimPlaced() | ClaimExtended() | ClaimCleared() | ClaimCut() | ClaimEnded():
            return _claim(ledger, fact)
        case DirectiveIssued():
            return _directed(ledger, fact)
        case DirectiveLed() | RuleLed():
            return replace(ledger, chains=led_by.folded(ledger.chains, fact))
        case DirectiveAnswered():
            return _answered(ledger, fact)
        case ConflictOpened(id=id_):
            opened = _with(ledger.conflicts, id_, fact)
            if fact.klass is ConflictClass.DOUBT:
                return replace(ledger, conflicts=opened, doubts_count=ledger.doubts_count + 1)
            return replace(ledger, conflicts=opened, conflicts_count=ledger.conflicts_count + 1)
        case ConflictClosed():
            return _closed(ledger, fact)
        case fact if type(fact) in dockets.FACTS:
            return replace(ledger, docket=dockets.folded(ledger.docket, fact))
        case _ if type(fact) in tellings_.FACTS:
            return _claims_told(ledger, fact)
        case _ if type(fact) in timings.FACTS:
            return replace(ledger, timing=timings.folded(ledger.timing, fact))
        case RulesChanged() | AutoSwitched():
            return replace(ledger, ruleset=folded(ledger.ruleset, fact))
        case ApprovalAsked() | ApprovalGiven() | ApprovalEnded() | ApprovalUsed() | LevelSet():
            return replace(ledger, approvals=approvals.folded(ledger.approvals, fact))
        case _:
            return _rule(ledger, fact)


def _round(ledger: Ledger, fact: Fact) -> Ledger:
    match fact:
        case RoundOpened(round=number, session=session, ordinal=ordinal):
            return replace(
                ledger,
                round=number,
                phase=Phase.DECIDING,
                session=session,
                ordinal=ordinal,
                through={},
                before=ledger,
            )
        case RoundDecided():
            return replace(ledger, phase=Phase.WAITING, before=None)
        case RoundClosed(round=number, session=session, ordinal=ordinal, through=through):
            return replace(
                ledger,
                round=number,
                phase=Phase.CLOSED,
                session=session,
                ordinal=ordinal,
                through=through,
                before=None,
            )
        case RoundAbandoned():
            assert ledger.before is not None, "only a round that is being decided can be abandoned"
            return ledger.before
        case _:
            return ledger


def _claim(ledger: Ledger, fact: Fact) -> Ledger:
    match fact:
        case ClaimPlaced(claim=claim):
            placed = max(ledger.placed, claim.placed)
            tellings = tellings_.placed(ledger.tellings, claim.id)
            claims = _with(_without(ledger.claims, claim.id), claim.id, claim)
            return replace(ledger, claims=claims, placed=placed, tellings=tellings)
        case ClaimExtended(id=id_, lease=lease, cause=cause, reason=reason):
            update = {"lease": lease, "cause": cause, "reason": reason}
        case ClaimCleared(id=id_):
            update = {"lease": ledger.claims[id_].lease.model_copy(update={"until_cleared": False})}
        case ClaimCut(id=id_, until=until):
            update = {"lease": Lease(until=until)}
        case ClaimEnded():
            return _ended(ledger, fact)
        case other:
            raise TypeError(f"{type(other).__name__} is no fact of a claim")
    changed = ledger.claims[id_].model_copy(update=update)
    return replace(ledger, claims=_with(ledger.claims, id_, changed))


def _ended(ledger: Ledger, fact: ClaimEnded) -> Ledger:
    docket = dockets.folded(ledger.docket, fact)
    ended = ledger.claims.get(fact.id)
    if ended is not None:
        docket = dockets.released(docket, ended.resource, fact)
    tellings = tellings_.ended(ledger.tellings, fact)
    # One that is replaced holds until the claim that takes its place does.
    claims = ledger.claims if fact.how == REPLACED else _without(ledger.claims, fact.id)
    return replace(ledger, claims=claims, docket=docket, tellings=tellings)


def _claims_told(ledger: Ledger, fact: Fact) -> Ledger:
    through = ledger.through
    if isinstance(fact, ClaimsHeard):
        through = _through(ledger, fact.workstream, fact.events_through)
    return replace(ledger, tellings=tellings_.folded(ledger.tellings, fact), through=through)


def _directed(ledger: Ledger, fact: DirectiveIssued) -> Ledger:
    before = ledger.directives.get(fact.resource)
    docket = dockets.turned(ledger.docket, fact, before.issued.rung if before else "", ledger.ordinal)
    return replace(
        ledger,
        docket=docket,
        chains=led_by.folded(ledger.chains, fact),
        directives=_with(ledger.directives, fact.resource, Directed(fact)),
    )


def _answered(ledger: Ledger, fact: DirectiveAnswered) -> Ledger:
    directed = ledger.directives[fact.resource]
    if directed.issued.fence != fact.fence:
        return ledger
    changed = replace(directed, outcome=fact.outcome, error=fact.error)
    return replace(
        ledger,
        directives=_with(ledger.directives, fact.resource, changed),
        through=_through(ledger, fact.resource.partition("/")[0], fact.events_through),
    )


def _through(ledger: Ledger, workstream: str, n: int) -> dict[str, int]:
    if n <= ledger.through.get(workstream, 0):
        return ledger.through
    return _with(ledger.through, workstream, n)


def _closed(ledger: Ledger, fact: ConflictClosed) -> Ledger:
    shown = ConflictShown.of(ledger.conflicts[fact.id]).ended(fact)
    resolved = (*ledger.resolved, shown)[-CONFLICTS_MAX:]
    docket = dockets.folded(ledger.docket, fact)
    return replace(ledger, conflicts=_without(ledger.conflicts, fact.id), resolved=resolved, docket=docket)


def _rule(ledger: Ledger, fact: Fact) -> Ledger:
    match fact:
        case RuleFired(rule=rule, event=event):
            tally = ledger.tallies.get(rule, Tally())
            ledger = replace(ledger, by_hand=ledger.by_hand + bool(fact.manual_by))
            changed = replace(
                tally, fired=tally.fired + 1, last_event=event, last_session=ledger.session, last_result="fired"
            )
        case RuleUndecided(rule=rule):
            tally = ledger.tallies.get(rule, Tally())
            changed = replace(tally, undecided=tally.undecided + 1)
        case RuleCurbed(rule=rule, skipped=skipped):
            tally = ledger.tallies.get(rule, Tally())
            changed = replace(tally, last_result=f"curbed: {skipped} events too many in one round")
        case CommandIssued(key=key):
            ledger = replace(ledger, chains=led_by.folded(ledger.chains, fact))
            return replace(ledger, commands=_with(ledger.commands, key, fact))
        case RuleStopped(rule=rule, why=why):
            tally = ledger.tallies.get(rule, Tally())
            changed = replace(tally, failures=tally.failures + 1, last_result=f"stopped: {why}")
        case CommandGranted(key=key):
            granted = ledger.commands[key].model_copy(update={"waits": False})
            return replace(ledger, commands=_with(ledger.commands, key, granted))
        case RuleActionDone(rule=rule, workstream=workstream, command=command, ok=ok, error=error):
            tally = ledger.tallies.get(rule, Tally())
            result = f"{workstream} {command}: {'done' if ok else error}"
            changed = replace(tally, failures=tally.failures + (not ok), last_result=result)
            ledger = replace(
                ledger,
                commands=_without(ledger.commands, fact.key),
                through=_through(ledger, workstream, fact.events_through),
            )
        case RuleActionRefused(rule=rule, workstream=workstream, command=command, why=why):
            tally = ledger.tallies.get(rule, Tally())
            result = f"{workstream} {command}: refused, {why}"
            changed = replace(tally, failures=tally.failures + 1, last_result=result)
        case other:
            raise TypeError(f"the coordinator's ledger does not take {type(other).__name__}")
    return replace(ledger, tallies=_with(ledger.tallies, rule, changed))


def led_as_well(ledger: Ledger, facts: Iterable[Fact]) -> Ledger:
    """With what facts of another course say of what led to its commands and directives, where this one has none of that
    key."""
    chains = ledger.chains
    for fact in facts:
        if isinstance(fact, CommandIssued | DirectiveIssued | DirectiveLed) and led_by.key_of(fact) not in chains.led:
            chains = led_by.folded(chains, fact)
    return ledger if chains is ledger.chains else replace(ledger, chains=chains)
