"""Effects: all that an actor can do, as plain data.

A core returns them, in the order in which they must happen; the shell performs them.  ``Record`` makes a fact safe
against the death of any process, ``Commit`` against a power cut as well: what follows a ``Commit`` in its turn waits
until the auditor has stored it.  Restricting acts go out after ``Record``, loosening ones after ``Commit``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from alluse_hub.protocols.lifecycle import ChildStart
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Envelope, Fact, Json, Message

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Send:
    """Deliver to the actor *named* ``to``: in order per pair, at most once per incarnation."""

    to: str
    message: Message


@dataclass(frozen=True, slots=True)
class Wake:
    """Deliver ``Woken(timer)`` after ``after_s`` seconds; the same timer again replaces the earlier one."""

    timer: str
    after_s: float


@dataclass(frozen=True, slots=True)
class CancelWake:
    timer: str


@dataclass(frozen=True, slots=True)
class Spawn:
    """Create the child ``name``, boot it and introduce it.  ``life`` tells this try from any other of that name."""

    name: str
    life: int
    start: ChildStart


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask a child, or by its own name the actor itself, to end; after ``grace_s`` seconds it is killed, if not None.
    ``left_s``: what the child is told it may share out."""

    name: str
    reason: str
    grace_s: float | None
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Kill:
    """End a child at once, with a signal that cannot be refused."""

    name: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """Have the kernel ask a child to end, with a signal that it may obey or not."""

    name: str


@dataclass(frozen=True, slots=True)
class Watch:
    """From now on, as long as it is not told to end, ask a child for signs of life; ``Hung`` tells if none come."""

    name: str
    liveness: Liveness


@dataclass(frozen=True, slots=True)
class Record:
    """Put the fact in the trail, process-safe; the next effect goes on at once."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class Commit:
    """Put the fact in the trail, power-safe; the effects after it wait for the auditor's commit."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class Do:
    """Let the actor's worker do I/O; its answers return as letters from the actor to itself."""

    job: Message


@dataclass(frozen=True, slots=True)
class Because:
    """``effect``, done only now for a letter heard earlier: the trail names that one as what led to it.

    ``cause`` and ``correlation`` are that letter's id and the first of its chain.  Not for a ``Commit``.
    """

    effect: "Effect"
    cause: str
    correlation: str


Effect = Send | Wake | CancelWake | Spawn | Stop | Kill | Terminate | Watch | Record | Commit | Do | Because


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """The state after a letter, and what must be done because of it, in order."""

    state: S
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Core(Generic[S]):
    """The brain of an actor: how it starts, what it takes, how it decides, and how facts alone rebuild it.

    ``start`` gets the role's specification (validated JSON of the child spec) and its own name.  ``accepts`` is the
    closed set of messages; the shell dead-letters anything else.  ``evolve`` is given for durable actors: folding the
    facts of any run over ``start`` gives the durable part of the live state.  ``facts`` is the set it understands.
    ``recovers``: whether one of this specification is durable at all; each is, if not given.
    ``restore`` joins a fresh state from ``start`` with one from a snapshot: the specification of the first, the durable
    part of the second; without it the snapshot's state is taken whole, with the specification of its time.
    ``ready``: from when on the actor counts as up for its supervisor; with its first letter, if not given.
    ``heeds``: whose new incarnations matter to it, by name; everybody's, if not given.  Where hundreds of actors know
    each other, a ``PeerUp`` to each of them at each restart would be most of what the trail holds.
    ``refuses``: what is wrong with a specification, in a word that others may rely on, and why; empty if nothing is.
    The actor then ends before it is up, with the cause ``invalid: WORD...``.
    ``degraded``: why the actor, though up, is not as it should be; empty if it is.  Its supervisor hears each change.
    ``answers``: by kind of job, what its worker may say because of it; so that the trail names the job as the cause.
    ``unrecorded``: what to do about a letter that could not be recorded, since the disk is full (``scarcity``); no more
    than to say so to whoever waits for an answer, since that is not recorded either.
    ``last_word``: what the root leaves in the home when it ends as it was asked to, for whoever watches from outside.
    """

    start: Callable[[str, Message], S]
    decide: Callable[[S, Envelope], Decision[S]]
    spec: type[Message]
    accepts: frozenset[type[Message]]
    evolve: Callable[[S, Fact], S] | None = None
    facts: frozenset[type[Fact]] = frozenset()
    restore: Callable[[S, S], S] | None = None
    recovers: Callable[[S], bool] | None = None
    ready: Callable[[S], bool] | None = None
    heeds: Callable[[S, str], bool] | None = None
    refuses: Callable[[Json], str] | None = None
    degraded: Callable[[S], str] | None = None
    answers: Mapping[type[Message], frozenset[type[Message]]] | None = None
    last_word: Callable[[S], Message | None] | None = None
    unrecorded: Callable[[S, Envelope, str], tuple[Effect, ...]] | None = None
