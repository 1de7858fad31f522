"""What a monitor knows, and the turn in which it changes.

``Kept`` is durable: it changes only through ``evolve``, and folding the facts of any run gives it back.  Everything
else is learned again within one round.  ``Turn`` gathers the effects of one decision in order; because its ``record``
evolves the state as it emits the fact, the two cannot disagree.

Pure: a ``Turn`` lives no longer than one call of ``decide``.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from alluse_hub.protocols.arbitration import EpochRaised
from alluse_hub.protocols.claims import DirectiveAck, FenceRaised
from alluse_hub.protocols.effects import Commit, Decision, Do, Effect, Record, Send, Wake
from alluse_hub.protocols.flow import Event, EventHeard, EventsTaken, Produced
from alluse_hub.protocols.health import Status
from alluse_hub.protocols.lifecycle import PeerDown
from alluse_hub.protocols.message import Fact, Message
from alluse_hub.protocols.program import Attached
from alluse_hub.protocols.program_claims import CLAIM_SAID, WORDS_MAX, ClaimAsked, ClaimSettled
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.versions import DatasetsTold, SyncEventMet, SyncEventsTold, Version
from alluse_hub.protocols.workstream import (
    CommandClosed,
    CommandOpened,
    CommandReply,
    CommandSetAside,
    EventsLost,
    MonitorSpec,
    ProgramEnded,
    ProgramGreeted,
    ProgramParked,
    ProgramStarted,
    Wanted,
    WantedChanged,
)

from .windows import UPTIME_WINDOWS, Traffic, Uptime

RESULTS_KEPT = 64
"""Answers given again to whoever asks again; older ones are asked of the program, which remembers more."""

SET_ASIDE_MAX = 64
"""Commands remembered as set aside; nobody asks for older ones again."""

Answer = Produced | CommandReply | DirectiveAck


@dataclass(frozen=True, slots=True)
class Kept:
    """The durable part.  ``heard``: highest event number in the trail; ``taken``: highest that the router has settled;
    ``unsettled``: the events between.
    """

    wanted: Wanted = Wanted.RUNNING
    parked: str = ""  # why it was given up
    heard: int = 0
    taken: int = 0
    unsettled: tuple[Event, ...] = ()
    fences: dict[str, int] = field(default_factory=dict)
    epoch: int = 0  # the highest of a coordinator that was heard
    open: dict[str, CommandOpened] = field(default_factory=dict)  # by key, in the order of asking
    starts: int = 0
    pid: int = 0
    start_ticks: int = 0
    greeted: bool = False  # the program of this pid and start said hello
    base: int = 0  # added to its event numbers
    shift: int = 0  # the base of a program that remembers what it said: minus the events ever lost
    restarts: tuple[float, ...] = ()
    row: int = 0  # restarts one after the other, with no quiet time between
    deaths: dict[str, int] = field(default_factory=dict)  # by key of an open command: programs that died over it
    set_aside: dict[str, str] = field(default_factory=dict)  # by key of a command: why it is refused
    words: dict[int, ClaimAsked] = field(default_factory=dict)  # by serial: not answered by the coordinator yet
    serial: int = 0  # of the last of them ever
    has_claimed: bool = False  # its program, ever
    met: dict[str, int] = field(default_factory=dict)  # by sync: event that made it due, to be told to the replicator


class Stage(StrEnum):
    DOWN = "down"  # there is no program
    PAUSING = "pausing"  # there will be one after the back-off
    ATTACHING = "attaching"  # the adapter is at it
    STARTING = "starting"  # it runs and has not said hello
    UP = "up"
    ENDING = "ending"  # it was asked or made to end


class OrderKind(StrEnum):
    START = "start"
    STOP = "stop"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Order:
    """An operator's order that is not yet so."""

    kind: OrderKind
    asker: str
    old_pid: int


@dataclass(frozen=True, slots=True)
class Asking:
    """What a sync's condition said so far, and the last event that it was asked of."""

    true: int = 0
    false: int = 0
    unknown: int = 0
    last: Event | None = None


