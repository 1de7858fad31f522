"""A monitor on the bench: its core in virtual time, with a fake program behind a fake shim."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from alluse_hub.actors.monitor.core import CORE
from alluse_hub.actors.monitor.state import Monitor, evolve, start
from alluse_hub.protocols.effects import CancelWake, Commit, Do, Record, Send, Stop, Wake
from alluse_hub.protocols.flow import Present
from alluse_hub.protocols.health import HealthChanged, Status
from alluse_hub.protocols.lifecycle import Started, Woken
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    Detach,
    Dismiss,
    EndProgram,
    EndShim,
    LinesRead,
    Look,
    Looked,
    NotRunning,
    ProgramGone,
    ReleaseLines,
    SignalProgram,
    WriteLines,
)
from alluse_hub.protocols.workstream import EventLine, Hello, MonitorSpec, ProgramLine, Reply

PATIENCE_S = 60.0


# --- the core in virtual time ----------------------------------------------------------------------------------------


@dataclass
class Bench:
    """Runs the core as a shell would, performs timers, and keeps all else for the test to look at."""

    spec: MonitorSpec = field(default_factory=lambda: MonitorSpec(workstream="ws9", command=("program",)))
    at: float = 1000.0
    state: Monitor = field(init=False)
    facts: list[Fact] = field(default_factory=list)
    effects: list[Any] = field(default_factory=list)  # of the last letter
    sent: list[tuple[str, Message]] = field(default_factory=list)
    jobs: list[Message] = field(default_factory=list)
    timers: dict[str, float] = field(default_factory=dict)
    stopped: str = ""
    letters: int = 0
    on_job: Callable[[Message], None] | None = None

    def __post_init__(self) -> None:
        self.state = start(self.spec.workstream, self.spec)

    def tell(self, body: Message, sender: str = "ws9") -> "Bench":
        assert type(body) in CORE.accepts
        self.letters += 1
        letter = Envelope(id=f"{sender}/1/{self.letters}", sender=sender, to="ws9", body=body, at=self.at)
        decision = CORE.decide(self.state, letter)
        self.state = decision.state
        self.effects = list(decision.effects)
        for effect in decision.effects:
            self._perform(effect)
        return self

    def _perform(self, effect: Any) -> None:
        match effect:
            case Send(to=to, message=message):
                self.sent.append((to, message))
            case Record(fact=fact) | Commit(fact=fact):
                self.facts.append(fact)
            case Do(job=job):
                self.jobs.append(job)
                if self.on_job is not None:
                    self.on_job(job)
            case Wake(timer=timer, after_s=after_s):
                self.timers[timer] = self.at + after_s
            case CancelWake(timer=timer):
                self.timers.pop(timer, None)
            case Stop(reason=reason):
                self.stopped = reason

    def boot(self) -> "Bench":
        return self.tell(Started(incarnation=1))

    def die(self) -> "Bench":
        """kill -9 and the next incarnation: only the facts are left."""
        self.state = self.folded()
        self.timers.clear()
        return self

    def folded(self) -> Monitor:
        state = start(self.spec.workstream, self.spec)
        for fact in self.facts:
            if type(fact) in CORE.facts:
                state = evolve(state, fact)
        return state

    def pass_time(self, seconds: float) -> "Bench":
        until = self.at + seconds
        while self.timers and min(self.timers.values()) <= until:
            timer = min(self.timers, key=lambda each: self.timers[each])
            self.at = max(self.at, self.timers.pop(timer))
            self.tell(Woken(timer=timer))
        self.at = until
        return self

    # --- shorthand -----------------------------------------------------------------------------------------------

    def up(self, pid: int = 50, *, adopted: bool = False, resumed: bool = False, events: int = 0) -> "Bench":
        """The program is attached and, unless it said so before, says hello."""
        self.tell(attached(pid, adopted=adopted))
        if not self.state.kept.greeted:
            self.hears(hello(pid, resumed=resumed, events=events))
        return self

    def hears(self, *lines: ProgramLine, through: int = 99) -> "Bench":
        return self.tell(LinesRead(through=through, lines=lines))

    def recorded(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if type(fact) is kind]

    def said(self, kind: type[Message], to: str | None = None) -> list[Any]:
        return [message for whom, message in self.sent if type(message) is kind and to in {None, whom}]

    def did(self, kind: type[Message]) -> list[Any]:
        return [job for job in self.jobs if type(job) is kind]

    def statuses(self) -> list[Status]:
        return [change.now for change in self.recorded(HealthChanged)]

    def presences(self, to: str = "router") -> list[str]:
        return [present.presence for present in self.said(Present, to)]

    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for job in self.did(WriteLines) for line in job.lines]


def attached(pid: int = 50, *, adopted: bool = False) -> Attached:
    return Attached(pid=pid, start_ticks=pid * 10, shim_pid=pid - 1, shim_ticks=pid * 10, adopted=adopted)


def hello(pid: int = 50, *, resumed: bool = False, events: int = 0) -> Hello:
    return Hello(
        ws="ws9", seq=1, t=0.0, kind="hello", name="Nine", version="1", pid=pid, resumed=resumed, events=events
    )


def event(n: int, cause: str = "", **payload: Any) -> EventLine:
    return EventLine(ws="ws9", seq=n + 1, t=0.0, kind="event", n=n, event="moved", cause=cause, payload=payload)


def reply(key: str, *, ok: bool = True, error: str | None = None, **result: Any) -> Reply:
    return Reply(ws="ws9", seq=1, t=0.0, kind="reply", id=key, ok=ok, result=result, error=error)


# --- a fake program behind a fake shim -------------------------------------------------------------------------------


@dataclass
class FakeShim:
    """Holds a program that keeps the contract: it does a key once, whatever dies, and tells its events again after a
    death.  Lines are kept until released; ``outbox`` holds what the adapter of this incarnation has yet to deliver."""

    bench: Bench
    outbox: list[Message] = field(default_factory=list)
    is_running: bool = False
    pid: int = 100
    kept: list[tuple[int, ProgramLine]] = field(default_factory=list)
    line: int = 0
    replies: dict[str, Reply] = field(default_factory=dict)  # durable in the program
    events: list[EventLine] = field(default_factory=list)  # durable in the program
    done: list[str] = field(default_factory=list)  # keys in the order of their one effect

    def __post_init__(self) -> None:
        self.bench.on_job = self.take

    def take(self, job: Message) -> None:
        match job:
            case Attach(start=wanted):
                self._attach(wanted)
            case WriteLines(lines=lines) if self.is_running:
                for line in lines:
                    self._obey(json.loads(line))
            case ReleaseLines(through=through):
                self.kept = [each for each in self.kept if each[0] > through]
            case SignalProgram() | EndProgram() | EndShim() if self.is_running:
                self.kill("normal")
            case Look():
                self.outbox.append(Looked(age_s=0.1))
            case Dismiss() | Detach() | WriteLines() | SignalProgram() | EndProgram() | EndShim():
                pass
            case other:
                raise TypeError(type(other).__name__)

    def _attach(self, wanted: bool) -> None:
        if not self.is_running and not wanted:
            self.outbox.append(NotRunning())
            return
        adopted = self.is_running
        if not adopted:
            self.is_running, self.line, self.kept = True, 0, []
            self.pid += 1
        self.outbox.append(attached(self.pid, adopted=adopted))
        if adopted and self.kept:
            self.outbox.append(LinesRead(through=self.line, lines=tuple(line for _, line in self.kept)))
        if not adopted:
            self.say(hello(self.pid, resumed=bool(self.replies), events=len(self.events)), *self.events)

    def say(self, *lines: ProgramLine) -> None:
        for line in lines:
            self.line += 1
            self.kept.append((self.line, line))
        self.outbox.append(LinesRead(through=self.line, lines=lines))

    def _obey(self, asked: dict[str, Any]) -> None:
        key = asked["id"]
        if key in self.replies:
            self.say(self.replies[key])
            return
        self.done.append(key)
        told = [event(len(self.events) + each + 1, cause=key) for each in range(len(key) % 3)]
        self.events += told
        self.replies[key] = reply(key, did=asked["command"])
        self.say(*told, self.replies[key])

    def tell_unasked(self) -> None:
        self.events.append(event(len(self.events) + 1))
        self.say(self.events[-1])

    def kill(self, cause: str = "killed by SIGKILL") -> None:
        self.is_running = False
        self.outbox.append(ProgramGone(cause=cause))

    def kill_monitor(self) -> None:
        self.outbox.clear()
        self.bench.die().boot()

    def step(self) -> bool:
        if self.outbox:
            self.bench.tell(self.outbox.pop(0))
        return bool(self.outbox)
