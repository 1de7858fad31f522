"""What a course of decisions came to: firings, conflicts, commands, and how long each resource stood on each rung.

Counted from facts, whether they are recorded or tried, so that the two can be held against each other.  Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alluse_hub.protocols.claims import ClaimEnded, ClaimPlaced, ConflictOpened, DirectiveIssued
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import (
    CommandIssued,
    RoundClosed,
    RoundOpened,
    RuleActionRefused,
    RuleFired,
    RuleStopped,
    RuleUndecided,
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


@dataclass(slots=True)
class World:
    """``minutes`` of hub time and ``sessions`` by resource and rung; each sort of happening by what it is counted
    under.  ``open_minutes``: of the minutes, those of an open loop."""

    fired: dict[str, list[str]] = field(default_factory=dict)
    undecided: dict[str, list[str]] = field(default_factory=dict)
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)
    refusals: dict[str, list[str]] = field(default_factory=dict)
    minutes: dict[str, dict[str, float]] = field(default_factory=dict)
    sessions: dict[str, dict[str, int]] = field(default_factory=dict)
    since: dict[str, Since] = field(default_factory=dict)
    ordinal: int = 0
    before_open: dict[str, int] = field(default_factory=dict)  # firings, by rule

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

    def take(self, facts: Iterable[Fact], at: float) -> None:
        for fact in facts:
            match fact:
                case RoundOpened(ordinal=ordinal) | RoundClosed(ordinal=ordinal):
                    self.ordinal = ordinal
                case DirectiveIssued(resource=resource, rung=rung):
                    self.stands(resource, rung, at, self.ordinal)
                case RuleFired(rule=rule, event=event):
                    self.fired.setdefault(rule, []).append(event)
                case RuleUndecided(rule=rule, event=event):
                    self.undecided.setdefault(rule, []).append(event)
                case ConflictOpened():
                    name = f"{fact.klass.value} {fact.resource}"
                    self.conflicts.setdefault(name, []).append(" and ".join(fact.parties))
                case CommandIssued():
                    self.commands.setdefault(f"{fact.workstream} {fact.command}", []).append(fact.event)
                case RuleActionRefused():
                    self.refusals.setdefault(f"{fact.workstream} {fact.command}", []).append(fact.event)
                case _:
                    pass

    def opens(self) -> None:
        """From here on the loop is open."""
        self.before_open = {rule: len(events) for rule, events in self.fired.items()}

    def close(self, at: float) -> None:
        for resource, since in tuple(self.since.items()):
            self.stands(resource, since.rung, at, self.ordinal)

    def shown(self) -> dict[str, Any]:  # Any: JSON
        return {
            "firings": sum(map(len, self.fired.values())),
            "conflicts": sum(map(len, self.conflicts.values())),
            "commands": sum(map(len, self.commands.values())),
            "minutes": {
                resource: {rung: round(spent, 3) for rung, spent in rungs.items()}
                for resource, rungs in self.minutes.items()
            },
            "sessions": self.sessions,
            "firings_before_open": self.before_open,
        }


def orders_in(facts: Iterable[Fact]) -> list[tuple[object, ...]]:
    """What the world is told, as far as it matters to it."""
    found: list[tuple[object, ...]] = []
    for fact in facts:
        match fact:
            case DirectiveIssued():
                found.append((fact.resource, fact.rung, fact.fence, fact.lease, fact.claims))
            case CommandIssued():
                found.append((fact.key, fact.workstream, fact.command, fact.parameters, fact.waits))
            case _:
                pass
    return found


def difference(relived: Relived, facts: Sequence[Fact]) -> Difference | None:
    was, now = _said(relived.facts), _said(facts)
    if was == now:
        return None
    return Difference(
        relived.entry,
        type(relived.letter.body).__name__,
        relived.letter.at,
        relived.wall,
        tuple(word for word in was if word not in now),
        tuple(word for word in now if word not in was),
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
            case _:
                pass
    return found
