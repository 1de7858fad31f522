"""Runs a scenario on the hub's supervisor and writes down what happened, in the form of the recorded traces."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from alluse_hub import __version__
from alluse_hub.protocols.children import (
    ActorOrderDone,
    AddActor,
    AskChildren,
    AskChildSpec,
    AskCounts,
    ChildListed,
    ChildrenCounted,
    ChildrenListed,
    ChildSpecTold,
    OrderError,
    RemoveActor,
    Standing,
    StartActor,
    StartMember,
    StopActor,
    StopMember,
)
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.lifecycle import ChildKind, ChildSpec, ChildStart, Shutdown
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.supervision.simulation import Simulated
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.tree import SUPERVISOR_ACTOR
from tests.otp import scenario as told
from tests.otp.cast import INIT_FAILED, WORKER_START, EndNow
from tests.otp.reasons import cause_of, reason_of
from tests.otp.scenario import Draft, Scenario, ScenarioError
from tests.otp.world import OPERATOR, Event, Part, World

NOT_RUNNING = {"error": "not_running"}
NOPROC = {"error": "noproc"}

PLAIN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""Ids that can be names of actors; with a prefix, so that none is anybody's in the hub."""

INTENSITY = 1
PERIOD_S = 5
"""Where the scenario says nothing, as in Erlang/OTP."""

Result = Any  # of JSON
Trace = dict[str, Any]  # of JSON


def trace_of(scenario: Scenario, core: Core[Any] = SUPERVISOR) -> Trace:
    """Raises ScenarioError if the scenario asks for what cannot be."""
    return Run(scenario, core).trace()


@dataclass(frozen=True, slots=True)
class Asking:
    """A call in the hub's words, and how its answer reads in a trace."""

    message: Message
    read: Callable[[Message], Result]


