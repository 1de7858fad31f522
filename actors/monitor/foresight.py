"""What an order would do to the program: the monitor's own decisions, rehearsed on a copy of its state.

As supervisors do it (``supervision/supervisor_foreseen``): the order is decided on as it would be, the program ends
when it is told to, and is there when it is started; or, for the other question, it cannot be started, and time passes
in pauses until the monitor parks it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from alluse_hub.protocols.effects import CancelWake, Commit, Decision, Do, Effect, Record, Wake
from alluse_hub.protocols.foresight import FailureForeseen, Foresee, Foreseen, Foretold, Outcome
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.program import Attach, Attached, AttachFailed, EndProgram, ProgramGone, SignalProgram
from alluse_hub.protocols.workstream import ProgramParked, RestartProgram, StopProgram
from alluse_hub.supervision.restarts import recent

from .state import Monitor

Decide = Callable[[Monitor, Envelope], Decision[Monitor]]

ASKER = "foresight"
TRIES_MAX = 100
"""Failed starts that are rehearsed."""

RETRY = "restart"
"""The timer of the pause before a program is tried again; no other is let come up."""


@dataclass(slots=True)
class _Rehearsal:
    decide: Decide
    state: Monitor
    now: float
    fails: bool = False
    mail: deque[Message] = field(default_factory=deque)
    pause_s: float | None = None
    pauses: list[float] = field(default_factory=list)
    ended: int = 0
    started: int = 0
    failures: int = 0
    is_parked: bool = False

    def settle(self) -> None:
        while self.mail and self.failures < TRIES_MAX:
            letter = Envelope(ASKER, ASKER, self.state.ws, self.mail.popleft(), self.now)
            step = self.decide(self.state, letter)
            self.state = step.state
            for effect in step.effects:
                self.perform(effect)

    def perform(self, effect: Effect) -> None:
        match effect:
            case Do(job=EndProgram() | SignalProgram()):
                self.ended += 1
                self.mail.append(ProgramGone(cause="normal"))
            case Do(job=Attach(start=True)) if self.fails:
                self.failures += 1
                self.mail.append(AttachFailed(error="it did not start"))
            case Do(job=Attach(start=True)):
                self.started += 1
                self.mail.append(Attached(pid=1, start_ticks=0, shim_pid=0, shim_ticks=0, adopted=False))
            case Wake(timer=timer, after_s=after_s) if timer == RETRY:
                self.pause_s = after_s
            case CancelWake(timer=timer) if timer == RETRY:
                self.pause_s = None
            case Record(fact=ProgramParked()) | Commit(fact=ProgramParked()):
                self.is_parked = True


def foreseen(decide: Decide, woken: Message, state: Monitor, ask: Foresee, at: float) -> Foreseen:
    """``woken``: the word with which the pause before a try is over."""
    order = (StopProgram if ask.order is Foretold.STOP else RestartProgram)(by=ASKER, reason="")
    good = _Rehearsal(decide, state, at, mail=deque((order,)))
    good.settle()
    program = (f"{state.ws}'s program",)
    restarts = ask.order is Foretold.RESTART
    return Foreseen(
        name=ask.name,
        order=ask.order,
        by=state.ws,
        goes_down=program if good.ended else (),
        comes_back=program if good.started else (),
        used=len(recent(state.kept.restarts, at, state.spec.intensity.period_s)),
        limit=state.spec.intensity,
        failure=_failure(decide, woken, state, order, at) if restarts else None,
        notes=tuple(_notes(state, restarts=restarts)),
    )


def _failure(decide: Decide, woken: Message, state: Monitor, order: Message, at: float) -> FailureForeseen:
    bad = _Rehearsal(decide, state, at, fails=True, mail=deque((order,)))
    bad.settle()
    while not bad.is_parked and bad.pause_s is not None and bad.failures < TRIES_MAX:
        pause_s, bad.pause_s = bad.pause_s, None
        bad.pauses.append(round(pause_s, 3))
        bad.now += pause_s
        bad.mail.append(woken)
        bad.settle()
    outcome = Outcome.PARKED if bad.is_parked else Outcome.TRIED_ON if bad.failures else Outcome.STAYS_DOWN
    return FailureForeseen(tries=max(0, bad.failures - 1), pauses_s=tuple(bad.pauses), outcome=outcome)


def _notes(state: Monitor, *, restarts: bool) -> list[str]:
    count = len(state.kept.open)
    if not count:
        return []
    what = f"{count} command{'s' if count > 1 else ''} under way"
    return [f"{what}: said again to the new one" if restarts else f"{what}: refused"]
