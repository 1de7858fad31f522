"""The stage: the hub's own simulation, in which nothing takes time unless the scenario says so.

The supervisors are the real core on real lives, with letters, effects and a trail as in the hub.  Cast are only the
workers, and in place of a supervisor whose own start fails an actor that fails.  What a trace has is seen from outside,
births and ends of actors, and read in the trail, the supervisors' reports.

Two things are as on Erlang's machine and not as in the hub, where the kernel ends everybody below a killed process: a
supervisor whose parent was killed ends in order; and a supervisor's mailbox can be held while its children end.
"""

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from alluse_hub.protocols.children import AutoShutdownBegun, FaultReported
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.lifecycle import IGNORE, KILLED, ChildStart, GaveUp, StopAsked
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.memory import MemorySpool, MemoryTrail
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.simulation import Moment, Simulated, Simulation, Weather
from alluse_hub.supervision.spool import Frame
from alluse_hub.supervision.tree import SUPERVISOR_ACTOR
from tests.otp.cast import HANG, WORKER, PlanShutdown, WorkerSpec
from tests.otp.reasons import reason_of
from tests.otp.scenario import OnShutdown, ScenarioError

OPERATOR = "operator"
"""Whoever asks the supervisors."""

STILL = Weather(spawn_s=0.0, exit_s=0.0, latency_s=(0.0, 0.0), work_s=(0.0, 0.0))

STEPS_MAX = 200_000
"""Events of one step; what takes more goes round in circles."""

Event = dict[str, Any]  # as JSON, in the form of a trace

CAUSES = {GaveUp.__name__: "intensity", AutoShutdownBegun.__name__: "auto_shutdown"}
"""Why a supervisor ended that recorded this."""


@dataclass(slots=True)
class Part:
    """What one id of the scenario plays: outcomes of its next starts, and how it takes being stopped."""

    init: list[str] = field(default_factory=list)
    on_shutdown: OnShutdown = "stop"


class Trail(MemoryTrail):
    """Tells the world of each fact at once, so that reports stand in their place among the births and ends."""

    world: "World"

    def append(self, spool: MemorySpool, frame: Frame, at: float, wall: float) -> None:
        super().append(spool, frame, at, wall)
        if frame.kind is EntryKind.FACT:
            self.world.recorded(spool, frame)