@dataclass(frozen=True, slots=True)
class Announced:
    """Versions of data sets that the program has made; which of them, and which events, the replicator was not told
    of; whether it asked; the last word, until it is known to have it.  By sync, what its condition said, and whether
    that is news."""

    versions: dict[str, Version] = field(default_factory=dict)
    unsaid: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    asked: bool = True
    asks: int = 0  # number of its last question
    serial: int = 0
    last: DatasetsTold | None = None
    asking: dict[str, Asking] = field(default_factory=dict)
    news: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Monitor:
    spec: MonitorSpec
    traffic: Traffic
    uptime: Uptime
    kept: Kept = Kept()
    stage: Stage = Stage.DOWN
    program: Attached | None = None
    promised: int = 0  # highest event number, by its own count, that its hello spoke of
    knows_syncs: bool = False  # it has shared a data set, or answered a question about one
    handed: int = 0  # events handed to the router by this incarnation
    lines: dict[str, str] = field(default_factory=dict)  # by key: what is to be written for an open command
    written: dict[str, float] = field(default_factory=dict)  # by key: hub time of writing to the program that runs
    results: dict[str, Answer] = field(default_factory=dict)
    is_silent: bool = False
    silence_s: float = 0.0  # at which it was judged silent, and on what grounds
    silence_why: str = ""
    halted: str = ""  # who is stopped and cannot be at work
    late: str = ""  # key of the delivery over whose deadline it was judged hung
    hung: str = ""  # why it was judged hung
    order: Order | None = None
    stopping: bool = False  # the hub goes down
    left_s: float | None = None  # this long it may take for it
    attached_at: float = 0.0  # hub time at which its program was started or found
    ending_at: float = 0.0  # hub time at which its program was asked to end
    refusals: int = 0
    refusals_minute: int = -1
    refusals_recorded: int = 0  # in that minute
    withheld: int = 0  # lines kept back from release because the router does not take
    needs: dict[str, bool] = field(default_factory=dict)  # by workstream that this one needs: is it up?
    unwatched: dict[str, PeerDown] = field(default_factory=dict)  # of those, the ones whose monitor is down
    met: dict[str, int] = field(default_factory=dict)  # of those, the highest incarnation of the monitor
    announced: Announced = Announced()
    told: str = ""  # presence as last told
    status: Status = Status.STOPPED
    claim_tries: int = 0  # how often the first of the words was said
    claim_room: float = float(WORDS_MAX)  # so many of them may be said at once
    claim_room_at: float = 0.0
    alive_at: float = 0.0  # hub time of the last sign of life as far as known
    deadline_at: float = 0.0  # hub time at which the deadline timer is due; 0 if it is not set

    @property
    def ws(self) -> str:
        return self.spec.workstream

    @property
    def is_running(self) -> bool:
        return self.stage in {Stage.STARTING, Stage.UP, Stage.ENDING}

    @property
    def is_out(self) -> bool:
        """It will not come back by itself."""
        return self.kept.wanted is not Wanted.RUNNING or bool(self.kept.parked)

    @property
    def grounds(self) -> str:
        """Of the judgement that it is silent; to end a sentence with."""
        return f"; {self.silence_why}" if self.silence_why else ""

    @property
    def out_why(self) -> str:
        if self.kept.parked:
            return f"{self.ws} is parked: {self.kept.parked}"
        return f"{self.ws} is {self.kept.wanted.value if self.kept.wanted is Wanted.STOPPED else 'in maintenance'}"


def start(name: str, spec: Message) -> Monitor:
    """``began`` of the windows is set by the first letter, which brings the time."""
    assert isinstance(spec, MonitorSpec), "a monitor is started with a MonitorSpec"
    assert name == spec.workstream, "a monitor bears the name of its workstream"
    return Monitor(spec=spec, traffic=Traffic(spec.window_s, 0.0), uptime=Uptime(spec.window_s * UPTIME_WINDOWS))


# --- durable state ---------------------------------------------------------------------------------------------------

FACTS: frozenset[type[Fact]] = frozenset(
    {
        ClaimAsked,
        ClaimSettled,
        CommandOpened,
        CommandClosed,
        CommandSetAside,
        EpochRaised,
        EventHeard,
        EventsTaken,
        EventsLost,
        FenceRaised,
        ProgramStarted,
        ProgramGreeted,
        ProgramEnded,
        ProgramParked,
        SyncEventMet,
        SyncEventsTold,
        WantedChanged,
    }
)


def evolve(state: Monitor, fact: Fact) -> Monitor:
    return replace(state, kept=_evolve(state.kept, fact))


def restore(fresh: Monitor, snapshot: Monitor) -> Monitor:
    """The specification of today with what was kept."""
    return replace(fresh, kept=snapshot.kept)


