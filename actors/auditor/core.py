"""What the auditor decides: who is told that entries are on disk, and what it says in the trail itself.

The bulk goes from the spools to the store without a letter; only what somebody waits for, and ends of incarnations,
come here.  The auditor's own entries are stored like all others and cause no word to it, else it would feed itself.

A ``Stored`` can miss its addressee: sent to an incarnation whose place the auditor has not been told yet.  So the last
one for each actor is kept and said again when the actor is introduced.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from alluse_hub.protocols.effects import Core, Decision, Do, Record, Send, Wake
from alluse_hub.protocols.ending import Flush, Flushed
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.keeping import KeepingStuck, Sealed, SegmentSealed
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.trail import (
    AuditorSpec,
    ClockStepped,
    Closed,
    DamageFound,
    Ingested,
    LetterMissed,
    LetterUnrecorded,
    Mark,
    SpoolDamaged,
    SpoolEnded,
    Stored,
    StoreOpened,
    StoreWaited,
    TailBegun,
    TailFailed,
    TailSpools,
    TailStrained,
    TailStuck,
    WallClockStepped,
    WitnessAgreed,
    WitnessHeard,
    WitnessRefused,
)

STEPPED = "stepped"
STEP_SHOWN_S = 600.0
"""For so long ``status`` tells of a clock that was set; the trail does for good."""


@dataclass(frozen=True, slots=True)
class Auditor:
    """``marks``: per actor, how far its newest incarnation that waited for anything is stored.  ``flushes_for``: who
    waits to hear that the store has all.

    What is told while it lasts, in words.  ``stuck``: why nothing can be stored.  ``unwitnessed``: why the witness does
    not cosign.  ``strained``: what the store has to bear, though it works.  ``unkept``: what is due and cannot be
    sealed or taken out.  ``stepped``: how the wall clock was set lately.  ``missed``: the first letter that is not on
    its sender's record, and in how many lives there are such.
    """

    name: str
    marks: Mapping[str, Mark] = field(default_factory=lambda: MappingProxyType({}))
    flushes_for: str = ""
    stuck: str = ""
    unwitnessed: str = ""
    strained: str = ""
    unkept: str = ""
    stepped: str = ""
    missed: str = ""
    missed_in: int = 0


def start(name: str, _spec: Message) -> Auditor:
    return Auditor(name)


def decide(state: Auditor, letter: Envelope) -> Decision[Auditor]:
    match letter.body:
        case Started():
            return Decision(state, (Do(TailSpools()),))
        case TailBegun(sqlite=sqlite, journal=journal, migrations=migrations, warning=warning, key=key):
            opened = StoreOpened(sqlite=sqlite, journal=journal, migrations=migrations, warning=warning, key=key)
            return Decision(state, (Record(opened),))
        case Ingested(marks=marks):
            return acknowledge(state, marks)
        case PeerUp(name=name, incarnation=incarnation):
            mark = state.marks.get(name)
            if mark is None or mark.incarnation != incarnation:
                return Decision(state)
            return Decision(state, (stored(mark),))
        case SpoolEnded(actor=actor, incarnation=incarnation, n=n, torn_bytes=torn_bytes):
            closed = Closed(actor=actor, incarnation=incarnation, n=n, torn_bytes=torn_bytes)
            return Decision(state, (Record(closed),))
        case DamageFound(actor=actor, incarnation=incarnation, n=n, offset=offset):
            damaged = SpoolDamaged(actor=actor, incarnation=incarnation, n=n, offset=offset)
            return Decision(state, (Record(damaged),))
        case Flush():
            return Decision(replace(state, flushes_for=letter.sender), (Do(Flush()),))
        case Flushed() if state.flushes_for:
            return Decision(replace(state, flushes_for=""), (Send(state.flushes_for, Flushed()),))
        case Flushed():
            return Decision(state)  # asked for twice
        case WitnessHeard(size=size, refusal=why):
            fact = WitnessRefused(size=size, why=why) if why else WitnessAgreed(size=size)
            said = f"the witness has not cosigned more than {size} entries: {why}" if why else ""
            return Decision(replace(state, unwitnessed=said), (Record(fact),))
        case LetterMissed():
            return miss(state, letter.body)
        case SegmentSealed(first=first, last=last, root=root, manifest=manifest):
            return Decision(state, (Record(Sealed(first=first, last=last, root=root, manifest=manifest)),))
        case TailStuck(why=why) if why:
            return Decision(replace(state, stuck=why))
        case TailStuck(waited_s=waited_s):
            return Decision(replace(state, stuck=""), (Record(StoreWaited(why=state.stuck, waited_s=waited_s)),))
        case ClockStepped(by_s=by_s):
            way = "forward" if by_s > 0 else "back"
            said = (
                f"the wall clock was set {way} by {abs(by_s):.0f} s: times in the trail before and after are not of one"
                " clock; its order, and all that the hub does, is by another"
            )
            return Decision(
                replace(state, stepped=said), (Record(WallClockStepped(by_s=by_s)), Wake(STEPPED, STEP_SHOWN_S))
            )
        case Woken(timer=timer) if timer == STEPPED:
            return Decision(replace(state, stepped=""))
        case TailStrained(why=why):
            return Decision(replace(state, strained=why))
        case KeepingStuck(why=why):
            return Decision(replace(state, unkept=why))
        case TailFailed(error=error):
            raise TrailError(error)
        case other:
            raise TypeError(f"an auditor does not take {type(other).__name__}")


def acknowledge(state: Auditor, marks: tuple[Mark, ...]) -> Decision[Auditor]:
    """Tell each actor but itself; an incarnation that has been followed by another waits for nothing any more."""
    known = dict(state.marks)
    effects = []
    for mark in marks:
        last = known.get(mark.actor)
        if mark.actor == state.name or (last is not None and last.incarnation > mark.incarnation):
            continue
        known[mark.actor] = mark
        effects.append(stored(mark))
    return Decision(replace(state, marks=MappingProxyType(known)), tuple(effects))


def miss(state: Auditor, word: LetterMissed) -> Decision[Auditor]:
    """It stays in the state: this can only be mended by somebody who looks."""
    fact = LetterUnrecorded.model_validate(word.model_dump())
    said = state.missed or (
        f"{word.actor}/{word.incarnation}/{word.n} was heard ({word.receipt}), but {word.actor} recorded no more than"
        f" {word.stored} entries in that life: what it said is lost or was taken away"
    )
    return Decision(replace(state, missed=said, missed_in=state.missed_in + 1), (Record(fact),))


def degraded(state: Auditor) -> str:
    alarm = state.missed
    if alarm:
        more = f", and of {state.missed_in - 1} other lives as well" if state.missed_in > 1 else ""
        alarm += f"{more}; look with `trail check`"
    lasting = alarm, state.stuck, state.strained, state.unkept, state.unwitnessed, state.stepped
    return "; ".join(why for why in lasting if why)


def stored(mark: Mark) -> Send:
    return Send(mark.actor, Stored(incarnation=mark.incarnation, n=mark.n))


CORE = Core(
    start=start,
    decide=decide,
    spec=AuditorSpec,
    degraded=degraded,
    accepts=frozenset(
        (
            Started,
            TailBegun,
            TailFailed,
            TailStuck,
            TailStrained,
            ClockStepped,
            Woken,
            Ingested,
            PeerUp,
            SpoolEnded,
            DamageFound,
            LetterMissed,
            WitnessHeard,
            SegmentSealed,
            KeepingStuck,
            Flush,
            Flushed,
        )
    ),
)