class World(Simulation):
    """``ids``: what the scenario calls an actor.  ``core``: the supervisor."""

    def __init__(self, ids: dict[str, str], core: Core[Any]) -> None:
        super().__init__(weather=STILL)
        self.trail = Trail(on_power=self._power)
        self.trail.world = self
        self.ids = ids
        self.core = core
        self.events: list[Event] = []
        self.parts: dict[str, Part] = {}
        self.attempts: Counter[str] = Counter()
        self.incs: dict[Simulated, int] = {}
        self.lives: dict[tuple[Simulated | None, str, int], int] = {}  # supervisor, child, its life there -> inc
        self.living: dict[Simulated, None] = {}
        self.causes: dict[tuple[str, int], str] = {}
        self.to_fail = ""  # the actor whose next start fails, whatever else is planned
        self.failing: Simulated | None = None
        self._held: Simulated | None = None
        self._letters: deque[tuple[Message, Origin]] = deque()
        self.answers = self.probe(OPERATOR)

    # --- the cast -----------------------------------------------------------------------------------------------------

    def cast(self, name: str, start: ChildStart) -> tuple[Core[Any], Json]:
        part = self.parts.setdefault(name, Part())
        planned = [HANG] if name == self.to_fail else part.init
        outcome = planned.pop(0) if planned else "ok"
        if start.actor == SUPERVISOR_ACTOR and outcome == "ok":
            return self.core, start.spec
        spec = WorkerSpec(outcome=outcome, on_shutdown=part.on_shutdown)
        return WORKER, spec.model_dump(mode="json")

    def take_to_stopping(self, name: str, on_shutdown: OnShutdown) -> None:
        self.parts.setdefault(name, Part()).on_shutdown = on_shutdown
        actor = self.running(name)
        if actor is not None and actor.core is WORKER:
            self.tell_core(actor, PlanShutdown(on_shutdown=on_shutdown))

    def running(self, name: str) -> Simulated | None:
        """The actor of that name, if it is up."""
        actor = self.actors.get(name)
        return actor if actor is not None and actor.is_alive and actor.is_announced else None

    # --- what a trace has ---------------------------------------------------------------------------------------------

    def witness(self, actor: Simulated, moment: Moment, cause: str = "") -> None:
        match moment:
            case Moment.BORN:
                self.attempts[actor.name] += 1
                self.incs[actor] = self.attempts[actor.name]
                self.lives[actor.parent, actor.name, actor.life_number] = self.incs[actor]
                self.living[actor] = None
                if actor.core is self.core:
                    self._happened("init", actor)
                if actor.name == self.to_fail:
                    self.to_fail, self.failing = "", actor
            case Moment.UP:
                self._happened("started", actor)
            case Moment.ENDED:
                if actor in self.living:  # else it was told to go before it was born
                    del self.living[actor]
                    self._ended(actor, cause)

    def _ended(self, actor: Simulated, cause: str) -> None:
        reason = reason_of(cause, self.ids.__getitem__)
        if not actor.is_announced and cause == IGNORE:
            self._happened("ignored", actor)
        elif not actor.is_announced:
            self._happened("start_failed", actor, reason=reason)
        elif actor.core is self.core:
            why = self.causes.get((actor.name, actor.life.spool.incarnation), "parent")
            self._happened("exited", actor, reason=reason, cause=KILLED if reason == KILLED else why)
        else:
            self._happened("exited", actor, reason=reason)

    def _happened(self, ev: str, actor: Simulated, **more: object) -> None:
        self.events.append({"ev": ev, "id": self.ids[actor.name], "inc": self.incs[actor], **more})

    def recorded(self, spool: MemorySpool, frame: Frame) -> None:
        if frame.message in CAUSES:
            self.causes[spool.actor, spool.incarnation] = CAUSES[frame.message]
        if frame.message == FaultReported.__name__:
            fact = FaultReported.model_validate(json.loads(frame.body))
            report: Event = {
                "ev": "report",
                "sup": self.ids[spool.actor],
                "kind": fact.fault.value,
                "child": self.ids[fact.child],
                "reason": reason_of(fact.cause, self.ids.__getitem__),
            }
            self.events.append(report | ({"children": fact.children} if fact.children > 1 else {}))

    # --- time ---------------------------------------------------------------------------------------------------------

    def happen(self) -> None:
        """All that is due at this moment, and what follows from it at once."""
        for _ in range(STEPS_MAX):
            if not self._events or self._events[0][0] > self.now:
                return
            self.step()
        raise ScenarioError(f"no end of what happens at once; the last of it: {self.events[-1:]}")

    def settle(self) -> None:
        """Until nobody is being started or stopped and no restart is pending; time passes only for that."""
        for _ in range(STEPS_MAX):
            self.happen()
            if self.is_quiet:
                return
            if not self.step():
                waiting = ", ".join(self.ids[actor.name] for actor in self.living if not self._is_idle(actor))
                raise ScenarioError(f"will never be over: {waiting} waits for a child that does not end")
        raise ScenarioError("no end in sight")

    @property
    def is_quiet(self) -> bool:
        return all(map(self._is_idle, self.living))

    def _is_idle(self, actor: Simulated) -> bool:
        if not actor.is_announced:
            return False
        if actor.core is not self.core:
            return True
        state = actor.life.state
        return not state.plans and not state.waiting and state.ending is None

    # --- as on Erlang's machine ---------------------------------------------------------------------------------------

    def orphaned(self, child: Simulated) -> None:
        if child.core is self.core:
            self.tell_core(child, StopAsked(reason=KILLED))
        else:
            self.end(child, KILLED)

    def hold(self, actor: Simulated | None) -> None:
        self._held = actor

    def release(self) -> None:
        held, self._held = self._held, None
        while held is not None and self._letters:
            self.tell_core(held, *self._letters.popleft())

    def tell_core(self, actor: Simulated, word: Message, origin: Origin = UNKNOWN) -> None:
        if actor is self._held:
            self._letters.append((word, origin))
        else:
            super().tell_core(actor, word, origin)

    def _introduce(self, newborn: Simulated) -> None:
        """Nobody here writes to anybody but the operator."""
        self._introduce_to(newborn, OPERATOR, 1)
