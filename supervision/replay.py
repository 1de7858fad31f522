"""Replay: the letters that an incarnation heard, run through its core again, and held against what it did then.

A core is pure, so the same letters give the same decisions.  From the specification in ``Booted``, the facts that it
recovered and each letter with its time, everything that ``Life`` wrote can be told in advance: facts, letters, jobs,
in their order, with what led to them; what waits behind a ``Commit`` comes later, in the order of the waiting.  Timers
that come up must have been set, and a snapshot must be the state.  The first thing that is otherwise ends the replay of
that incarnation, since what follows rests on another state.

What no entry tells is not judged: children that are started and ended (their own entries tell of that), and timers that
never came up.

Pure: entries are handed in one after the other, and nothing of them is kept but the state.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pydantic_core import from_json

from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Because, CancelWake, Core, Effect, Wake
from alluse_hub.protocols.errors import CallerError, HubError
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.lifecycle import Booted, DeadLetter, Failed, Started, Woken
from alluse_hub.protocols.message import Envelope, Fact, Json, Message
from alluse_hub.protocols.personal import MARK, has_sealed
from alluse_hub.protocols.quarantine import DiedInHand, LetterSetAside
from alluse_hub.protocols.scarcity import SpoolGap
from alluse_hub.protocols.trail import EntryKind, Snapshot, Stored
from alluse_hub.protocols.whole import NotWholeError, whole
from alluse_hub.supervision.judgement import Difference, Judgement
from alluse_hub.supervision.origins import Origin
from alluse_hub.supervision.outbox import Outbox, split
from alluse_hub.supervision.recovery import recovered
from alluse_hub.supervision.relive import Relived
from alluse_hub.supervision.sayings import (
    PERFORMED,
    Said,
    fact_said,
    is_disk_failure,
    is_of_shell,
    is_quarantine,
    is_same,
    is_silent,
    said_by,
    what_differs,
)
from alluse_hub.supervision.spool import SpoolEntry

ROUNDING_S = 1e-6
"""A timer may seem to come up this much early: its time is a sum."""

ERROR_CHARS = 300
"""As much of an error is told."""


class Material(Protocol):
    """What else the trail holds."""

    def letter(self, entry_id: str) -> tuple[str, str] | None:
        """Kind and body of a letter as its sender wrote it down; None if that is not there."""

    def event(self, event_id: str) -> Event:
        """Raises LookupError if it is not there."""


Recover = Callable[[frozenset[str]], tuple[Json | None, Sequence[tuple[str, bytes]]]]
"""The latest snapshot of earlier incarnations, and their facts of these kinds since."""

CoreOf = Callable[[str], Core[Any] | None]
"""The core of a class path; None if this version knows none.  Each has a state of its own."""


def replayed(
    actor: str, incarnation: int, entries: Iterable[SpoolEntry], core_of: CoreOf, recover: Recover, material: Material
) -> Judgement:
    """``entries``: all of that incarnation, in order; if they end too early, that is not held against it."""
    judgement = Judgement(actor, incarnation)
    for _ in replaying(judgement, entries, core_of, recover, material):
        pass
    return judgement


def replaying(
    judgement: Judgement, entries: Iterable[SpoolEntry], core_of: CoreOf, recover: Recover, material: Material
) -> Iterator[Relived]:
    """As ``replayed``, into a judgement without any yet, for whoever asks what else could have been decided: each
    letter that was decided on again, and as it was then, before the next is."""
    run: _Run | None = None
    for receipt, rest, is_last in _turns(judgement, entries):
        judgement.letters += receipt is not None and receipt.message != Stored.__name__
        if judgement.difference is not None:
            _unless_recorded_in_part(judgement, judgement.difference, rest)
        if judgement.difference is not None or judgement.unknown:
            continue
        try:
            _unless_sealed(judgement, rest if receipt is None else (receipt, *rest))
            if receipt is None:
                run = _born(judgement, rest, core_of, recover, material)
            elif run is not None:
                lived = run.turn(receipt, rest, is_last=is_last)
                if lived is not None:
                    yield lived
        except _DiffersError as differs:
            judgement.difference = differs.difference
        except NotWholeError as missing:
            _give_up(judgement, rest[0] if receipt is None else receipt, str(missing))


def _give_up(judgement: Judgement, entry: SpoolEntry, why: str) -> None:
    judgement.unknown = why
    judgement.unknown_from = f"{judgement.actor}/{judgement.incarnation}/{entry.n}"


def _unless_sealed(judgement: Judgement, entries: Iterable[SpoolEntry]) -> None:
    """What could not be opened is of an erased subject, or its key is not here."""
    for entry in entries:
        if MARK in entry.body and has_sealed(from_json(entry.body)):
            name = f"{judgement.actor}/{judgement.incarnation}/{entry.n}"
            raise NotWholeError(f"{name} has a sealed field that nobody can open here: erased, or without its key")


def _unless_all_is_recorded(entry: SpoolEntry) -> None:
    """While the disk was full, telemetry was handled without an entry: nobody knows what the core made of it."""
    gap = from_json(entry.body)
    if gap["unrecorded"]:
        count = sum(gap["unrecorded"].values())
        raise NotWholeError(f"{count} entries were not written before this one: {gap['why']}")


def _unless_recorded_in_part(judgement: Judgement, found: Difference, rest: list[SpoolEntry]) -> None:
    """A difference from the time of such a gap, of which the trail tells only afterwards, is none."""
    for entry in rest:
        if entry.message == SpoolGap.__name__ and from_json(entry.body)["since"] <= found.at:
            try:
                _unless_all_is_recorded(entry)
            except NotWholeError as missing:
                judgement.difference = None
                judgement.unknown, judgement.unknown_from = str(missing), found.entry


def _turns(
    judgement: Judgement, entries: Iterable[SpoolEntry]
) -> Iterator[tuple[SpoolEntry | None, list[SpoolEntry], bool]]:
    """A receipt, what follows it until the next, and whether nothing more comes; before the first there is none.  From
    a gap on nothing can be judged."""
    receipt: SpoolEntry | None = None
    rest: list[SpoolEntry] = []
    heard = EntryKind.HEARD.value
    due = 1
    for entry in entries:
        n = entry.n
        if n != due and not judgement.unknown:
            _give_up(judgement, entry, f"entry {due} is not in the trail")
        due = n + 1
        if entry.kind == heard:
            if receipt is not None or rest:
                yield receipt, rest, False
            receipt, rest = entry, []
        else:
            rest.append(entry)
    if receipt is not None or rest:
        yield receipt, rest, True


def _born(
    judgement: Judgement, first: list[SpoolEntry], core_of: CoreOf, recover: Recover, material: Material
) -> "_Run | None":
    """None for one that was refused its specification, or could not recover."""
    if first[0].message == Failed.__name__:
        return None
    try:
        booted = wire.decode(first[0].message, first[0].body)
    except CallerError as error:
        raise NotWholeError(str(error)) from error
    if not isinstance(booted, Booted) or not booted.actor:
        raise NotWholeError("it was recorded before specifications were")
    judgement.version = booted.version
    core = core_of(booted.actor)
    if core is None:
        raise NotWholeError(f"{booted.actor} is no actor of this version")
    try:
        fresh = core.start(judgement.actor, core.spec.model_validate(booted.spec))
        state, folded = recovered_by(core, fresh, recover)
    except (ValueError, HubError) as error:
        raise NotWholeError(f"it cannot be started as it was: {error}") from error
    run = _Run(judgement, core, fresh, state, folded, material)
    run.after([entry for entry in first[1:] if entry.message != DiedInHand.__name__], is_last=False)
    return run


def recovered_by(core: Core[Any], fresh: Any, recover: Recover) -> tuple[Any, int]:  # each core has a state of its own
    """As a life does when it opens: the state, and the number of facts that were folded."""
    if core.evolve is None or not (core.recovers is None or core.recovers(fresh)):
        return fresh, 0
    snapshot, facts = recover(frozenset(kind.__name__ for kind in core.facts))
    return recovered(core, fresh, snapshot, facts), len(facts)


class _DiffersError(Exception):
    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.why)
        self.difference = difference


class _Held(NamedTuple):
    """The rest of a turn that waits for its commit; ``at``: when it was decided, and so before it goes on."""

    effects: tuple[Effect, ...]
    turn: Origin
    at: float


@dataclass(slots=True)
class _Run:
    """One incarnation on its way through what it heard."""

    judgement: Judgement
    core: Core[Any]  # each core has a state of its own
    fresh: Any
    state: Any
    folded: int
    material: Material
    receipt: SpoolEntry | None = None  # of the letter in hand
    letter: str = ""
    last: int = 0  # the number of the last entry that was met
    held: deque[_Held] = field(default_factory=deque)
    timers: dict[str, float] = field(default_factory=dict)  # when each comes up at the earliest
    outbox: Outbox = field(default_factory=Outbox)

    def turn(self, receipt: SpoolEntry, rest: list[SpoolEntry], *, is_last: bool) -> Relived | None:
        """None for what its core did not hear, or failed on.  Raises _DiffersError, and NotWholeError for a letter that
        the trail does not hold."""
        self.receipt, self.last = receipt, receipt.n
        self.letter = receipt.letter or self._id(receipt.n)
        if receipt.message == Stored.__name__:
            self.after(rest, is_last=is_last)
            return None
        if rest and is_quarantine(rest[0]):
            self.judgement.set_aside += 1
            del rest[: 2 if len(rest) > 1 and rest[1].message == LetterSetAside.__name__ else 1]
            self.after(rest, is_last=is_last)
            return None
        body = self._body(receipt, rest)
        lived: Relived | None = None
        if type(body) not in self.core.accepts:
            why = f"{self.judgement.actor} does not take it"
            said = [fact_said(DeadLetter(to=self.judgement.actor, kind=receipt.message, why=why), Origin())]
            self.after(self._met(said, rest, is_last=is_last), is_last=is_last)
        else:
            self._expected_letter(body, receipt)
            lived = self._decide(body, receipt, rest, is_last=is_last)
        self.judgement.judged += 1
        return lived

    def _body(self, receipt: SpoolEntry, rest: list[SpoolEntry]) -> Message:
        kind, text = receipt.message, receipt.body
        if receipt.letter:
            sent = self.material.letter(receipt.letter)
            if sent is None:
                raise NotWholeError(f"the letter {receipt.letter} is not in the trail")
            kind, text = sent
            if kind != receipt.message:
                why = f"{receipt.letter} is a {kind}, and was heard as a {receipt.message}"
                raise _DiffersError(self._difference(None, None, why))
        return whole(kind, text, self.material.event, lambda: self._facts_in(rest))

    def _facts_in(self, rest: list[SpoolEntry]) -> list[Fact]:
        own = [entry for entry in rest if entry.kind == EntryKind.FACT and entry.cause == self.letter]
        facts = [wire.decode(entry.message, entry.body) for entry in own]
        return [fact for fact in facts if isinstance(fact, Fact)]

    def _expected_letter(self, body: Message, receipt: SpoolEntry) -> None:
        """What the shell says itself, as far as it can be known."""
        match body:
            case Started(recovered=folded) if folded != self.folded:
                why = f"it recovered {folded} facts, and {self.folded} are in the trail"
                raise _DiffersError(self._difference(None, None, why))
            case Woken(timer=timer):
                due = self.timers.pop(timer, None)
                if due is None:
                    self._release_the_silent()
                    due = self.timers.pop(timer, None)
                if due is None or receipt.at < due - ROUNDING_S:
                    why = f"the timer {timer!r} is {'not set' if due is None else f'set for {due:.6f} at the earliest'}"
                    raise _DiffersError(self._difference(Said.of(receipt), None, why))

    def _decide(self, body: Message, receipt: SpoolEntry, rest: list[SpoolEntry], *, is_last: bool) -> Relived | None:
        envelope = Envelope(
            id=self.letter,
            sender=receipt.to,
            to=self.judgement.actor,
            body=body,
            at=receipt.at,
            cause=receipt.cause,
            correlation=receipt.correlation,
        )
        turn = Origin(self.letter, receipt.correlation)
        has_failed = bool(rest) and self._is_failure(rest[0])
        try:
            decision = self.core.decide(self.state, envelope)
            now, later = split(decision.effects)
            said = said_by(now, turn, self.outbox)
        except Exception as error:  # whatever a core raises ended the actor then, and must have
            if not has_failed:
                why = f"it raises {type(error).__name__}: {error}"[:ERROR_CHARS]
                raise _DiffersError(self._difference(Said.of(rest[0]) if rest else None, None, why)) from error
            return None
        if has_failed and not said and not any(isinstance(effect, PERFORMED) for effect in now):
            raise _DiffersError(self._difference(Said.of(rest[0]), None, "it failed then, and decides now"))
        before, self.state = self.state, decision.state
        if later:
            self.held.append(_Held(later, turn, receipt.at))
        self._set_timers(now, receipt.at)
        self.after(self._met(said, rest, is_last=is_last), is_last=is_last)
        return Relived(envelope, self._id(receipt.n), receipt.wall, decision.effects, before)

    # --- what was said -----------------------------------------------------------------------------------------------

    def after(self, rest: list[SpoolEntry], *, is_last: bool) -> None:
        """What follows a turn: words that its shell says by itself, and turns whose commit has been stored."""
        while rest:
            entry = rest[0]
            self.last = entry.n - 1
            if entry.kind == EntryKind.FACT and entry.message == Snapshot.__name__:
                self._check_snapshot(entry)
            elif entry.message == SpoolGap.__name__:
                _unless_all_is_recorded(entry)
            elif not is_of_shell(entry):
                said = self._released()
                if not said:
                    raise _DiffersError(self._difference(Said.of(entry), None, "nothing that was decided leads to it"))
                rest = self._met(said, rest, is_last=is_last)
                continue
            self.last = entry.n
            rest = rest[1:]

    def _met(self, said: list[Said], rest: list[SpoolEntry], *, is_last: bool) -> list[SpoolEntry]:
        """What is left of the record after all that was to be said."""
        for at, one in enumerate(said):
            if at == len(rest):
                if is_last:
                    return []  # its writing was cut short, or it goes on
                raise _DiffersError(self._difference(None, one, "it is decided now, and was not"))
            entry = rest[at]
            if not is_same(one, entry):
                if is_disk_failure(entry):
                    return rest[at:]
                raise _DiffersError(self._difference(Said.of(entry), one, what_differs(one, Said.of(entry))))
            self.last = entry.n
        return rest[len(said) :] if said else rest

    def _released(self) -> list[Said]:
        """Of the turn that has waited for longest and has something to say."""
        said: list[Said] = []
        while self.held and not said:
            said = self._release()
        return said

    def _release_the_silent(self) -> None:
        """Turns that were held and say nothing may have gone on without a trace."""
        while self.held and is_silent(self.held[0].effects):
            self._release()

    def _release(self) -> list[Said]:
        held = self.held.popleft()
        now, later = split(held.effects)
        if later:
            self.held.append(_Held(later, held.turn, held.at))
        self._set_timers(now, held.at)
        return said_by(now, held.turn, self.outbox)

    def _set_timers(self, effects: Sequence[Effect], at: float) -> None:
        for whole_effect in effects:
            effect = whole_effect.effect if type(whole_effect) is Because else whole_effect
            if type(effect) is Wake:
                self.timers[effect.timer] = at + effect.after_s
            elif type(effect) is CancelWake:
                self.timers.pop(effect.timer, None)

    def _check_snapshot(self, entry: SpoolEntry) -> None:
        kept = wire.decode(entry.message, entry.body)
        assert isinstance(kept, Snapshot), "the kind says so"
        then = recovered(self.core, self.fresh, kept.state, ())
        now = self.state if self.core.restore is None else self.core.restore(self.fresh, self.state)
        if then != now:
            why = "the state then was not what the letters before it make"
            raise _DiffersError(self._difference(Said.of(entry), None, why))

    # --- what is told ------------------------------------------------------------------------------------------------

    def _is_failure(self, entry: SpoolEntry) -> bool:
        if entry.kind != EntryKind.FACT or entry.message != Failed.__name__:
            return False
        return bool(from_json(entry.body)["letter"] == self.letter)

    def _difference(self, recorded: Said | None, decided: Said | None, why: str) -> Difference:
        receipt = self.receipt
        n = self.last + 1 if recorded is not None and recorded.kind is not EntryKind.HEARD else self.last
        kind, sender, at = ("", "", 0.0) if receipt is None else (receipt.message, receipt.to, receipt.at)
        return Difference(self._id(n), self.letter, kind, sender, at, recorded, decided, why)

    def _id(self, n: int) -> str:
        return f"{self.judgement.actor}/{self.judgement.incarnation}/{n}"
