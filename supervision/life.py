"""One incarnation of an actor, from boot to end, whatever carries it.

The shell on Thespian and the simulation both drive this: letters in, one decision each, everything said and decided
written to the spool in one write, then the effects in order.  Nothing is decided here about the role, and nothing about
the carrier: that is behind ``Ports``.

The law it keeps: *write, then tell*.  What is not in the spool has not been sent.
"""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import (
    CancelWake,
    Commit,
    Core,
    Do,
    Effect,
    Kill,
    Record,
    Send,
    Spawn,
    Stop,
    Wake,
)
from alluse_hub.protocols.lifecycle import Booted, ChildStart, DeadLetter, Failed, PeerUp, Started, Woken
from alluse_hub.protocols.message import EntryId, Envelope, Fact, Json, Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.trail import EntryKind, Snapshot, Stored
from alluse_hub.supervision.outbox import Held, Outbox, split
from alluse_hub.supervision.pairs import Inbound
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.spool import Frame
from alluse_hub.supervision.timers import Timers

S = TypeVar("S")

UNKNOWN_MAX = 10_000
"""Letters kept for actors that have not been introduced yet; the oldest is dead-lettered beyond that."""

SNAPSHOT_EVERY = 2_000
"""Facts between two snapshots of a durable actor: about 0.1 s of recovery."""


INVALID = "invalid"
"""How the cause of an actor begins whose specification was refused; a word that says why follows."""

ANY_INCARNATION = 0
"""Addressed to whoever bears the name now: from outside the tree, where incarnations are not known."""


@dataclass(frozen=True, slots=True)
class Boot:
    """What an actor is told when it is born.  ``home`` is the hub's folder; ``reader`` the class path of the module
    that recovers facts; ``process`` says which process this is, for the trail."""

    name: str
    life: int
    spec: Json
    parent: str
    version: str = ""
    pid: int = 0
    start_ticks: int = 0


class SpoolPort(Protocol):
    """What a life needs of a spool."""

    actor: str
    incarnation: int
    n: int

    def write(self, frames: Sequence[Frame], at: float, wall: float) -> int: ...


class Ports(Protocol):
    """What carries a life."""

    def now(self) -> float: ...
    def wall(self) -> float: ...
    def post(self, to: str, parcel: Parcel) -> None: ...
    def spawn(self, name: str, life: int, start: ChildStart) -> None: ...
    def stop(self, name: str, reason: str, grace_s: float | None) -> None: ...
    def kill(self, name: str) -> None: ...
    def do(self, job: Message) -> None: ...
    def end(self, reason: str) -> None: ...
    def recover(self, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]: ...


@dataclass(slots=True)
class _Peer:
    """Another actor as seen from here: its incarnation, and how many letters it was sent."""

    incarnation: int
    sent: int = 0


