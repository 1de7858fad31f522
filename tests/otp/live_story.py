"""What the spools of real processes tell, in the words of a trace.

All actors of a machine share one clock, and each turn is recorded before anything follows from it; so the entries of
all spools by their time are one possible order of what happened, and causes come before effects.  Births are read in
an actor's own spool, ``ChildUp`` and ``ChildEnded`` in its supervisor's, reports and why a supervisor ended among the
supervisor's facts.

Whether a supervisor has anything left to do is in no spool.  So what it heard is decided once more by its core; only
that, and what it started with which specification, is taken from there, and no event.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from alluse_hub.protocols import wire
from alluse_hub.protocols.children import FaultReported
from alluse_hub.protocols.effects import Core, Spawn
from alluse_hub.protocols.lifecycle import (
    IGNORE,
    KILLED,
    Booted,
    ChildEnded,
    ChildStart,
    ChildStarted,
    ChildUp,
    Failed,
    SupervisorSpec,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision import spool
from alluse_hub.supervision.processes import Process
from alluse_hub.supervision.spool import SpoolEntry, SpoolName
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.supervisor_state import Supervisor
from tests.otp.cast import WORKER
from tests.otp.live_cast import PARENT, SUPERVISOR_PLACE, WORDS
from tests.otp.reasons import reason_of
from tests.otp.world import CAUSES, OPERATOR, Event

RAISED = "error: Raised: "
"""How the shell tells an exception of the cast: the class stands before the text."""


class Told(NamedTuple):
    """One entry, sorted by when it was written."""

    at: float
    actor: str
    incarnation: int
    n: int
    entry: SpoolEntry


@dataclass(slots=True)
class Spools:
    """The reading end of all spools of a folder, as far as they are written."""

    folder: Path
    entries: list[Told] = field(default_factory=list)
    _read: dict[SpoolName, tuple[int, int]] = field(default_factory=dict)

    def look(self) -> bool:
        """Whether there was anything new."""
        before = len(self.entries)
        for name in spool.spools_in(self.folder):
            path = self.folder / str(name)
            offset, n = self._read.get(name, (0, 0))
            if path.stat().st_size == offset:
                continue
            found = spool.read(path, offset, n)
            assert not found.damaged, f"{path} is damaged behind entry {n}"
            self._read[name] = (found.offset, n + len(found.entries))
            self.entries += [Told(entry.at, *name, entry.n, entry) for entry in found.entries]
        return len(self.entries) > before


@dataclass(frozen=True, slots=True)
class Puppet:
    """One incarnation of an actor."""

    name: str
    incarnation: int
    core: Core[Any] = field(default=WORKER, compare=False)
    children: "dict[str, Puppet]" = field(default_factory=dict, compare=False)


Try = tuple[Puppet, str, int]
"""A supervisor, the name of its child, which life of it."""


class Story:
    """``ids``: what the scenario calls an actor.  ``letters``: what was written to supervisors, by letter.

    ``is_whole``: no entry told of what no other had told before; else it has to be read again.
    """

    def __init__(
        self, entries: Iterable[Told], ids: dict[str, str], tree: ChildStart, letters: dict[str, Message]
    ) -> None:
        self.ids = ids
        self.letters = letters
        self.events: list[Event] = []
        self.answers: list[Message] = []
        self.heard: set[str] = set()
        self.words: Counter[Puppet] = Counter()
        self.actors: dict[tuple[str, int], Puppet] = {}
        self.latest: dict[str, Puppet] = {}
        self.states: dict[Puppet, Supervisor] = {}
        self.processes: dict[Puppet, Process] = {}
        self.lives: dict[Try, int] = {}
        self.up: set[Puppet] = set()
        self.over: set[Puppet] = set()
        self.is_whole = True
        self._starts = {ROOT: tree}
        self._tries: dict[str, Try] = {}
        self._born: dict[Try, Puppet] = {}
        self._causes: dict[Puppet, str] = {}
        for told in sorted(entries):
            who = self.actors.get((told.actor, told.incarnation)) or self._begun(told.actor, told.incarnation)
            if not self.is_whole:
                return
            self._told(who, told.entry)

    def _begun(self, name: str, incarnation: int) -> Puppet:
        tried = self._tries.get(name)
        self.is_whole = self.is_whole and (name == PARENT or tried is not None)
        is_supervisor = name in self._starts and self._starts[name].actor == SUPERVISOR_PLACE
        who = Puppet(name, incarnation, SUPERVISOR if is_supervisor else WORKER)
        self.actors[name, incarnation] = self.latest[name] = who
        if tried is not None:
            self._born[tried] = who
            self.lives[tried] = incarnation
            tried[0].children[name] = who
        return who

    def _told(self, who: Puppet, entry: SpoolEntry) -> None:
        if entry.kind == EntryKind.HEARD:
            self._heard(who, entry)
        elif entry.kind == EntryKind.SENT and entry.to == OPERATOR:
            self.answers.append(wire.decode(entry.message, entry.body.replace(RAISED, "error: ")))
        elif entry.kind == EntryKind.FACT:
            self._recorded(who, entry)

    # --- facts --------------------------------------------------------------------------------------------------------

    def _recorded(self, who: Puppet, entry: SpoolEntry) -> None:
        if entry.message in CAUSES:
            self._causes[who] = CAUSES[entry.message]
        match wire.decode(entry.message, entry.body):
            case Booted(pid=pid, start_ticks=ticks):
                self.processes[who] = Process(pid, ticks, who.name)
                if who.core is SUPERVISOR:
                    spec = SupervisorSpec.model_validate(self._starts[who.name].spec)
                    self.states[who] = SUPERVISOR.start(who.name, spec)
                    self._happened("init", who)
            case Failed() if who not in self.processes and who.core is SUPERVISOR:
                self._happened("init", who)  # its specification was refused
            case ChildStarted(name=name, life=life):
                self._tries[name] = (who, name, life)
            case ChildEnded(name=name, life=life, cause=cause):
                child = self._born.get((who, name, life))
                if child is not None and child not in self.over:
                    self._ended(child, cause.replace(RAISED, "error: "))
            case FaultReported() as fact:
                self._reported(who, fact)

    def _ended(self, who: Puppet, cause: str) -> None:
        self.over.add(who)
        reason = reason_of(cause, self.ids.__getitem__)
        if who not in self.up and cause == IGNORE:
            self._happened("ignored", who)
        elif who not in self.up:
            self._happened("start_failed", who, reason=reason)
        elif who.core is SUPERVISOR:
            why = KILLED if reason == KILLED else self._causes.get(who, "parent")
            self._happened("exited", who, reason=reason, cause=why)
        else:
            self._happened("exited", who, reason=reason)
        for child in who.children.values():
            if child not in self.over:  # nobody was left to record it
                self._ended(child, KILLED)

    def _reported(self, who: Puppet, fact: FaultReported) -> None:
        report: Event = {
            "ev": "report",
            "sup": self.ids[who.name],
            "kind": fact.fault.value,
            "child": self.ids[fact.child],
            "reason": reason_of(fact.cause.replace(RAISED, "error: "), self.ids.__getitem__),
        }
        self.events.append(report | ({"children": fact.children} if fact.children > 1 else {}))

    def _happened(self, ev: str, who: Puppet, **more: object) -> None:
        self.events.append({"ev": ev, "id": self.ids[who.name], "inc": who.incarnation, **more})

    # --- letters ------------------------------------------------------------------------------------------------------

    def _heard(self, who: Puppet, entry: SpoolEntry) -> None:
        self.heard.add(entry.letter)
        if entry.message in WORDS:
            self.words[who] += 1
            return
        body = self.letters.get(entry.letter) or wire.decode(entry.message, entry.body or json.dumps({}))
        if isinstance(body, ChildUp):
            child = self._born.get((who, body.name, body.life))
            if child is None:
                self.is_whole = False
            elif child not in self.up | self.over:
                self.up.add(child)
                self._happened("started", child)
        if who in self.states and type(body) in SUPERVISOR.accepts:
            letter = Envelope(entry.letter or "", entry.to, who.name, body, entry.at)
            step = SUPERVISOR.decide(self.states[who], letter)
            self.states[who] = step.state
            self._starts |= {effect.name: effect.start for effect in step.effects if isinstance(effect, Spawn)}
