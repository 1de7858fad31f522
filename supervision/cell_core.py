"""The core of a cell: many light actors in one process, which start together and end together.

To its supervisor a cell is one child.  To its residents it is what a supervisor is to its children, in the same words
(``Spawn``, ``ChildUp``, ``Stop``, ``Exited``), with a rule of its own: all are started at once, all are asked to end at
once, and one that ends by itself, for whatever cause, ends the cell with a cause that names it.  Nothing is restarted
here; the supervisor restarts the cell as one.

The cell is up when all its residents are.  Asked to end, it waits for all of them, at most for the longest grace: the
rest goes with the process.  Its picture for the board is put together over ``PICTURE_S``, because residents come up in
quick succession.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from alluse_hub.protocols.children import ChildShown, TreeShown
from alluse_hub.protocols.effects import Core, Decision, Effect, Record, Send, Spawn, Stop, Wake
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.lifecycle import (
    CellSpec,
    ChildEnded,
    ChildState,
    ChildUp,
    Exited,
    GaveUp,
    Intensity,
    PeerUp,
    ResidentSpec,
    RestartType,
    Started,
    StopAsked,
    Strategy,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import BOARD
from alluse_hub.supervision.farewell import passed_on_s
from alluse_hub.supervision.restarts import SHUTDOWN

LIFE = 1
"""A resident lives once for each life of its cell."""

PICTURE_S = 0.1
"""How old a change may be when the board is told of it."""

CAUSE_CHARS_MAX = 500
NAMES_SHOWN = 5
"""Residents named in the cause of an end that took too long; more are counted."""

NO_RESTARTS = Intensity(restarts=0)


@dataclass(frozen=True, slots=True)
class Resident:
    """As the cell sees it.  ``pid`` is the cell's own: they share the process."""

    spec: ResidentSpec
    state: ChildState = ChildState.STOPPED
    incarnation: int = 0
    pid: int = 0
    last_exit: str = ""
    since: float = 0.0

    @property
    def is_alive(self) -> bool:
        return self.state is not ChildState.STOPPED


@dataclass(frozen=True, slots=True)
class Cell:
    """``residents`` in the order of the specification.  ``waiting``: those that are not up yet.  ``is_ending``: it was
    asked to end."""

    name: str
    residents: Mapping[str, Resident]
    waiting: frozenset[str]
    is_ending: bool = False
    is_changed: bool = False  # since the last picture

    def put(self, resident: Resident) -> "Cell":
        return replace(self, residents=MappingProxyType({**self.residents, resident.spec.name: resident}))

    def shown(self) -> TreeShown:
        return TreeShown(
            supervisor=self.name,
            strategy=Strategy.ONE_FOR_ALL,
            intensity=NO_RESTARTS,
            children=tuple(
                ChildShown(
                    name=name,
                    state=resident.state,
                    restart=RestartType.PERMANENT,
                    incarnation=resident.incarnation,
                    pid=resident.pid,
                    last_exit=resident.last_exit,
                    since=resident.since,
                )
                for name, resident in self.residents.items()
            ),
            cell=True,
        )


Step = Decision[Cell]


def start(name: str, spec: Message) -> Cell:
    """Raises CallerError if two residents have one name."""
    assert isinstance(spec, CellSpec), "the shell validates the specification"
    names = [resident.name for resident in spec.residents]
    doubled = sorted({other for other in names if names.count(other) > 1})
    if doubled:
        raise CallerError(f"residents of {name!r} need names of their own; given twice: {', '.join(doubled)}")
    residents = {resident.name: Resident(resident) for resident in spec.residents}
    return Cell(name, MappingProxyType(residents), frozenset(names))


def decide(state: Cell, letter: Envelope) -> Step:
    match letter.body:
        case Started():
            return begin(state, letter.at)
        case ChildUp() as up:
            return came_up(state, up, letter.at)
        case Exited() as exited:
            return ended(state, exited, letter.at)
        case StopAsked(reason=reason, left_s=left_s):
            return stop_all(state, reason, letter.at, left_s)
        case Woken(timer="grace"):
            return overdue(state)
        case Woken(timer="picture"):
            return pictured(state) if state.is_changed else Decision(state)
        case PeerUp(name=name):
            return pictured(state) if name == BOARD else Decision(state)
        case other:
            raise TypeError(f"a cell does not take {type(other).__name__}")


