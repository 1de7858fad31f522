"""The cast on real processes: the same worker core, each in a process of its own, and the parent of the root.

A newborn reads its part from a file of the home, since nobody can hand it over: what becomes of this start, and how it
takes being stopped.  It leaves its address there, where the test finds it.  Orders to end or to play another part come
from outside as text and are recorded like any word from outside.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from thespian.actors import ActorAddress

from alluse_hub.protocols.effects import Core, Decision, Effect, Record, Spawn, Stop
from alluse_hub.protocols.lifecycle import ChildEnded, ChildStart, ChildStarted, ChildUp, Exited, Started
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.spool import latest_incarnation
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.words import BootOrder
from tests.otp.cast import WORKER, EndNow, PlanShutdown, WorkerSpec
from tests.otp.scenario import OnShutdown

PARENT = "parent"
SPOOLS = Path("trail") / "spool"
FOLDERS = (SPOOLS, Path("run") / "procs", Path("log"), Path("parts"), Path("addresses"))
"""What a home of the cast has."""


class PlayedPart(Message):
    """``outcomes``: of the starts from incarnation number ``since`` on."""

    since: int
    outcomes: tuple[str, ...]
    on_shutdown: OnShutdown


class Dismiss(Message):
    """To the parent: ask the root of the scenario to end."""


class Leave(Message):
    """To the parent: the play is over."""


WORDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (EndNow, PlanShutdown, Dismiss, Leave)}


def text_of(word: Message) -> str:
    return json.dumps([type(word).__name__, word.model_dump(mode="json")])


class Placed(Shell):
    """Takes words from outside, and can be found."""

    def _boot(self, order: BootOrder, parent: ActorAddress) -> None:
        path = Path(order.house.home) / "addresses" / order.name
        path.write_text(self.myAddress.addressDetails.path, encoding="utf-8")
        super()._boot(order, parent)

    def _other(self, message: object) -> None:
        if not isinstance(message, str):
            super()._other(message)
        elif self._life is not None:
            kind, body = json.loads(message)
            self._life.said(WORDS[kind].model_validate(body))


class LiveSupervisor(Placed):
    core = SUPERVISOR


class LiveWorker(Placed):
    core = WORKER

    def _boot(self, order: BootOrder, parent: ActorAddress) -> None:
        home = Path(order.house.home)
        text = (home / "parts" / order.name).read_text(encoding="utf-8")
        part = PlayedPart.model_validate_json(text)
        number = latest_incarnation(home / SPOOLS, order.name) + 1 - part.since
        outcome = part.outcomes[number] if 0 <= number < len(part.outcomes) else "ok"
        spec = WorkerSpec(outcome=outcome, on_shutdown=part.on_shutdown)
        super()._boot(replace(order, spec=spec.model_dump(mode="json")), parent)


# --- the parent of the root ----------------------------------------------------------------------------------------


class ParentSpec(Message):
    child: ChildStart


@dataclass(frozen=True, slots=True)
class Parent:
    spec: ParentSpec


def start(_name: str, spec: Message) -> Parent:
    assert isinstance(spec, ParentSpec)
    return Parent(spec)


def decide(state: Parent, letter: Envelope) -> Decision[Parent]:
    """Starts the root once, and keeps the books as a supervisor does."""
    effects: tuple[Effect, ...] = ()
    match letter.body:
        case Started():
            effects = (Record(ChildStarted(name=ROOT, life=1)), Spawn(ROOT, 1, state.spec.child))
        case Exited(name=name, life=life, cause=cause):
            effects = (Record(ChildEnded(name=name, life=life, incarnation=1, cause=cause)),)
        case Dismiss():
            effects = (Stop(ROOT, "shutdown", None),)
        case Leave():
            effects = (Stop(PARENT, "normal", 0.0),)
    return Decision(state, effects)


class ParentActor(Placed):
    core = Core(
        start=start,
        decide=decide,
        spec=ParentSpec,
        accepts=frozenset({Started, ChildUp, Exited, Dismiss, Leave}),
    )


SUPERVISOR_PLACE = f"{__name__}.LiveSupervisor"
WORKER_PLACE = f"{__name__}.LiveWorker"
PARENT_PLACE = f"{__name__}.ParentActor"
