"""One incarnation of an actor, from boot to end, whatever carries it.

The shell on Thespian and the simulation both drive this: letters in, one decision each, everything said and decided
written to the spool in one write, then the effects in order.  Nothing is decided here about the role, and nothing about
the carrier: that is behind ``Ports``.

The law it keeps: *write, then tell*.  What is not in the spool has not been sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

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
    Terminate,
    Wake,
    Watch,
)
from alluse_hub.protocols.lifecycle import Booted, DeadLetter, Failed, PeerUp, Started, StopAsked, Woken
from alluse_hub.protocols.message import EntryId, Envelope, Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.quarantine import DiedInHand, LetterSetAside, Suspect
from alluse_hub.protocols.trail import EntryKind, Stored
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.frames import fact_frame as _fact
from alluse_hub.supervision.inhand import EXEMPT, Hand
from alluse_hub.supervision.origins import UNKNOWN, Origin, Origins, unwrapped
from alluse_hub.supervision.outbox import Held, Outbox, split
from alluse_hub.supervision.pairs import Inbound
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.peers import Peers
from alluse_hub.supervision.ports import Ports, SpoolPort
from alluse_hub.supervision.recovery import recovered, snapshot_of
from alluse_hub.supervision.scarcity import Scarcity, Waiting
from alluse_hub.supervision.spool import Frame, SpoolFullError
from alluse_hub.supervision.timers import Timers

S = TypeVar("S")

SNAPSHOT_EVERY = 2_000
"""Facts between two snapshots of a durable actor: about 0.1 s of recovery."""

INVALID = "invalid"
"""How the cause of an actor begins whose specification was refused; a word that says why follows."""

ANY_INCARNATION = 0
"""Addressed to whoever bears the name now: from outside the tree, where incarnations are not known."""


@dataclass(slots=True)
class Life(Generic[S]):
    boot: Boot
    core: Core[S]
    spool: SpoolPort
    ports: Ports
    hand: Hand = field(default_factory=Hand.forgetful)
    state: S = field(init=False)
    _spec: Message = field(init=False)
    _facts: int = 0
    _timers: Timers = field(default_factory=Timers)
    _scarce: Scarcity = field(default_factory=Scarcity)
    _origins: Origins = field(default_factory=Origins)
    _inbound: Inbound[Parcel] = field(default_factory=Inbound)
    _outbox: Outbox = field(default_factory=Outbox)
    _peers: Peers = field(default_factory=Peers)
    _early: list[tuple[Message, str, Origin]] = field(default_factory=list)
    _in_hand: str = ""  # the letter whose turn it is
    _receipt: Frame | None = None  # of that letter, until it is written
    _heard_at: float | None = None  # and when it was heard
    _owed: Origin = UNKNOWN  # what a failure now is due to: the birth until it is up, the order once it is to end
    _is_new: bool = True  # not up yet
    registered_as: Origin = UNKNOWN  # what a newborn names as the cause when it makes itself known
    farewell: Origin = UNKNOWN  # of its own end: the entry in which it decided to end, or failed
    is_open: bool = False
    is_ended: bool = False

    # --- birth -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Recover, say so, and take the first letter.  What came in meanwhile is heard after it."""
        if self.core.refuses is not None and (wrong := self.core.refuses(self.boot.spec)):
            self.failed(f"{INVALID}: {wrong}")
            self.ports.end(f"{INVALID}: {wrong}")
            return
        self._origins.answers = self.core.answers or {}
        self._spec = self.core.spec.model_validate(self.boot.spec)
        self.state = self.core.start(self.boot.name, self._spec)
        recovered = self._recover()
        me = self.boot
        booted = Booted(
            pid=me.pid, start_ticks=me.start_ticks, parent=me.parent, version=me.version, actor=me.actor, spec=me.spec
        )
        born = self._owed = me.origin
        over = self.hand.died_over
        died = [] if over is None else [_fact(DiedInHand(name=self.boot.name, suspect=over))]
        self._write([_fact(booted, *born), *died])
        self.is_open = True
        self.registered_as = Origin(self._next_id, born.correlation or self._next_id)
        self._turn(Started(incarnation=self.spool.incarnation, recovered=recovered), self.boot.name, "", *born)
        early, self._early = self._early, []
        for body, sender, origin in early:
            self._turn(body, sender, "", *origin)

    def _recover(self) -> int:
        """Fold what earlier incarnations left; the number of facts folded."""
        if self.core.evolve is None or not (self.core.recovers is None or self.core.recovers(self.state)):
            return 0
        snapshot, facts = self.ports.recover(frozenset(kind.__name__ for kind in self.core.facts))
        self.state = recovered(self.core, self.state, snapshot, facts)
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
        self._turn(body, parcel.sender, parcel.id, parcel.cause, parcel.correlation, parcel.body)

    def said(self, message: Message, origin: Origin = UNKNOWN) -> None:
        """A word from the actor's own worker, or from its shell about a child; ``origin`` if that knows it.  One
        without a correlation is no more than what was in hand."""
        if self.is_ended:
            return
        known = self._origins.of_word(message)
        if not origin.correlation and known.cause:
            origin = known
        if type(message) is StopAsked:
            self._owed = origin
        if not self.is_open:
            self._early.append((message, self.boot.name, origin))
            return
        self._turn(message, self.boot.name, "", *origin)

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

    def introduce(self, name: str, incarnation: int, origin: Origin = UNKNOWN) -> None:
        """``name`` can be written to; a newer incarnation than the one known is told to the core."""
        if not self._peers.meet(name, incarnation):
            return
        for parcel in self._peers.waited(name):
            self._post(name, parcel)
        if name != self.boot.name and PeerUp in self.core.accepts and self._heeds(name):
            peer_up = PeerUp(name=name, incarnation=incarnation)
            if self.is_open and not self.is_ended:
                self._turn(peer_up, ROOT, "", *origin)
            elif not self.is_open:
                self._early.append((peer_up, ROOT, origin))

    def _heeds(self, name: str) -> bool:
        return not self.is_open or self.core.heeds is None or self.core.heeds(self.state, name)

    def tick(self) -> None:
        """Time has passed: letters that waited too long for another, and timers that are due."""
        for parcel in self._inbound.overdue(self.ports.now()):
            self._unpack(parcel)
        for letter in self._scarce.due(self.spool, self.ports):
            if not self.is_ended:
                self._turn(*letter)
        while not (self.is_ended or self._scarce.holds) and (timer := self._timers.due(self.ports.now())) is not None:
            self._turn(Woken(timer=timer), self.boot.name, "", *self._origins.timer_woke(timer))
            self._origins.timer_handled()

    def next_wake(self) -> float | None:
        """Hub time at which ``tick`` has something to do; None if never."""
        timer = None if self._scarce.holds else self._timers.next_due()
        waits = [at for at in (timer, self._inbound.next_overdue(), self._scarce.next_retry) if at is not None]
        return min(waits) if waits else None

    # --- a turn ----------------------------------------------------------------------------------------------------

    def _turn(
        self, body: Message, sender: str, letter: str, cause: str, correlation: str, encoded: bytes = b""
    ) -> None:
        waiting = Waiting(body, sender, letter, cause, correlation, encoded)
        if self._scarce.keeps_back(waiting, self.ports.now()):
            return
        own = self._next_id
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
            b"" if letter else wire.for_record(body),
            sender,
            letter,
            cause,
            envelope.correlation,
        )
        if type(body) not in self.core.accepts:
            why = f"{self.boot.name} does not take it"
            self._write([receipt, _fact(DeadLetter(to=self.boot.name, kind=receipt.message, why=why))])
            return
        if type(body) not in EXEMPT:
            poison = self.hand.take(sender, receipt.message, encoded or receipt.body, envelope.id, envelope.at)
            if poison is not None:
                self._set_aside(receipt, envelope.id, poison)
                return
        self._in_hand, self._receipt, self._heard_at = envelope.id, receipt, envelope.at
        decision = self.core.decide(self.state, envelope)
        now, rest = split(decision.effects)
        try:
            numbered = self._write([receipt], now, Origin(envelope.id, envelope.correlation), envelope.at)
        except SpoolFullError:
            self._in_hand, self._receipt = "", None
            self.hand.put_down()
            self._scarce.wait(waiting, envelope.at)
            told = self.core.unrecorded(self.state, envelope, self._scarce.why) if self.core.unrecorded else ()
            self._perform([(effect, "", b"") for effect in told], envelope.id, envelope.correlation)
            return
        self._receipt = None
        self.state = decision.state
        if rest:
            self._outbox.hold(Held(self.spool.n, rest, envelope.id, envelope.correlation))
        self._perform(numbered, envelope.id, envelope.correlation)
        self._in_hand = ""
        self.hand.put_down()
        if self._is_new and self.is_ready:
            self._is_new, self._owed = False, UNKNOWN
        if self._facts >= SNAPSHOT_EVERY and not (len(self._outbox) or self._scarce.why or self.is_ended):
            self._take_snapshot()

    def _set_aside(self, receipt: Frame, letter: str, poison: Suspect) -> None:
        why = f"in quarantine: {len(poison.deaths)} incarnations of {self.boot.name} died over it"
        frames = [receipt, _fact(DeadLetter(to=self.boot.name, kind=poison.kind, why=why), letter)]
        if self.hand.is_news(poison):
            frames.append(_fact(LetterSetAside(name=self.boot.name, letter=letter, suspect=poison), letter))
        self._write(frames)

    def _take_snapshot(self) -> None:
        self._facts = 0
        if self.core.evolve is not None:
            fresh = self.core.start(self.boot.name, self._spec)
            self._write([_fact(snapshot_of(self.core, fresh, self.state))])

    def _go_on(self, held: Held) -> None:
        now, rest = split(held.effects)
        numbered = self._write([], now, Origin(held.cause, held.correlation))
        if rest:
            self._outbox.hold(Held(self.spool.n, rest, held.cause, held.correlation))
        self._perform(numbered, held.cause, held.correlation)

    def _write(
        self, frames: list[Frame], effects: Sequence[Effect] = (), turn: Origin = UNKNOWN, at: float | None = None
    ) -> list[tuple[Effect, str, bytes]]:
        """Everything of a turn in one write; returns the effects to perform, each with its entry's id and body.
        ``at``: the time that the core was told, so that it can be told it again; such a turn may wait for space."""
        numbered: list[tuple[Effect, str, bytes]] = []
        own = f"{self.boot.name}/{self.spool.incarnation}"
        for whole in effects:
            effect, (cause, correlation) = unwrapped(whole, turn)
            entry = f"{own}/{self.spool.n + len(frames) + 1}"
            match effect:
                case Send(to=to, message=message):
                    if self._outbox.is_overtaken(effect):
                        late = DeadLetter(to=to, kind=wire.kind_of(message), why="a later directive overtook it")
                        frames.append(_fact(late, cause, correlation))
                        continue
                    body = wire.encode(message)
                    kept = wire.for_record(message, body)
                    frames.append(Frame(EntryKind.SENT, wire.kind_of(message), kept, to, "", cause, correlation))
                    numbered.append((whole, entry, body))
                case Record(fact=fact) | Commit(fact=fact):
                    frames.append(_fact(fact, cause, correlation, power=isinstance(effect, Commit)))
                    self._facts += type(fact) in self.core.facts
                case Do(job=job):
                    kept = wire.for_record(job)
                    frames.append(Frame(EntryKind.DID, wire.kind_of(job), kept, "", "", cause, correlation))
                    numbered.append((whole, entry, b""))
                case _:
                    numbered.append((whole, entry, b""))
        now, wall = self.ports.now() if at is None else at, self.ports.wall()
        if frames and not self._scarce.write(self.spool, frames, now, wall, can_wait=at is not None):
            return [(effect, "", body) for effect, _, body in numbered]
        return numbered

    def _perform(self, numbered: list[tuple[Effect, str, bytes]], cause: str, correlation: str) -> None:
        turn = Origin(cause, correlation)
        for whole, entry, body in numbered:
            effect, origin = unwrapped(whole, turn)
            match effect:
                case Send(to=to, message=message):
                    kind = wire.kind_of(message)
                    own = self.spool.incarnation
                    self._post(to, Parcel(entry, self.boot.name, own, to, 0, 0, kind, body, *origin))
                case Wake(timer=timer, after_s=after_s):
                    self._timers.set(timer, self.ports.now() + after_s)
                    self._origins.timer_set(timer, origin)
                case CancelWake(timer=timer):
                    self._timers.cancel(timer)
                    self._origins.timer_cancelled(timer)
                case Do(job=job):
                    self._origins.job_given(type(job), origin)
                    self.ports.do(job)
                case Spawn(name=name, life=life, start=start):
                    self._origins.child_spawned(name, origin)
                    self.ports.spawn(name, life, start)
                case Stop(name=name, reason=reason) if name == self.boot.name:
                    self.is_ended = True
                    self.farewell = origin
                    self.ports.end(reason)
                case Stop(name=name, reason=reason, grace_s=grace_s, left_s=left_s):
                    self._origins.child_ordered_to_end(name, origin)
                    self.ports.stop(name, reason, grace_s, left_s)
                case Kill(name=name):
                    self._origins.child_ordered_to_end(name, origin)
                    self.ports.kill(name)
                case Terminate(name=name):
                    self._origins.child_ordered_to_end(name, origin)
                    self.ports.terminate(name)
                case Watch(name=name, liveness=liveness):
                    self.ports.watch_over(name, liveness)

    def _post(self, to: str, parcel: Parcel) -> None:
        addressed = self._peers.addressed(to, parcel)
        if addressed is not None:
            self.ports.post(to, addressed)
        elif (lost := self._peers.too_many(to)) is not None:
            self._write([_fact(DeadLetter(to=to, kind=lost.kind, why="nobody of that name was introduced"))])

    @property
    def _next_id(self) -> str:
        """Of the entry that is written next."""
        return f"{self.boot.name}/{self.spool.incarnation}/{self.spool.n + 1}"

    def of_child(self, name: str) -> Origin:
        """Of what was last done about that child: who carries the life says it to the child."""
        return self._origins.of_child(name)

    @property
    def degraded(self) -> str:
        """Why it is not as it should be, though up; empty if it is."""
        own = "" if self.core.degraded is None or not self.is_open else self.core.degraded(self.state)
        return "; ".join(why for why in (self._scarce.told, own) if why)

    @property
    def is_ready(self) -> bool:
        """Whether the supervisor may count the actor as up."""
        return self.is_open and not self.is_ended and (self.core.ready is None or self.core.ready(self.state))

    # --- death -----------------------------------------------------------------------------------------------------

    def failed(self, error: str) -> None:
        """The last entry of a life that raised; before it the receipt of the letter in hand, if that is not written."""
        self.is_ended = True
        frames = [] if self._receipt is None else [self._receipt]
        own = str(EntryId(self.boot.name, self.spool.incarnation, self.spool.n + len(frames) + 1))
        self.farewell = Origin(own, self._owed.correlation or own)
        fact = Failed(letter=self._in_hand, error=error[:4_000])
        told = _fact(fact, self._in_hand or self._owed.cause, self.farewell.correlation)
        self._write([*frames, told], at=self._heard_at if frames else None)

    @property
    def last_word(self) -> Message | None:
        return None if self.core.last_word is None else self.core.last_word(self.state)
