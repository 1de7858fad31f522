"""What an order would do: the supervisor's own decisions, rehearsed on a copy of its state.

A state is frozen and a decision a pure function, so nothing has to be written twice to tell the future: the order is
decided on as it would be, children that are told to stop end, those that are started come up, and who was told what is
the answer.  For the other question, what if it did not start again, the same with a child that fails at every start,
and with time that passes in pauses, until the limit says what is to become of it.

What is under way when the question comes is taken to end well first.

Pure.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.children import ActorOrderDone, RestartActor, StopActor
from alluse_hub.protocols.effects import Because, CancelWake, Decision, Effect, Kill, Record, Send, Spawn, Stop, Wake
from alluse_hub.protocols.foresight import FailureForeseen, Foresee, Foreseen, Foretold, Outcome
from alluse_hub.protocols.lifecycle import (
    ChildParked,
    ChildRestarted,
    ChildStart,
    ChildState,
    ChildUp,
    Exited,
    GaveUp,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Json, Message
from alluse_hub.supervision.restarts import SHUTDOWN, recent
from alluse_hub.supervision.supervisor_state import Supervisor

Decide = Callable[[Supervisor, Envelope], Decision[Supervisor]]

ASKER = "foresight"
"""In whose name the order is rehearsed; its answers go nowhere."""

LETTERS_MAX = 20_000
"""A rehearsal that takes more is broken off, as one that would go on for ever: a family of thousands, restarted whole,
takes two for each."""

TRIES_MAX = 100
"""Failed starts that are rehearsed."""

FAILURE = "error: it did not start"


@dataclass(slots=True)
class _Rehearsal:
    """``failing``: the child that does not start.  ``mail``: what is heard at once; ``timers``: hub time of each."""

    decide: Decide
    state: Supervisor
    now: float
    failing: str = ""
    mail: deque[Message] = field(default_factory=deque)
    timers: dict[str, float] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    refused: str = ""
    failures: int = 0
    outcome: Outcome | None = None
    letters: int = 0

    def settle(self) -> None:
        """All that follows at once."""
        while self.mail and self.letters < LETTERS_MAX:
            self.hear(self.mail.popleft())

    def hear(self, body: Message) -> None:
        self.letters += 1
        step = self.decide(self.state, Envelope(ASKER, ASKER, self.state.name, body, self.now))
        self.state = step.state
        for effect in step.effects:
            self.perform(effect.effect if isinstance(effect, Because) else effect)

    def perform(self, effect: Effect) -> None:
        match effect:
            case Stop(name=name) if name == self.state.name:
                self.outcome = self.outcome or Outcome.GIVES_UP
            case Stop(name=name) | Kill(name=name):
                self.stopped.append(name)
                self.mail.append(Exited(name=name, life=self.state.child(name).life, cause=SHUTDOWN))
            case Spawn(name=name, life=life) if name == self.failing:
                self.failures += 1
                self.mail.append(Exited(name=name, life=life, cause=FAILURE))
            case Spawn(name=name, life=life):
                self.started.append(name)
                self.mail.append(ChildUp(name=name, life=life, incarnation=life, pid=0))
            case Wake(timer=timer, after_s=after_s):
                self.timers[timer] = self.now + after_s
            case CancelWake(timer=timer):
                self.timers.pop(timer, None)
            case Record(fact=fact):
                self.note(fact)
            case Send(message=ShutDown()):
                self.outcome = Outcome.HUB_ENDS
            case Send(to=to, message=ActorOrderDone(ok=False, text=text)) if to == ASKER and not self.failures:
                self.refused = text

    def note(self, fact: Message) -> None:
        match fact:
            case ChildParked(name=name) if name == self.failing:
                self.outcome = self.outcome or Outcome.PARKED
            case GaveUp():
                self.outcome = Outcome.GIVES_UP
            case ChildRestarted(name=name, pause_s=pause_s) if name == self.failing:
                self.pauses.append(pause_s)

    def wait(self) -> bool:
        """Let time pass to the next timer; whether there was one."""
        if not self.timers:
            return False
        timer = min(self.timers, key=lambda name: (self.timers[name], name))
        self.now = max(self.now, self.timers.pop(timer))
        self.hear(Woken(timer=timer))
        return True


def foreseen(decide: Decide, state: Supervisor, ask: Foresee, at: float) -> Foreseen:
    order = StopActor(name=ask.name) if ask.order is Foretold.STOP else RestartActor(name=ask.name)
    calm = _settled(decide, state, at)
    good = _Rehearsal(decide, calm, at, mail=deque((order,)))
    good.settle()
    told = Foreseen(
        name=ask.name,
        order=ask.order,
        by=state.name,
        strategy=state.spec.strategy,
        refused=good.refused,
        used=_used(state, ask.name, at),
        limit=state.spec.intensity,
    )
    if good.refused:
        return told
    touched = dict.fromkeys((*good.stopped, *good.started))
    failure = _failure(decide, calm, order, at, good) if ask.order is Foretold.RESTART else None
    return told.model_copy(
        update={
            "goes_down": tuple(good.stopped),
            "comes_back": tuple(good.started),
            "below": tuple(name for child in touched for name in below(state.child(child).spec.start)),
            "failure": failure,
        }
    )


def _settled(decide: Decide, state: Supervisor, at: float) -> Supervisor:
    """With what is under way at its end."""
    rehearsal = _Rehearsal(decide, state, at)
    for child in state.children:
        if child.state is ChildState.STARTING:
            up = ChildUp(name=child.name, life=child.life, incarnation=max(1, child.incarnation), pid=0)
            rehearsal.mail.append(up)
        elif child.state is ChildState.STOPPING:
            rehearsal.mail.append(Exited(name=child.name, life=child.life, cause=SHUTDOWN))
    rehearsal.settle()
    return rehearsal.state


def _failure(
    decide: Decide, calm: Supervisor, order: StopActor | RestartActor, at: float, good: _Rehearsal
) -> FailureForeseen:
    """``good``: how it goes if all starts; who is stopped then is told already."""
    bad = _Rehearsal(decide, calm, at, failing=order.name, mail=deque((order,)))
    bad.settle()
    while bad.outcome is None and bad.failures < TRIES_MAX and bad.letters < LETTERS_MAX and bad.wait():
        bad.settle()
    is_endless = bad.failures >= TRIES_MAX or bad.letters >= LETTERS_MAX
    outcome = bad.outcome or (Outcome.TRIED_ON if is_endless else Outcome.STAYS_DOWN)
    tries = max(0, bad.failures - 1)
    pauses = tuple(round(pause, 3) for pause in bad.pauses[:tries] if pause)
    more = tuple(dict.fromkeys(bad.stopped[len(good.stopped) :]))
    return FailureForeseen(tries=tries, pauses_s=pauses, outcome=outcome, goes_down=more)


def _used(state: Supervisor, name: str, at: float) -> int:
    child = state.find(name)
    own = () if child is None else child.restart_times
    times = own if state.parks else state.restart_times
    return len(recent(times, at, state.spec.intensity.period_s))


def below(start: ChildStart) -> Iterator[str]:
    """Who goes down and comes back with a supervisor or a cell, as specified."""
    yield from _named(start.spec)


def _named(spec: Json) -> Iterator[str]:
    for kind in ("children", "residents"):
        listed = spec.get(kind)
        for one in listed if isinstance(listed, list | tuple) else ():
            if isinstance(one, dict):
                yield str(one.get("name", ""))
                start = one.get("start")
                inner = start.get("spec") if isinstance(start, dict) else None
                yield from _named(inner) if isinstance(inner, dict) else ()
