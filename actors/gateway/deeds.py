"""What coordination did, gathered from entries of the trail: firings, directives, commands, deliveries and conflicts.

Only what stands: what a coordinator decided in a round that its death cut short is void (``RoundAbandoned``), and was
never sent.  Entries come in any order; those of one actor are put in theirs.  Pure.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alluse_hub.protocols.names import COORDINATOR, ROUTER
from alluse_hub.protocols.trail import Entry, EntryKind

FACTS = (
    *("RuleFired", "RuleActionRefused", "RuleActionDone", "RuleStopped", "CommandIssued"),
    *("DirectiveIssued", "DirectiveAnswered", "DeliveriesMoved", "DriftFound"),
)
"""Of a span."""

LETTERS = ("Directive", "Command")
"""Of a span as well: the first time that each was sent."""

LASTING = ("ConflictOpened", "ConflictClosed", "Escalated", "RoundAbandoned")
"""From the beginning: a conflict may be open for long."""

OPENED = "RoundOpened"
"""Of each round that was abandoned, the last one before that."""

OBEYED = frozenset({"applied", "already"})
ENDS = frozenset({"verified", "superseded", "diverged", "refused", "expired"})


class Firing(NamedTuple):
    rule: str
    event: str
    at: float


class Done(NamedTuple):
    """A command that was answered, or given up."""

    workstream: str
    at: float
    ok: bool


@dataclass(slots=True)
class Directed:
    """A directive, from its issue; ``sent``: for the first time; ``overtaken``: when the next one was issued."""

    workstream: str
    issued: float
    loosens: bool
    deadline_s: float = 0.0
    sent: float | None = None
    applied: float | None = None
    answers: int = 0
    overtaken: float | None = None


class Moved(NamedTuple):
    """A delivery that ended.  ``changed``: when it began, if known; ``sampled``: verified by a sample."""

    sync: str
    target: str
    to: str
    at: float
    late_s: float
    changed: float | None
    sampled: bool


class Drift(NamedTuple):
    target: str
    at: float


@dataclass(slots=True)
class Conflict:
    workstream: str
    opened: float
    closed: float | None = None
    escalated: float | None = None


@dataclass(slots=True)
class Commanded:
    sent: float | None = None
    answered: float | None = None


class Act(NamedTuple):
    """What one event led to.  ``sort``: *restricting* or *loosening* (directives), or *commands*.  ``answered``: when
    it was obeyed."""

    sort: str
    sent: float | None
    answered: float | None


@dataclass(slots=True)
class Deeds:
    """``directives`` by resource and fence, ``conflicts`` by actor and id, ``acts`` by event."""

    firings: list[Firing] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    directives: dict[tuple[str, int], Directed] = field(default_factory=dict)
    ends: list[Moved] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    conflicts: dict[tuple[str, str], Conflict] = field(default_factory=dict)
    acts: dict[str, list[Act]] = field(default_factory=dict)


def standing(entries: Iterable[Entry]) -> list[Entry]:
    """In the order of each actor, without what is void."""
    found: list[Entry] = []
    opened: int | None = None
    ours: list[Entry] = []
    for entry in sorted(entries, key=lambda one: (one.actor, one.incarnation, one.n)):
        if entry.actor != COORDINATOR:
            found.append(entry)
            continue
        match entry.message, entry.kind:
            case "RoundOpened", EntryKind.FACT:
                opened = len(ours)
            case "RoundAbandoned", EntryKind.FACT:
                if opened is not None:
                    del ours[opened:]
                opened = None
            case _:
                ours.append(entry)
    return found + ours


def gathered(entries: Iterable[Entry], until: float = math.inf) -> Deeds:
    """As it was known at ``until``, in seconds of hub time."""
    return _Gathering().all_of(entry for entry in standing(entries) if entry.at <= until)


class _Gathering:
    """What was decided on one letter, a *turn*, belongs together: that letter is the cause of its facts.  What a fact
    did not have yet when it was written counts as its default."""

    def __init__(self) -> None:
        self.deeds = Deeds()
        self._last: dict[str, int] = {}  # fence, by resource
        self._commands: dict[str, Commanded] = {}
        self._changed: dict[tuple[str, str, int], float] = {}
        self._fired: dict[tuple[str, str], set[str]] = {}  # by turn and rule: events
        self._acts: list[tuple[str, Commanded | Directed, set[str]]] = []

    def all_of(self, entries: Iterable[Entry]) -> Deeds:
        for entry in entries:
            if entry.kind is EntryKind.FACT:
                self._fact(entry)
            elif entry.kind is EntryKind.SENT and entry.actor == COORDINATOR:
                self._sent(entry)
        self._link()
        return self.deeds

    def _fact(self, entry: Entry) -> None:
        body: Any = entry.body  # JSON; what is in it depends on the message
        match entry.message:
            case "RuleFired":
                self.deeds.firings.append(Firing(body["rule"], body["event"], entry.at))
                self._firing(entry, body)
            case "RuleActionRefused":
                self.deeds.refused.append(entry.at)
            case "RuleStopped":
                self.deeds.stopped.append(entry.at)
            case "CommandIssued":
                made = self._commands[body["key"]] = Commanded()
                self._act(entry, "commands", made, (body["rule"],), body["event"])
            case "RuleActionDone":
                self.deeds.done.append(Done(body["workstream"], entry.at, body["ok"]))
                if body["ok"] and (issued := self._commands.get(body["key"])) is not None:
                    issued.answered = entry.at
            case "DirectiveIssued":
                self._issued(entry, body)
            case "DirectiveAnswered":
                self._answered(entry, body)
            case "DeliveriesMoved":
                for move in body["moves"]:
                    self._moved(move)
            case "DriftFound":
                self.deeds.drifts.append(Drift(body["target"], entry.at))
            case "ConflictOpened":
                workstream = body["resource"].partition("/")[0]
                self.deeds.conflicts[entry.actor, body["id"]] = Conflict(workstream, entry.at)
            case "ConflictClosed":
                if (conflict := self.deeds.conflicts.get((entry.actor, body["id"]))) is not None:
                    conflict.closed = entry.at
            case "Escalated":
                conflict = self.deeds.conflicts.get((entry.actor, body["conflict"]))
                if conflict is not None and conflict.escalated is None:
                    conflict.escalated = entry.at
            case _:
                pass

    def _sent(self, entry: Entry) -> None:
        body: Any = entry.body  # JSON
        match entry.message:
            case "Directive":
                directed = self.deeds.directives.get((body["resource"], body["fence"]))
                if directed is not None and directed.sent is None:
                    directed.sent, directed.deadline_s = entry.at, body["deadline_s"]
            case "Command":
                issued = self._commands.get(body["key"])
                if issued is not None and issued.sent is None:
                    issued.sent = entry.at
            case _:
                pass

    def _issued(self, entry: Entry, body: Any) -> None:  # Any: JSON
        resource, fence = body["resource"], body["fence"]
        before = self.deeds.directives.get((resource, self._last.get(resource, 0)))
        if before is not None:
            before.overtaken = entry.at
        self._last[resource] = fence
        directed = Directed(resource.partition("/")[0], entry.at, body.get("loosens", False))
        self.deeds.directives[resource, fence] = directed
        self._act(entry, "loosening" if directed.loosens else "restricting", directed, tuple(body.get("chain", ())))

    def _answered(self, entry: Entry, body: Any) -> None:  # Any: JSON
        directed = self.deeds.directives.get((body["resource"], body["fence"]))
        if directed is None:
            return
        directed.answers += 1
        if body["outcome"] in OBEYED and directed.applied is None:
            directed.applied = entry.at

    def _moved(self, move: Any) -> None:  # Any: JSON
        key = move["sync"], move["target"], move["serial"]
        if move.get("version") is not None:
            self._changed[key] = move["at"]
        if move["to"] in ENDS:
            late_s, changed = move.get("late_s", 0.0), self._changed.pop(key, None)
            name, sampled = (move["sync"], move["target"], move["to"], move["at"]), bool(move.get("sampled"))
            self.deeds.ends.append(Moved(*name, late_s, changed, sampled))

    # --- which event led to what -------------------------------------------------------------------------------------

    def _firing(self, entry: Entry, body: Any) -> None:  # Any: JSON
        """Not those by hand, nor by the clock: for them waiting is what they are for."""
        if entry.cause.partition("/")[0] == ROUTER and not body.get("manual_by"):
            self._fired.setdefault((entry.cause, body["rule"]), set()).add(body["event"])

    def _act(self, entry: Entry, sort: str, act: Commanded | Directed, rules: tuple[str, ...], event: str = "") -> None:
        """Because of the firings of these rules in its own turn, or of them only of that on ``event``."""
        events = {one for rule in rules for one in self._fired.get((entry.cause, rule), ())}
        if event:
            events &= {event}
        if events:
            self._acts.append((sort, act, events))

    def _link(self) -> None:
        for sort, act, events in self._acts:
            answered = act.answered if isinstance(act, Commanded) else act.applied
            for event in sorted(events):
                self.deeds.acts.setdefault(event, []).append(Act(sort, act.sent, answered))
