"""The trail's shapes: what an entry is, in the spool and in the store, and what the auditor says and is told.

An *entry* is one frame of a spool file.  Its number ``n`` counts from 1 within an incarnation of an actor, without a
gap; so a missing or doubled entry shows.  Kinds:

* ``heard``: a receipt of the letter in hand; with its body only where that came from outside or from a timer.
* ``fact``: what ``Record`` and ``Commit`` put in.
* ``sent``: a letter about to be sent.  Its entry's id is the letter's id.
* ``did``: a job about to be given to the actor's worker.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from alluse_hub.protocols.declared import Secret
from alluse_hub.protocols.masking import ENVIRONMENT
from alluse_hub.protocols.message import Fact, Json, Message
from alluse_hub.protocols.severity import Severity, severity_of


class EntryKind(StrEnum):
    HEARD = "heard"
    FACT = "fact"
    SENT = "sent"
    DID = "did"


class Entry(Message):
    """One entry.  ``at``: hub time in seconds; ``wall``: seconds since 1970, which only labels."""

    actor: str
    incarnation: PositiveInt
    n: PositiveInt
    kind: EntryKind
    message: str  # kind of the message: its class name
    body: Json = Field(default_factory=dict)
    to: str = ""  # addressee of a sent letter; sender of a heard one
    letter: str = ""  # id of the letter heard; empty where this receipt is the letter's id: timers, words from outside
    cause: str = ""  # the letter whose handling led to this
    correlation: str = ""
    at: float
    wall: float
    power: bool = False  # a Commit: the auditor tells the actor when it is stored
    leaf: NonNegativeInt = 0  # place in the store, counted from 1 over all actors; 0 while still in a spool

    @property
    def id(self) -> str:
        return f"{self.actor}/{self.incarnation}/{self.n}"

    @property
    def severity(self) -> Severity:
        return severity_of(self.kind, self.message, self.body)


# --- the auditor's role --------------------------------------------------------------------------------------------


class AuditorSpec(Message):
    """How the auditor groups entries into transactions; the hub's name, which its log has in its own; its witness;
    whether it keeps an index of words."""

    linger_s: Annotated[float, Field(ge=0, le=1)] = 0.05  # wait for company, unless somebody waits for the entry
    batch_max: Annotated[int, Field(ge=1, le=100_000)] = 2_000  # entries in one transaction
    hub: str = "alluse"
    witness: str = ""
    witness_key: str = ""
    index: bool = True
    seal_after_s: NonNegativeFloat = 0.0  # older entries go into segments; 0: never by itself
    seal_entries: PositiveInt = 2_000_000  # and what is more than this


class TailSpools(Message):
    """Job of the auditor's worker: move all that the spools hold, and will hold, into the store."""


class TailBegun(Message):
    """From the worker: the store is open.  ``migrations``: those applied just now; ``key``: its public one."""

    sqlite: str
    journal: str
    migrations: tuple[str, ...] = ()
    warning: str = ""
    key: str = ""


class TailFailed(Message):
    """From the worker: it cannot go on; the text names the file and the remedy.  Nothing is lost."""

    error: str


class TailStuck(Message):
    """From the worker, when it changes: the disk of the store is full, in words, and nothing is stored until there is
    space; empty when that is over.  ``waited_s``: how long it was."""

    why: str = ""
    waited_s: NonNegativeFloat = 0.0


class TailStrained(Message):
    """From the worker, when it changes: what the store has to bear though it works, in words: a slow disk, a reader
    without an end; empty when that is over."""

    why: str = ""


class ClockStepped(Message):
    """From the worker: somebody set the wall clock, by so many seconds; below 0: back."""

    by_s: float


class Mark(Message):
    """Entries up to ``n`` of this incarnation are stored."""

    actor: str
    incarnation: PositiveInt
    n: PositiveInt


class Ingested(Message):
    """From the worker, after a transaction with entries that somebody waits for."""

    marks: tuple[Mark, ...]


class SpoolEnded(Message):
    """From the worker: a newer incarnation has come, and all that this one wrote is stored."""

    actor: str
    incarnation: PositiveInt
    n: NonNegativeInt
    torn_bytes: NonNegativeInt


