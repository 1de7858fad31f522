"""Small actors with nothing of the hub's business in them, to try the machinery on."""

from dataclasses import dataclass, field, replace

from alluse_hub.protocols.admin import AskBoard, ShutDown
from alluse_hub.protocols.effects import Commit, Core, Decision, Record, Send, Stop, Wake
from alluse_hub.protocols.flow import EventsTaken, FlowPaused, FlowResumed
from alluse_hub.protocols.lifecycle import (
    ChildSpec,
    ChildStart,
    Intensity,
    PeerUp,
    Started,
    StopAsked,
    SupervisorSpec,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.tree import start_of


class Nothing(Message):
    pass


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts what it hears; durable for the sum, by ``EventsTaken`` facts."""

    name: str
    total: int = 0
    heard: tuple[str, ...] = ()
    peers: dict[str, int] = field(default_factory=dict)


def evolve(state: Counter, fact: Fact) -> Counter:
    assert isinstance(fact, EventsTaken)
    return replace(state, total=state.total + fact.through)


def decide(state: Counter, letter: Envelope) -> Decision[Counter]:
    """``FlowPaused``/``FlowResumed`` travel as letters here: any message of the table would do."""
    match letter.body:
        case Started():
            return Decision(state, (Wake("tick", 1.0),))
        case Woken(timer="tick"):
            fact = EventsTaken(workstream=state.name, through=1)
            return Decision(evolve(state, fact), (Record(fact), Wake("tick", 1.0)))
        case PeerUp(name=name, incarnation=incarnation):
            return Decision(replace(state, peers=state.peers | {name: incarnation}))
        case AskBoard(request=text, view="add"):
            fact = EventsTaken(workstream=text, through=10)
            state = evolve(replace(state, heard=(*state.heard, text)), fact)
            return Decision(state, (Commit(fact), Send(letter.sender, FlowResumed(flow=text))))
        case AskBoard(request=text, view="relay"):
            return Decision(state, tuple(Send("b", FlowPaused(flow=f"{text}-{k}")) for k in range(5)))
        case AskBoard(view="raise"):
            raise RuntimeError("told to")
        case AskBoard(view="end"):
            return Decision(state, (Stop(state.name, "normal", 1.0),))
        case FlowPaused(flow=text) | FlowResumed(flow=text):
            return Decision(replace(state, heard=(*state.heard, text)))
        case StopAsked():
            return Decision(state, (Stop(state.name, "shutdown", 1.0),))
        case other:
            raise TypeError(f"a counter does not take {type(other).__name__}")


COUNTER = Core(
    start=lambda name, _spec: Counter(name),
    decide=decide,
    spec=Nothing,
    accepts=frozenset({Started, Woken, PeerUp, AskBoard, FlowPaused, FlowResumed, StopAsked}),
    evolve=evolve,
    facts=frozenset({EventsTaken}),
)


class CounterActor(Shell):
    core = COUNTER


TOY = ChildStart(actor=f"{__name__}.CounterActor")


def family(*names: str) -> ChildStart:
    """A root with counters of these names."""
    generous = Intensity(restarts=1_000, period_s=60.0)
    return start_of(
        SupervisorSpec(intensity=generous, children=tuple(ChildSpec(name=name, start=TOY) for name in names))
    )


def ask(view: str, request: str = "") -> AskBoard:
    return AskBoard(request=request, view=view)


SHUT_DOWN = ShutDown(by="test", reason="over")