def begin(state: Cell, at: float) -> Step:
    born = {name: replace(resident, state=ChildState.STARTING, since=at) for name, resident in state.residents.items()}
    state = replace(state, residents=MappingProxyType(born))
    spawns = tuple(Spawn(name, LIFE, resident.spec.start) for name, resident in born.items())
    return pictured(state, *spawns)


def came_up(state: Cell, up: ChildUp, at: float) -> Step:
    resident = state.residents.get(up.name)
    if resident is None or up.name not in state.waiting:
        return Decision(state)
    moment = resident.state if state.is_ending else ChildState.READY
    known = replace(resident, state=moment, incarnation=up.incarnation, pid=up.pid, since=at)
    state = replace(state.put(known), waiting=state.waiting - {up.name})
    return changed(state) if state.waiting else pictured(state)


def ended(state: Cell, exited: Exited, at: float) -> Step:
    resident = state.residents.get(exited.name)
    if resident is None or not resident.is_alive:
        return Decision(state)
    gone = replace(resident, state=ChildState.STOPPED, pid=0, last_exit=exited.cause, since=at)
    state = state.put(gone)
    fact = Record(ChildEnded(name=exited.name, life=LIFE, incarnation=gone.incarnation, cause=exited.cause))
    if not state.is_ending:
        cause = f"error: {exited.name} ended: {exited.cause}"[:CAUSE_CHARS_MAX]
        return pictured(state, fact, Record(GaveUp(child=exited.name, cause=exited.cause)), end=cause)
    if any(other.is_alive for other in state.residents.values()):
        step = changed(state)
        return Decision(step.state, (fact, *step.effects))
    return pictured(state, fact, end=SHUTDOWN)


def stop_all(state: Cell, reason: str, at: float, left_s: float | None) -> Step:
    """All at once: they stop side by side, so the longest grace is enough for all, and each may take what is left."""
    if state.is_ending:
        return Decision(state)
    alive = {name: resident for name, resident in state.residents.items() if resident.is_alive}
    if not alive:
        return Decision(replace(state, is_ending=True), (Stop(state.name, SHUTDOWN, 0.0),))
    stopping = {name: replace(resident, state=ChildState.STOPPING, since=at) for name, resident in alive.items()}
    state = replace(state, is_ending=True, residents=MappingProxyType({**state.residents, **stopping}))
    most_s = math.inf if left_s is None else passed_on_s(left_s)
    longest = min(most_s, max(resident.spec.grace_s for resident in alive.values()))
    each_s = None if left_s is None else most_s
    stops = tuple(Stop(name, reason, min(most_s, each.spec.grace_s), each_s) for name, each in alive.items())
    return pictured(state, Wake("grace", longest), *stops)


def overdue(state: Cell) -> Step:
    """Nothing in a shared process can be killed alone: it ends with those that do not."""
    late = [name for name, resident in state.residents.items() if resident.is_alive]
    if not late:
        return Decision(state)
    rest = f" and {len(late) - NAMES_SHOWN} more" if len(late) > NAMES_SHOWN else ""
    names = ", ".join(late[:NAMES_SHOWN])
    return pictured(state, end=f"killed: {names}{rest} did not end within the grace")


def changed(state: Cell) -> Step:
    """The board is told a little later, of this and of what follows it."""
    if state.is_changed:
        return Decision(state)
    return Decision(replace(state, is_changed=True), (Wake("picture", PICTURE_S),))


def pictured(state: Cell, *effects: Effect, end: str = "") -> Step:
    """``effects``, then the picture, then the cell's own end if there is a cause for it."""
    said = (*effects, Send(BOARD, state.shown()))
    return Decision(replace(state, is_changed=False), (*said, Stop(state.name, end, 0.0)) if end else said)


CELL = Core(
    start=start,
    decide=decide,
    spec=CellSpec,
    accepts=frozenset({Started, ChildUp, Exited, Woken, StopAsked, PeerUp}),
    ready=lambda state: not state.waiting,
    heeds=lambda _state, name: name == BOARD,
)