def _evolve(kept: Kept, fact: Fact) -> Kept:
    match fact:
        case EventHeard(event=event):
            claimed = kept.has_claimed or event.event == CLAIM_SAID
            return replace(kept, heard=event.n, unsettled=(*kept.unsettled, event), has_claimed=claimed)
        case EventsTaken(through=through):
            left = tuple(event for event in kept.unsettled if event.n > through)
            return replace(kept, taken=max(kept.taken, through), unsettled=left)
        case ClaimAsked(word=word):  # of one that is there already it takes the place
            words = {**kept.words, word.serial: fact}
            return replace(kept, words=words, serial=max(kept.serial, word.serial))
        case ClaimSettled(serial=serial):
            return replace(kept, words={each: asked for each, asked in kept.words.items() if each != serial})
        case CommandOpened(key=key):
            return replace(kept, open={**kept.open, key: fact})
        case CommandClosed(key=key):
            others = {each: opened for each, opened in kept.open.items() if each != key}
            return replace(kept, open=others, deaths=_without(kept.deaths, key))
        case EpochRaised(epoch=epoch):
            return replace(kept, epoch=epoch)
        case FenceRaised(resource=resource, fence=fence):
            return replace(kept, fences={**kept.fences, resource: fence})
        case ProgramStarted(pid=pid, start_ticks=ticks, count=count, adopted=adopted):
            greeted = adopted and kept.greeted and (kept.pid, kept.start_ticks) == (pid, ticks)
            return replace(kept, pid=pid, start_ticks=ticks, starts=count, greeted=greeted)
        case ProgramGreeted(base=base):
            return replace(kept, greeted=True, base=base)
        case EventsLost(first=first, last=last):
            lost = last - first + 1
            return replace(kept, base=kept.base - lost, shift=kept.shift - lost)
        case ProgramEnded(restarts=restarts, row=row, in_hand=key):
            deaths = {**kept.deaths, key: kept.deaths.get(key, 0) + 1} if key in kept.open else kept.deaths
            return replace(kept, greeted=False, restarts=restarts, row=row, deaths=deaths)
        case CommandSetAside(key=key):
            known = dict(list(kept.set_aside.items())[1 - SET_ASIDE_MAX :])
            return replace(kept, set_aside={**known, key: fact.sentence})
        case ProgramParked(why=why):
            return replace(kept, parked=why)
        case SyncEventMet(sync=sync, n=n):
            return replace(kept, met={**kept.met, sync: n})
        case SyncEventsTold(met=met):
            return replace(kept, met={sync: n for sync, n in kept.met.items() if n > met.get(sync, 0)})
        case WantedChanged(wanted=wanted):
            return replace(kept, wanted=wanted, parked="", restarts=(), row=0, deaths={}, set_aside={})
        case other:
            raise TypeError(f"a monitor's durable state does not change by {type(other).__name__}")


def _without(deaths: dict[str, int], key: str) -> dict[str, int]:
    return {each: count for each, count in deaths.items() if each != key} if key in deaths else deaths


# --- a turn ----------------------------------------------------------------------------------------------------------


class Turn:
    """One decision in the making.

    ``state`` is a copy that nobody else has yet, so its fields are set in place: ``replace`` of so many fields for each
    change would be most of what a letter costs.
    """

    __slots__ = ("at", "effects", "state")

    def __init__(self, state: Monitor, at: float) -> None:
        self.state = replace(state)
        self.at = at
        self.effects: list[Effect] = []

    @property
    def kept(self) -> Kept:
        return self.state.kept

    def set(self, **changes: Any) -> None:  # Any: whatever the fields of Monitor are; its slots refuse other names
        for name, value in changes.items():
            object.__setattr__(self.state, name, value)

    def record(self, fact: Fact) -> None:
        """Durable facts and others alike; the others change nothing."""
        if type(fact) in FACTS:
            self.set(kept=_evolve(self.kept, fact))
        self.effects.append(Record(fact))

    def commit(self, fact: Fact) -> None:
        self.set(kept=_evolve(self.kept, fact))
        self.effects.append(Commit(fact))

    def send(self, to: str, message: Message) -> None:
        self.effects.append(Send(to, message))

    def do(self, job: Message) -> None:
        self.effects.append(Do(job))

    def wake(self, timer: str, after_s: float) -> None:
        self.effects.append(Wake(timer, after_s))

    def count(self, *, requests: int = 0, errors: int = 0, latency_ms: float | None = None) -> None:
        self.set(traffic=self.state.traffic.count(self.at, requests=requests, errors=errors, latency_ms=latency_ms))

    def remember(self, key: str, answer: Answer) -> None:
        results = {**self.state.results, key: answer}
        if len(results) > RESULTS_KEPT:
            del results[next(iter(results))]
        self.set(results=results)

    def decision(self) -> Decision[Monitor]:
        return Decision(self.state, tuple(self.effects))