class DamageFound(Message):
    """From the worker: behind entry ``n``, at ``offset`` of the spool, are bytes that never were an entry."""

    actor: str
    incarnation: PositiveInt
    n: NonNegativeInt
    offset: NonNegativeInt


class LetterMissed(Message):
    """From the worker: somebody heard letter ``n`` of this incarnation (``receipt`` is the entry that says so), but all
    that there is on its own record is ``stored`` entries."""

    actor: str
    incarnation: PositiveInt
    stored: NonNegativeInt
    n: PositiveInt
    receipt: str


class WitnessHeard(Message):
    """From the worker, when it changes: the witness has cosigned ``size`` entries, or refuses to go on, and why."""

    size: NonNegativeInt
    refusal: str = ""


# --- from the auditor ----------------------------------------------------------------------------------------------


class Stored(Message):
    """From the auditor: all entries of this incarnation up to ``n`` are on disk, safe against a power cut."""

    incarnation: PositiveInt
    n: PositiveInt


# --- facts ---------------------------------------------------------------------------------------------------------


class Snapshot(Fact):
    """A durable actor's state after all its facts so far: recovery begins at the latest one.  Who recovers has a
    specification of its own; of those in here, its own and a supervisor's children's, no secret is kept."""

    state: Annotated[Json, Secret(under=ENVIRONMENT)]


class StoreOpened(Fact):
    """An incarnation of the auditor opened its store: with which SQLite, how, what it changed in the schema, and the
    public key of its signatures."""

    sqlite: str
    journal: str
    migrations: tuple[str, ...] = ()
    warning: str = ""
    key: str = ""


class StoreWaited(Fact):
    """For ``waited_s`` nothing could be stored: ``why``.  What was said meanwhile waited in the spools."""

    why: str
    waited_s: NonNegativeFloat


class WallClockStepped(Fact):
    """Somebody set the wall clock, by so many seconds; below 0: back.  What was stored around this entry shows when."""

    by_s: float


class Closed(Fact):
    """The auditor found the end of an incarnation's spool: ``n`` entries, and how it ended as far as it can see."""

    actor: str
    incarnation: PositiveInt
    n: NonNegativeInt
    torn_bytes: NonNegativeInt = Field(default=0)  # a write cut short by the death; never acknowledged to anybody


class SpoolDamaged(Fact):
    """What stands in this spool behind entry ``n`` cannot be read; its actor should be restarted."""

    actor: str
    incarnation: PositiveInt
    n: NonNegativeInt
    offset: NonNegativeInt


class LetterUnrecorded(Fact):
    """Letter ``n`` of this incarnation was heard (``receipt`` says where), but there are no more than ``stored``
    entries of it: what it said in between is lost, by a power cut for one, or was taken away."""

    actor: str
    incarnation: PositiveInt
    stored: NonNegativeInt
    n: PositiveInt
    receipt: str


class WitnessAgreed(Fact):
    """A witness cosigned the first ``size`` entries: for the first time, or again after it had not."""

    size: NonNegativeInt


class WitnessRefused(Fact):
    """A witness did not cosign more than ``size`` entries, or did not answer: ``why``."""

    size: NonNegativeInt
    why: str


class Restored(Fact):
    """An operator brought a backup of this trail back: its first ``entries`` entries, whose tree has this ``root``.

    ``lost_entries``: how many the log had had at least, by its last checkpoint, whose root was ``lost_root``; 0 if
    nothing newer was known.  ``key``: the public one that signs from here on; ``is_new_key``: since no key ever signs
    two pasts.
    """

    made_at: float
    entries: NonNegativeInt
    root: str
    lost_entries: NonNegativeInt = 0
    lost_root: str = ""
    key: str
    is_new_key: bool


# --- what a check finds --------------------------------------------------------------------------------------------


class Wholeness(Message):
    """What a check of the trail found: whole if the three lists are empty.  Each list names the first findings only."""

    entries: NonNegativeInt
    incarnations: NonNegativeInt
    gaps: tuple[str, ...] = ()
    doubles: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()  # heard by somebody, but sent by nobody on record
    witness: str = ""  # what it did last, in words; empty without one

    @property
    def is_whole(self) -> bool:
        return not (self.gaps or self.doubles or self.unrecorded)
