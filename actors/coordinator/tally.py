"""What a course of decisions came to: firings, conflicts, commands, and how long each resource stood on each rung.

Counted from facts, whether they are recorded or tried, so that the two can be held against each other.  Pure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from alluse_hub.protocols.approvals import ApprovalAsked, ApprovalEnded
from alluse_hub.protocols.arbitration import YieldAsked
from alluse_hub.protocols.claims import ClaimEnded, ClaimPlaced, ConflictOpened, DirectiveIssued
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.program_claims import ClaimsTold
from alluse_hub.protocols.rules import (
    CommandGranted,
    CommandIssued,
    RoundClosed,
    RoundOpened,
    RuleActionRefused,
    RuleFired,
    RuleStopped,
    RuleUndecided,
    Tell,
)
from alluse_hub.supervision.relive import Relived


class Difference(NamedTuple):
    """The first letter on which something else is decided; ``recorded`` and ``tried`` say what only one of them has."""

    entry: str
    kind: str
    at: float
    wall: float
    recorded: tuple[str, ...]
    tried: tuple[str, ...]


class Since(NamedTuple):
    rung: str
    at: float
    ordinal: int


class Firing(NamedTuple):
    """``at`` in hub seconds; ``ordinal`` of the session.  ``subject``: what the rule tells apart, as its holds or its
    ``once_per`` name it; empty where it tells nothing apart."""

    event: str
    subject: str
    at: float
    ordinal: int


class Order(NamedTuple):
    """A command of a rule because of an event, which is one whatever becomes of it."""

    rule: str
    event: str
    workstream: str
    command: str


class Outcome(NamedTuple):
    """``what``: told, refused, or asked (of people, and not told yet)."""

    what: str
    why: str = ""


Subject = Callable[[str, str], str]
"""Of a rule and the id of an event: what the firing is about."""


@dataclass(slots=True)
class World:
    """``minutes`` of hub time and ``sessions`` by resource and rung; each sort of happening by what it is counted
    under.  ``before_open``: firings by rule until the loop opened."""

    fired: dict[str, list[Firing]] = field(default_factory=dict)
    undecided: dict[str, list[str]] = field(default_factory=dict)
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)
    refusals: dict[str, list[str]] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)  # to what people were asked, by outcome
    orders: dict[Order, Outcome] = field(default_factory=dict)
    minutes: dict[str, dict[str, float]] = field(default_factory=dict)
    sessions: dict[str, dict[str, int]] = field(default_factory=dict)
    since: dict[str, Since] = field(default_factory=dict)
    ordinal: int = 0
    before_open: dict[str, int] = field(default_factory=dict)

    def stands(self, resource: str, rung: str, at: float, ordinal: int) -> None:
        """From ``at`` on, in seconds of hub time."""
        known = self.since.get(resource)
        if known is not None:
            minutes = self.minutes.setdefault(resource, {})
            minutes[known.rung] = minutes.get(known.rung, 0.0) + (at - known.at) / 60
            sessions = self.sessions.setdefault(resource, {})
            sessions[known.rung] = sessions.get(known.rung, 0) + ordinal - known.ordinal
        self.since[resource] = Since(rung, at, ordinal)
        self.ordinal = max(self.ordinal, ordinal)

    def take(self, facts: Iterable[Fact], at: float, subject: Subject) -> None:
        for fact in facts:
            match fact:
                case RoundOpened(ordinal=ordinal) | RoundClosed(ordinal=ordinal):
                    self.ordinal = ordinal
                case DirectiveIssued(resource=resource, rung=rung):
                    self.stands(resource, rung, at, self.ordinal)
                case RuleFired(rule=rule, event=event):
                    firing = Firing(event, subject(rule, event), at, self.ordinal)
                    self.fired.setdefault(rule, []).append(firing)
                case RuleUndecided(rule=rule, event=event):
                    self.undecided.setdefault(rule, []).append(event)
                case ConflictOpened():
                    name = f"{fact.klass.value} {fact.resource}"
                    self.conflicts.setdefault(name, []).append(" and ".join(fact.parties))
                case CommandIssued():
                    order = Order(fact.rule, fact.event, fact.workstream, fact.command)
                    self.orders[order] = Outcome("told")
                    self.commands.setdefault(f"{fact.workstream} {fact.command}", []).append(fact.event)
                case RuleActionRefused():
                    order = Order(fact.rule, fact.event, fact.workstream, fact.command)
                    self.orders[order] = Outcome("refused", fact.why)
                    self.refusals.setdefault(f"{fact.workstream} {fact.command}", []).append(fact.event)
                case ApprovalAsked():
                    self._ask(fact)
                case ApprovalEnded(outcome=outcome):
                    self.answers[outcome] = self.answers.get(outcome, 0) + 1
                case _:
                    pass

    def _ask(self, fact: ApprovalAsked) -> None:
        act = fact.proposal.act
        self.asked.setdefault(f"{act.workstream} {act.kind}", []).append(act.about)
        if act.kind == "command":
            tell = Tell.model_validate(act.content["tell"])
            event = Event.model_validate(act.content["event"]).id
            order = Order(str(act.content["rule"]), event, tell.workstream, tell.command)
            self.orders[order] = Outcome("asked", f"people are asked: {fact.proposal.level.value}")

    def opens(self) -> None:
        """From here on the loop is open."""
        self.before_open = {rule: len(firings) for rule, firings in self.fired.items()}

    def close(self, at: float) -> None:
        for resource, since in tuple(self.since.items()):
            self.stands(resource, since.rung, at, self.ordinal)


def orders_in(facts: Iterable[Fact]) -> list[tuple[object, ...]]:
    """What the world is told, as far as it matters to it."""
    found: list[tuple[object, ...]] = []
    for fact in facts:
        match fact:
            case DirectiveIssued():
                found.append((fact.resource, fact.rung, fact.fence, fact.lease, fact.claims))
            case CommandIssued():
                found.append((fact.key, fact.workstream, fact.command, fact.parameters, fact.waits))
            case CommandGranted(key=key):
                found.append((key,))
            case YieldAsked():
                found.append((fact.conflict, fact.workstream, fact.claim, fact.to, fact.must))
            case ClaimsTold():
                found.append((fact.key, fact.workstream, *((one.id, one.outcome) for one in fact.news)))
            case _:
                pass
    return found


def difference(relived: Relived, was: Sequence[Fact], now: Sequence[Fact]) -> Difference | None:
    """Between what was recorded on that letter and what is decided on it."""
    if was == now:
        return None
    recorded, tried = _said(was), _said(now)
    if recorded == tried:
        return None
    return Difference(
        relived.entry,
        type(relived.letter.body).__name__,
        relived.letter.at,
        relived.wall,
        tuple(word for word in recorded if word not in tried),
        tuple(word for word in tried if word not in recorded),
    )


def _said(facts: Iterable[Fact]) -> list[str]:
    """What was decided, without the words in which a condition says why."""
    found: list[str] = []
    for fact in facts:
        match fact:
            case RuleFired(rule=rule, event=event):
                found.append(f"{rule} fires on {event}")
            case RuleUndecided(rule=rule, event=event):
                found.append(f"{rule} is undecided on {event}")
            case RuleStopped(rule=rule, event=event):
                found.append(f"{rule} is stopped on {event}")
            case RuleActionRefused():
                found.append(f"{fact.rule}: {fact.command} is refused on {fact.event}")
            case ClaimPlaced(claim=claim):
                found.append(f"{claim.id} claims {claim.want}".rstrip())
            case ClaimEnded(id=id_, how=how):
                found.append(f"{id_} is {how}")
            case ConflictOpened():
                found.append(f"conflict {fact.klass.value} on {fact.resource}: {' and '.join(fact.parties)}")
            case DirectiveIssued():
                found.append(f"{fact.resource} is directed to {fact.rung}, fence {fact.fence}")
            case CommandIssued():
                found.append(f"{fact.workstream} is told to {fact.command} on {fact.event}")
            case ClaimsTold():
                found += [f"{fact.workstream} is told that its claim {one.id} is {one.outcome}" for one in fact.news]
            case ApprovalAsked(proposal=proposal):
                found.append(f"people are asked about a {proposal.act.kind}: {proposal.act.text}")
            case _:
                pass
    return found
