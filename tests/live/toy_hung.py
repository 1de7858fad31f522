"""A daemon of actors that hang or die over letters: ``python -m tests.live.toy_hung HOME [BASE]``.

``a`` and ``b`` do nothing; the worker of ``stuck`` never ends its first job; ``victim`` dies over some letters, and
``sender`` says them to it until they are answered.
"""

import ctypes
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.effects import Core, Decision, Do, Send, Wake
from alluse_hub.protocols.flow import FlowPaused
from alluse_hub.protocols.lifecycle import ChildSpec, ChildStart, Intensity, PeerUp, Started, SupervisorSpec, Woken
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.supervision.leaf import Leaf
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.system import ENGINE
from alluse_hub.supervision.tree import start_of
from alluse_hub.supervision.workshop import Context
from tests.live.toy_daemon import DOOR_MODULE, serve
from tests.supervision.toys import TOY, Nothing

MODULE = "tests.live.toy_hung"

LIVENESS = Liveness(interval_s=0.3, limit_s=1.5, job_limit_s=1.5)

POISONS = ("raise", "exit", "null", "kill")
"""Ways to die over a letter; what is none of them is answered."""

AGAIN_S = 0.05


def die(how: str) -> None:
    match how:
        case "raise":
            raise RuntimeError("told to")
        case "exit":
            os._exit(3)
        case "null":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)


def suffer(state: int, letter: Envelope) -> Decision[int]:
    match letter.body:
        case AskBoard(view=how):
            die(how)
            return Decision(state, (Send(letter.sender, FlowPaused(flow=how)),))
    return Decision(state)


class VictimActor(Shell):
    core = Core(start=lambda _name, _spec: 0, decide=suffer, spec=Nothing, accepts=frozenset({Started, AskBoard}))


@dataclass(frozen=True, slots=True)
class Sender:
    answered: frozenset[str] = frozenset()


def insist(state: Sender, letter: Envelope) -> Decision[Sender]:
    """All poisons, and what is none, until each is answered: some never will be."""
    match letter.body:
        case Started() | Woken():
            views = [view for view in (*POISONS, "fine") if view not in state.answered]
            asked = tuple(Send("victim", AskBoard(request="", view=view)) for view in views)
            return Decision(state, (*asked, Wake("again", AGAIN_S)))
        case FlowPaused(flow=view):
            return Decision(Sender(state.answered | {view}))
    return Decision(state)


class SenderActor(Shell):
    core = Core(
        start=lambda _name, _spec: Sender(),
        decide=insist,
        spec=Nothing,
        accepts=frozenset({Started, Woken, FlowPaused, PeerUp}),
    )


class Stuck:
    """In its actor's first life."""

    def __init__(self, context: Context) -> None:
        self.mark = context.home / "stuck-once"

    def do(self, job: Message) -> None:
        _ = job
        if not self.mark.exists():
            self.mark.touch()
            time.sleep(3_600.0)

    def close(self) -> None:
        pass


class StuckActor(Leaf):
    core = Core(
        start=lambda _name, _spec: 0,
        decide=lambda state, _letter: Decision(state, (Do(Nothing()),)),
        spec=Nothing,
        accepts=frozenset({Started}),
    )
    worker = Stuck


def tree() -> ChildStart:
    generous = Intensity(restarts=1_000, period_s=60.0)
    actors = {"a": TOY, "b": TOY} | {
        name: ChildStart(actor=f"{MODULE}.{name.capitalize()}Actor") for name in ("stuck", "victim", "sender")
    }
    children = tuple(ChildSpec(name=name, start=start, liveness=LIVENESS) for name, start in actors.items())
    inner = SupervisorSpec(intensity=generous, siblings_wait=False, children=children)
    family = ChildSpec(name="family", start=start_of(inner), kind="supervisor", liveness=LIVENESS)
    door = ChildSpec(name="door", start=ChildStart(actor=f"{DOOR_MODULE}.DoorActor"))
    return start_of(SupervisorSpec(intensity=generous, children=(family, door)))


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), tree(), sys.argv[2] if len(sys.argv) > 2 else ENGINE))