class Run:
    def __init__(self, scenario: Scenario, core: Core[Any]) -> None:
        self.scenario = scenario
        self.names = {scenario.tree.id: ROOT}
        self.ids = {ROOT: scenario.tree.id}
        self.world = World(self.ids, core)
        self.templates: dict[str, Draft] = {}
        self.learn(scenario.tree)

    # --- the trace ----------------------------------------------------------------------------------------------------

    def trace(self) -> Trace:
        start = self.begin()
        steps = [self.step(number, step) for number, step in enumerate(self.scenario.steps, start=1)]
        final = self.final(start["result"])
        self.stop()
        return {
            "scenario": self.scenario.name,
            "recorded_from": f"ALL-USE Hub {__version__}",
            "start": start,
            "steps": steps,
            "final": final,
            "teardown": {"events": self.events_so_far()},
        }

    def begin(self) -> dict[str, Result]:
        self.world.boot(ChildStart(actor=SUPERVISOR_ACTOR, spec=self.supervisor_json(self.scenario.tree)))
        self.world.settle()
        events = self.events_so_far()
        return {"result": self.start_result(events), "events": events}

    def start_result(self, events: list[Event]) -> Result:
        if self.world.running(ROOT):
            return {"ok": "started"}
        own = [event for event in events if event.get("id") == self.scenario.tree.id]  # orphans may end after it
        if own[-1]["ev"] == "ignored":
            return {"ok": "ignored"}
        reason = own[-1]["reason"]
        return reason if isinstance(reason, dict) else {"error": reason}

    def step(self, number: int, step: told.Step) -> Trace:
        since = self.world.now
        try:
            result = self.done(step)
            self.world.settle()
        except ScenarioError as error:
            raise ScenarioError(f"step {number}: {error}") from error
        entry: Trace = {"step": number, "op": getattr(step, "op", ""), "events": self.events_so_far()}
        if result is not None:
            entry["result"] = result
        if step.bounds_ms is not None:
            low, high = step.bounds_ms
            entry["within_bounds"] = low <= round((self.world.now - since) * 1000, 3) <= high
        return entry

    def events_so_far(self) -> list[Event]:
        events, self.world.events = self.world.events, []
        return events

    def final(self, started: Result) -> Trace:
        root = self.world.running(ROOT)
        if root is not None:
            return self.branch(root)
        if started == {"ok": "started"}:
            return {"id": self.scenario.tree.id, "state": "stopped"}
        return {"state": "not_started"}

    def branch(self, supervisor: Simulated) -> Trace:
        listed = self.answer(supervisor, AskChildren())
        assert isinstance(listed, ChildrenListed)
        children: list[Any] = []
        for entry in listed.children:
            child = supervisor.children.get(entry.name)
            is_below = entry.standing is Standing.RUNNING and entry.kind is ChildKind.SUPERVISOR
            children.append(self.branch(child) if is_below and child is not None else self.listed(supervisor, entry))
        own = {"id": self.ids[supervisor.name], "kind": "supervisor", "inc": self.world.incs[supervisor]}
        return {**own, "state": "running", "children": children}

    # --- steps --------------------------------------------------------------------------------------------------------

    def done(self, step: told.Step) -> Result:
        match step:
            case told.Crash() | told.Exit() | told.Kill():
                return self.end(step)
            case told.AtOnce():
                self.world.hold(self.world.running(self.name(step.sup)))
                for end in step.steps:
                    self.end(end)
                    self.world.happen()
                self.world.release()
            case told.PlanInit():
                self.part(step.child).init = list(step.outcomes)
            case told.PlanShutdown():
                self.world.take_to_stopping(self.name(step.child), step.on_shutdown)
            case told.WhileRestarting():
                return self.while_restarting(step)
            case told.Wait():
                self.world.advance(step.ms / 1000)
            case told.Stop():
                self.stop()
            case (
                told.StartChild()
                | told.TerminateChild()
                | told.RestartChild()
                | told.DeleteChild()
                | told.GetChildspec()
                | told.WhichChildren()
                | told.CountChildren()
            ):
                return self.called([step])[0]
            case other:
                raise TypeError(f"no step of a scenario: {type(other).__name__}")
        return None

    def end(self, step: told.Step) -> Result:
        assert isinstance(step, told.Crash | told.Exit | told.Kill)
        actor = self.world.running(self.name(step.child))
        if actor is None:
            return NOT_RUNNING
        if isinstance(step, told.Kill):
            self.world.end(actor, "killed")
            return None
        if actor.core is self.world.core:
            raise ScenarioError(f"{step.child} is a supervisor: it can be killed, but does not {step.op} by itself")
        if isinstance(step, told.Crash) and step.how == "raise":
            self.world.tell_core(actor, EndNow(cause=step.reason.removeprefix("error:"), raises=True))
        else:
            self.world.tell_core(actor, EndNow(cause=cause_of(step.reason)))
        return None

    def stop(self) -> None:
        """By the parent that a root has not."""
        if (root := self.world.running(ROOT)) is not None:
            self.world.order_stop(root, "shutdown", None)
            self.world.settle()

    def while_restarting(self, step: told.WhileRestarting) -> Result:
        world = self.world
        world.to_fail = self.name(step.child)
        if result := self.end(step.trigger):
            raise ScenarioError(f"the trigger makes nobody restart: {result['error']}")
        world.happen()
        while world.failing is None and not world.is_quiet and world.step():
            world.happen()
        world.to_fail = ""
        if world.failing is None:
            raise ScenarioError(f"the trigger does not make {step.sup} restart {step.child}")
        failing, world.failing = world.failing, None
        askings = self.ask(step.calls)
        world.tell_core(failing, EndNow(cause=INIT_FAILED))
        world.settle()
        return self.read(askings)

    # --- calls --------------------------------------------------------------------------------------------------------

    def called(self, calls: Iterable[told.Step]) -> list[Result]:
        askings = self.ask(calls)
        self.world.settle()
        return self.read(askings)

    def ask(self, calls: Iterable[told.Step]) -> list[Asking | None]:
        """Put them into the mailboxes; None for one that is not there."""
        askings: list[Asking | None] = []
        self.world.answers.clear()
        for call in calls:
            supervisor = self.world.running(self.name(getattr(call, "sup", "")))
            if supervisor is not None and supervisor.core is not self.world.core:
                raise ScenarioError(f"{getattr(call, 'sup', '')} is no supervisor")
            asking = None if supervisor is None else self.asking(supervisor, call)
            askings.append(asking)
            if supervisor is not None and asking is not None:
                self.world.tell(supervisor.name, asking.message, OPERATOR)
                self.world.happen()
        return askings

    def read(self, askings: list[Asking | None]) -> list[Result]:
        """Answers come in the order of the calls, of which the last may be lost with their supervisor."""
        answers = iter(self.world.answers)
        results: list[Result] = []
        for asking in askings:
            answer = None if asking is None else next(answers, None)
            results.append(NOPROC if asking is None or answer is None else asking.read(answer))
        return results

    def answer(self, supervisor: Simulated, question: Message) -> Message:
        self.world.answers.clear()
        self.world.tell(supervisor.name, question, OPERATOR)
        self.world.settle()
        return self.world.answers[0]

    def asking(self, supervisor: Simulated, call: told.Step) -> Asking:
        match call:
            case told.StartChild(spec=Draft() as spec):
                self.learn(spec)
                return Asking(AddActor(spec=self.child_json(spec)), self.started)
            case told.StartChild(label=str(label)):
                self.enrol(supervisor, label)
                return Asking(StartMember(name=self.name(label)), self.started)
            case told.TerminateChild(child=str(child)):
                return Asking(StopActor(name=self.name(child)), self.ordered)
            case told.TerminateChild(label=str(label)):
                return Asking(StopMember(name=self.name(label)), self.ordered)
            case told.RestartChild(child=child):
                return Asking(StartActor(name=self.name(child)), self.started)
            case told.DeleteChild(child=child):
                return Asking(RemoveActor(name=self.name(child)), self.ordered)
            case told.GetChildspec(child=child):
                return Asking(AskChildSpec(name=self.name(child)), self.spec_told)
            case told.WhichChildren():
                return Asking(AskChildren(), lambda answer: self.children_listed(supervisor, answer))
            case told.CountChildren():
                return Asking(AskCounts(), self.children_counted)
            case other:
                raise TypeError(f"no call: {type(other).__name__}")

    def ordered(self, answer: Message) -> Result:
        assert isinstance(answer, ActorOrderDone)
        match answer.error:
            case None:
                return {"ok": True}
            case OrderError.ENDING:
                return NOPROC
            case OrderError.INVALID:
                return {"error": f"invalid:{answer.cause.partition(':')[0]}"}
            case OrderError.START_FAILED:
                return {"error": "start_failed", "reason": reason_of(answer.cause, self.ids.__getitem__)}
            case error:
                return {"error": error.value}

    def started(self, answer: Message) -> Result:
        assert isinstance(answer, ActorOrderDone)
        return {"ok": "ignored" if answer.ignored else "started"} if answer.ok else self.ordered(answer)

    def spec_told(self, answer: Message) -> Result:
        return {"ok": self.spec_shown(answer.spec)} if isinstance(answer, ChildSpecTold) else self.ordered(answer)

    def children_listed(self, supervisor: Simulated, answer: Message) -> Result:
        if not isinstance(answer, ChildrenListed):
            return self.ordered(answer)
        return [self.listed(supervisor, entry) for entry in answer.children]

    def children_counted(self, answer: Message) -> Result:
        if not isinstance(answer, ChildrenCounted):
            return self.ordered(answer)
        return answer.model_dump(exclude={"supervisor"})

    def listed(self, supervisor: Simulated, entry: ChildListed) -> Json:
        shown: Json = {"id": self.ids[entry.name], "kind": entry.kind.value, "state": entry.standing.value}
        if entry.standing is Standing.RUNNING:
            shown["inc"] = self.world.lives[supervisor, entry.name, entry.life]
        return shown

    def spec_shown(self, spec: ChildSpec) -> Json:
        time: int | str = round(spec.grace_s * 1000) if spec.shutdown is Shutdown.GRACE else spec.shutdown.value
        own: Json = {"id": self.ids[spec.name], "kind": spec.kind.value, "restart": spec.restart.value}
        return {**own, "shutdown": time, "significant": spec.significant}

    # --- specifications in the hub's words ----------------------------------------------------------------------------

    def name(self, id_: str) -> str:
        """The actor that the scenario calls so."""
        if id_ not in self.names:
            name = f"t-{id_}" if PLAIN_NAME.fullmatch(id_) else f"x-{len(self.names)}"
            self.names[id_] = name
            self.ids[name] = id_
        return self.names[id_]

    def part(self, id_: str) -> Part:
        return self.world.parts.setdefault(self.name(id_), Part())

    def learn(self, draft: Draft) -> None:
        """What the scenario says of the children themselves, and not of their supervision."""
        for each in draft.family():
            said, part = each.model_fields_set, self.part(each.id)
            part.init = list(each.init) if "init" in said else part.init
            part.on_shutdown = each.on_shutdown if "on_shutdown" in said else part.on_shutdown
            if each.strategy == "simple_one_for_one":
                self.templates |= {self.name(each.id): child for child in each.children}

    def enrol(self, pool: Simulated, label: str) -> None:
        """A new member plays what the template says."""
        template = self.templates.get(pool.name)
        if self.name(label) not in self.world.parts and template is not None:
            self.world.parts[self.name(label)] = Part(list(template.init), template.on_shutdown)

    def supervisor_json(self, draft: Draft) -> Json:
        said = draft.model_fields_set
        spec: Json = {"children": [self.child_json(child) for child in draft.children]}
        spec |= {key: getattr(draft, key) for key in ("strategy", "auto_shutdown") if key in said}
        restarts = whole(draft.intensity) if "intensity" in said else INTENSITY
        period_s = whole(draft.period) if "period" in said else PERIOD_S
        return {**spec, "intensity": {"restarts": restarts, "period_s": period_s}}

    def child_json(self, draft: Draft) -> Json:
        said = draft.model_fields_set
        start: Json = WORKER_START.model_dump()
        if draft.kind == "supervisor":
            start = {"actor": SUPERVISOR_ACTOR, "spec": self.supervisor_json(draft)}
        spec: Json = {"name": self.name(draft.id), "start": start}
        spec |= {key: getattr(draft, key) for key in ("kind", "restart", "significant") if key in said}
        match draft.shutdown if "shutdown" in said else None:
            case None if "shutdown" not in said:
                return spec
            case int(ms) if not isinstance(ms, bool):
                return {**spec, "shutdown": Shutdown.GRACE.value, "grace_s": ms / 1000}
            case "brutal_kill" | "infinity" as word:
                return {**spec, "shutdown": word}
            case other:
                return {**spec, "shutdown": json.dumps(other)}  # whatever it is, no word of the hub's


def whole(value: object) -> Any:  # of JSON
    """As it is if it is a whole number; else as a text, which no number is."""
    return value if isinstance(value, int) and not isinstance(value, bool) else json.dumps(value)