@dataclass(slots=True)
class Life(Generic[S]):
    boot: Boot
    core: Core[S]
    spool: SpoolPort
    ports: Ports
    state: S = field(init=False)
    _spec: Message = field(init=False)
    _facts: int = 0
    _timers: Timers = field(default_factory=Timers)
    _timer_cause: dict[str, tuple[str, str]] = field(default_factory=dict)
    _inbound: Inbound[Parcel] = field(default_factory=Inbound)
    _outbox: Outbox = field(default_factory=Outbox)
    _peers: dict[str, _Peer] = field(default_factory=dict)
    _unknown: dict[str, deque[Parcel]] = field(default_factory=dict)
    _early: list[tuple[Message, str, str, str]] = field(default_factory=list)
    is_open: bool = False
    is_ended: bool = False

    # --- birth -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Recover, say so, and take the first letter.  What came in meanwhile is heard after it."""
        if self.core.refuses is not None and (wrong := self.core.refuses(self.boot.spec)):
            self.failed(f"{INVALID}: {wrong}")
            self.ports.end(f"{INVALID}: {wrong}")
            return
        self._spec = self.core.spec.model_validate(self.boot.spec)
        self.state = self.core.start(self.boot.name, self._spec)
        recovered = self._recover()
        booted = Booted(
            pid=self.boot.pid,
            start_ticks=self.boot.start_ticks,
            parent=self.boot.parent,
            version=self.boot.version,
        )
        self._write([_fact(booted)])
        self.is_open = True
        self._turn(Started(incarnation=self.spool.incarnation, recovered=recovered), self.boot.name, "", "", "")
        early, self._early = self._early, []
        for body, sender, letter, cause in early:
            self._turn(body, sender, letter, cause, "")

    def _recover(self) -> int:
        """Fold what earlier incarnations left; the number of facts folded."""
        if self.core.evolve is None:
            return 0
        snapshot, facts = self.ports.recover(frozenset(kind.__name__ for kind in self.core.facts))
        if snapshot is not None:
            kept: S = _adapter(self.state).validate_json(json.dumps(snapshot))
            self.state = kept if self.core.restore is None else self.core.restore(self.state, kept)
        for kind, body in facts:
            fact = wire.decode(kind, body)
            assert isinstance(fact, Fact), f"{kind} is in the trail as a fact"
            self.state = self.core.evolve(self.state, fact)
        self._facts = len(facts)
        return len(facts)

    # --- letters in ------------------------------------------------------------------------------------------------

    def hear(self, parcel: Parcel) -> None:
        """A letter from another actor.  For another incarnation of this one: not for us, and not an error."""
        if self.is_ended or parcel.to_incarnation not in {ANY_INCARNATION, self.spool.incarnation}:
            return
        for ready in self._inbound.take(parcel.sender, parcel.incarnation, parcel.number, parcel, self.ports.now()):
            self._unpack(ready)

    def _unpack(self, parcel: Parcel) -> None:
        if self.is_ended:
            return
        if parcel.kind == Stored.__name__:
            self._stored(parcel)
            return
        body = wire.decode(parcel.kind, parcel.body)
        self._turn(body, parcel.sender, parcel.id, parcel.cause, parcel.correlation)

    def said(self, message: Message) -> None:
        """A word from the actor's own worker, or from its shell about a child."""
        if self.is_ended:
            return
        if not self.is_open:
            self._early.append((message, self.boot.name, "", ""))
            return
        self._turn(message, self.boot.name, "", "", "")

    def _stored(self, parcel: Parcel) -> None:
        word = wire.decode(parcel.kind, parcel.body)
        assert isinstance(word, Stored), "the kind says so"
        self._write([Frame(EntryKind.HEARD, parcel.kind, b"", parcel.sender, parcel.id, parcel.cause)])
        if word.incarnation == self.spool.incarnation:
            self.committed(word.n)

    def committed(self, n: int) -> None:
        """This incarnation's entries up to ``n`` are on disk: the effects that waited for them go out."""
        for held in self._outbox.released(n):
            self._go_on(held)

    def introduce(self, name: str, incarnation: int) -> None:
        """``name`` can be written to; a newer incarnation than the one known is told to the core."""
        known = self._peers.get(name)
        if known is not None and incarnation <= known.incarnation:
            return
        self._peers[name] = _Peer(incarnation)
        for parcel in self._unknown.pop(name, ()):
            self._post(name, parcel)
        if name != self.boot.name and PeerUp in self.core.accepts and self._heeds(name):
            peer_up = PeerUp(name=name, incarnation=incarnation)
            if self.is_open and not self.is_ended:
                self._turn(peer_up, ROOT, "", "", "")
            elif not self.is_open:
                self._early.append((peer_up, ROOT, "", ""))

    def _heeds(self, name: str) -> bool:
        return not self.is_open or self.core.heeds is None or self.core.heeds(self.state, name)

    def tick(self) -> None:
        """Time has passed: letters that waited too long for another, and timers that are due."""
        for parcel in self._inbound.overdue(self.ports.now()):
            self._unpack(parcel)
        while not self.is_ended and (timer := self._timers.due(self.ports.now())) is not None:
            cause, correlation = self._timer_cause.pop(timer, ("", ""))
            self._turn(Woken(timer=timer), self.boot.name, "", cause, correlation)

    def next_wake(self) -> float | None:
        """Hub time at which ``tick`` has something to do; None if never."""
        waits = [at for at in (self._timers.next_due(), self._inbound.next_overdue()) if at is not None]
        return min(waits) if waits else None

    # --- a turn ----------------------------------------------------------------------------------------------------

    def _turn(self, body: Message, sender: str, letter: str, cause: str, correlation: str) -> None:
        own = f"{self.boot.name}/{self.spool.incarnation}/{self.spool.n + 1}"
        envelope = Envelope(
            id=letter or own,
            sender=sender,
            to=self.boot.name,
            body=body,
            at=self.ports.now(),
            cause=cause,
            correlation=correlation or letter or own,
        )
        receipt = Frame(
            EntryKind.HEARD,
            wire.kind_of(body),
            b"" if letter else wire.encode(body.for_trail()),
            sender,
            letter,
            cause,
            envelope.correlation,
        )
        if type(body) not in self.core.accepts:
            why = f"{self.boot.name} does not take it"
            self._write([receipt, _fact(DeadLetter(to=self.boot.name, kind=receipt.message, why=why))])
            return
        decision = self.core.decide(self.state, envelope)
        now, rest = split(decision.effects)
        numbered = self._write([receipt], now, envelope.id, envelope.correlation)
        self.state = decision.state
        if rest:
            self._outbox.hold(Held(self.spool.n, rest, envelope.id, envelope.correlation))
        self._perform(numbered, envelope.id, envelope.correlation)
        if self._facts >= SNAPSHOT_EVERY and not len(self._outbox) and not self.is_ended:
            self._take_snapshot()

    def _take_snapshot(self) -> None:
        """By the law of durable actors the live state is what the facts make, as soon as none of them waits."""
        self._facts = 0
        if self.core.evolve is not None:
            fresh = self.core.start(self.boot.name, self._spec)
            kept = self.state if self.core.restore is None else self.core.restore(fresh, self.state)
            self._write([_fact(Snapshot(state=_adapter(kept).dump_python(kept, mode="json")))])

    def _go_on(self, held: Held) -> None:
        now, rest = split(held.effects)
        numbered = self._write([], now, held.cause, held.correlation)
        if rest:
            self._outbox.hold(Held(self.spool.n, rest, held.cause, held.correlation))
        self._perform(numbered, held.cause, held.correlation)

    def _write(
        self, frames: list[Frame], effects: Sequence[Effect] = (), cause: str = "", correlation: str = ""
    ) -> list[tuple[Effect, str, bytes]]:
        """Everything of a turn in one write; returns the effects to perform, each with its entry's id and body."""
        numbered: list[tuple[Effect, str, bytes]] = []
        for effect in effects:
            entry = str(EntryId(self.boot.name, self.spool.incarnation, self.spool.n + len(frames) + 1))
            match effect:
                case Send(to=to, message=message):
                    if self._outbox.is_overtaken(effect):
                        late = DeadLetter(to=to, kind=wire.kind_of(message), why="a later directive overtook it")
                        frames.append(_fact(late, cause, correlation))
                        continue
                    body = wire.encode(message)
                    shown = message.for_trail()
                    kept = body if shown is message else wire.encode(shown)
                    frames.append(Frame(EntryKind.SENT, wire.kind_of(message), kept, to, "", cause, correlation))
                    numbered.append((effect, entry, body))
                case Record(fact=fact) | Commit(fact=fact):
                    frames.append(_fact(fact, cause, correlation, power=isinstance(effect, Commit)))
                    self._facts += type(fact) in self.core.facts
                case Do(job=job):
                    kept = wire.encode(job.for_trail())
                    frames.append(Frame(EntryKind.DID, wire.kind_of(job), kept, "", "", cause, correlation))
                    numbered.append((effect, entry, b""))
                case _:
                    numbered.append((effect, entry, b""))
        if frames:
            self.spool.write(frames, self.ports.now(), self.ports.wall())
        return numbered

    def _perform(self, numbered: list[tuple[Effect, str, bytes]], cause: str, correlation: str) -> None:
        for effect, entry, body in numbered:
            match effect:
                case Send(to=to, message=message):
                    kind = wire.kind_of(message)
                    own = self.spool.incarnation
                    self._post(to, Parcel(entry, self.boot.name, own, to, 0, 0, kind, body, cause, correlation))
                case Wake(timer=timer, after_s=after_s):
                    self._timers.set(timer, self.ports.now() + after_s)
                    self._timer_cause[timer] = (cause, correlation)
                case CancelWake(timer=timer):
                    self._timers.cancel(timer)
                    self._timer_cause.pop(timer, None)
                case Do(job=job):
                    self.ports.do(job)
                case Spawn(name=name, life=life, start=start):
                    self.ports.spawn(name, life, start)
                case Stop(name=name, reason=reason) if name == self.boot.name:
                    self.is_ended = True
                    self.ports.end(reason)
                case Stop(name=name, reason=reason, grace_s=grace_s):
                    self.ports.stop(name, reason, grace_s)
                case Kill(name=name):
                    self.ports.kill(name)

    def _post(self, to: str, parcel: Parcel) -> None:
        peer = self._peers.get(to)
        if peer is None:
            waiting = self._unknown.setdefault(to, deque())
            waiting.append(parcel)
            if len(waiting) > UNKNOWN_MAX:
                lost = waiting.popleft()
                self._write([_fact(DeadLetter(to=to, kind=lost.kind, why="nobody of that name was introduced"))])
            return
        peer.sent += 1
        self.ports.post(to, parcel._replace(to_incarnation=peer.incarnation, number=peer.sent))

    @property
    def is_ready(self) -> bool:
        """Whether the supervisor may count the actor as up."""
        return self.is_open and not self.is_ended and (self.core.ready is None or self.core.ready(self.state))

    # --- death -----------------------------------------------------------------------------------------------------

    def failed(self, error: str) -> None:
        """The last entry of a life that raised."""
        self.is_ended = True
        self._write([_fact(Failed(letter="", error=error[:4_000]))])

    @property
    def held_turns(self) -> int:
        return len(self._outbox)


def _fact(fact: Fact, cause: str = "", correlation: str = "", *, power: bool = False) -> Frame:
    body = wire.encode(fact.for_trail())
    return Frame(EntryKind.FACT, wire.kind_of(fact), body, "", "", cause, correlation, power)


def _adapter(state: S) -> TypeAdapter[Any]:  # the state's class is known only at run time
    return TypeAdapter(type(state))
