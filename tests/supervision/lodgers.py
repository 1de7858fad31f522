"""Light actors to fill a cell with, and a carrier for them that is no process."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.effects import Core, Decision, Do, Send, Spawn, Stop, Wake
from alluse_hub.protocols.flow import FlowResumed
from alluse_hub.protocols.lifecycle import ChildStart, Started, StopAsked, Woken
from alluse_hub.protocols.message import Envelope, Json, Message
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.leaf import Leaf
from alluse_hub.supervision.memory import MemoryTrail
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.residents import Residents
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.spool import Frame
from alluse_hub.supervision.workshop import Context
from tests.supervision.toys import COUNTER, Nothing, ask

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Lodger:
    name: str
    heard: tuple[str, ...] = ()


def decide(state: Lodger, letter: Envelope) -> Decision[Lodger]:
    match letter.body:
        case Started():
            return Decision(state)
        case AskBoard(request=text, view="work"):
            return Decision(state, (Do(AskBoard(request=text, view="work")),))
        case AskBoard(request=text, view="wake"):
            return Decision(state, (Wake("tick", float(text)),))
        case AskBoard(request=text, view="write"):
            return Decision(state, (Send(text, FlowResumed(flow=f"from {state.name}")),))
        case AskBoard(view="raise"):
            raise ValueError("told to")
        case AskBoard(view="spawn"):
            return Decision(state, (Spawn("child", 1, LODGER),))
        case AskBoard(view="stop"):
            return Decision(state, (Stop("child", "asked", 1.0),))
        case AskBoard(view="end"):
            return Decision(state, (Stop(state.name, "normal", 0.0),))
        case FlowResumed(flow=text):
            return Decision(replace(state, heard=(*state.heard, text)))
        case Woken(timer=timer):
            return Decision(replace(state, heard=(*state.heard, timer)))
        case StopAsked(reason=reason):
            return Decision(state, (Stop(state.name, reason, 0.0),))
        case other:
            raise TypeError(f"a lodger does not take {type(other).__name__}")


class Labour:
    """Does what its job says: ``say:TEXT``, ``many:COUNT``, ``hang`` (until released), ``raise``."""

    released = threading.Event()

    def __init__(self, context: Context) -> None:
        self.context = context
        self.is_closed = False

    def do(self, job: Message) -> None:
        assert isinstance(job, AskBoard)
        what, _, rest = job.request.partition(":")
        match what:
            case "say":
                self.context.deliver(FlowResumed(flow=rest))
            case "many":
                for k in range(int(rest)):
                    self.context.deliver(FlowResumed(flow=f"{k}"))
            case "hang":
                self.released.wait(PATIENCE_S)
            case _:
                raise LookupError(f"{self.context.name} was told to")

    def close(self) -> None:
        self.is_closed = True


class PromptLabour(Labour):
    """Has a pipe watched, from which it reads what to say."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.out, self.into = os.pipe()
        self._sources: tuple[int, ...] = (self.out,)

    def try_now(self, job: Message) -> bool:
        assert isinstance(job, AskBoard)
        if not job.request.startswith("say:"):
            return False
        self.do(job)
        return True

    def sources(self) -> tuple[int, ...]:
        return self._sources

    def read(self, fd: int) -> None:
        self.context.deliver(FlowResumed(flow=os.read(fd, 100).decode()))

    def close(self) -> None:
        super().close()
        os.close(self.out)
        os.close(self.into)


CORE = Core(
    start=lambda name, _spec: Lodger(name),
    decide=decide,
    spec=Nothing,
    accepts=frozenset({Started, AskBoard, FlowResumed, Woken, StopAsked}),
)


class LodgerActor(Leaf):
    core = CORE
    worker = Labour


class PromptActor(Leaf):
    core = CORE
    worker = PromptLabour


class ChoosyActor(Shell):
    """Cares for one peer only."""

    core = replace(COUNTER, heeds=lambda _state, name: name == "router")


class AbruptActor(Leaf):
    """Knows no ``StopAsked``."""

    core = replace(CORE, accepts=CORE.accepts - {StopAsked})
    worker = Labour


LODGER = ChildStart(actor=f"{__name__}.LodgerActor")
CHOOSY = ChildStart(actor=f"{__name__}.ChoosyActor")
PROMPT = ChildStart(actor=f"{__name__}.PromptActor")
ABRUPT = ChildStart(actor=f"{__name__}.AbruptActor")


@dataclass
class FullDisk:
    """A spool that takes ``room`` entries and no more."""

    actor: str
    room: int
    incarnation: int = 1
    n: int = 0

    def write(self, frames: Sequence[Frame], at: float, wall: float, *, urgent: bool = False) -> int:
        self.n += len(frames)
        if self.n > self.room:
            raise OSError("no space left")
        return self.n


@dataclass
class Cell:
    """A cell without a process: time stands still, letters sent and words for its core are kept in lists."""

    home: Path
    at: float = 100.0
    trail: MemoryTrail = field(default_factory=MemoryTrail)
    posted: list[tuple[str, Parcel]] = field(default_factory=list)
    words: list[Message] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)  # of the words
    wakes: int = 0
    watched: set[int] = field(default_factory=set)
    bell: threading.Event = field(default_factory=threading.Event)
    residents: Residents = field(init=False)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        boot = Boot("cell-1", 4, {}, "workstreams", "v", 77, 7)
        self.residents = Residents(boot, self.home, self, self.trail.spool)

    # --- the carrier -------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    def post(self, to: str, parcel: Parcel) -> None:
        self.posted.append((to, parcel))

    def recover_of(self, name: str, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        return self.trail.recover(name, kinds)

    def tell(self, word: Message, origin: Origin = UNKNOWN) -> None:
        self.words.append(word)
        self.origins.append(origin)

    def wake(self) -> None:
        self.wakes += 1
        self.bell.set()

    def watch(self, fd: int) -> None:
        self.watched.add(fd)

    def unwatch(self, fd: int) -> None:
        self.watched.remove(fd)

    # --- what a test does --------------------------------------------------------------------------------------------

    def fill(self, *names: str, start: ChildStart = LODGER) -> "Cell":
        for name in names:
            self.residents.move_in(name, 1, start)
        return self

    def letter(self, to: str, body: Message, sender: str = "somebody") -> None:
        number = self.numbers[to] = self.numbers.get(to, 0) + 1
        kind = type(body).__name__
        parcel = Parcel(f"{sender}/1/{number}", sender, 1, to, 0, number, kind, body.model_dump_json().encode(), "", "")
        resident = self.residents.find(to)
        assert resident is not None
        self.residents.hear(resident, parcel)

    def ask(self, to: str, view: str, request: str = "") -> None:
        self.letter(to, ask(view, request))

    def heard(self, name: str) -> tuple[str, ...]:
        resident = self.residents.find(name)
        assert resident is not None
        state = resident.life.state
        assert isinstance(state, Lodger)
        return state.heard

    def until(self, holds: Callable[[], bool]) -> None:
        """Hear words, whenever somebody rings, until ``holds`` does."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"not within {PATIENCE_S} s; told: {self.words}"
            if self.bell.wait(0.01):
                self.bell.clear()
                self.residents.hear_words()

    def entries(self, actor: str) -> list[str]:
        return [entry.message for entry in self.trail.entries if entry.actor == actor]

    def waiting(self, name: str) -> int:
        """Words of its worker that have not been heard."""
        resident = self.residents.find(name)
        assert resident is not None
        assert resident.workshop is not None
        return resident.workshop.waiting
