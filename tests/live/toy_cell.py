"""A daemon with cells in it and nothing of the hub's business: ``python -m tests.live.toy_cell HOME few|crowd``.

``few``: each resident has a *fuse*, a named pipe in the home; what is written into it is said to the resident's core.
``crowd``: a full cell and a *crier* outside of it, who write to each other all at once as soon as they can.
"""

import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from alluse_hub.protocols.effects import Core, Decision, Send, Wake
from alluse_hub.protocols.flow import FlowPaused
from alluse_hub.protocols.lifecycle import (
    CellSpec,
    ChildSpec,
    ChildStart,
    PeerUp,
    ResidentSpec,
    Started,
    SupervisorSpec,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.supervision.guardian import Guardian
from alluse_hub.supervision.leaf import Leaf
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.tree import start_of
from alluse_hub.supervision.workshop import Context
from tests.live.toy_daemon import DOOR_MODULE, FOLDERS
from tests.supervision.toys import COUNTER, TOY, Nothing, ask

MODULE = "tests.live.toy_cell"
"""Also when this module runs as ``__main__``: actors are created by class path."""


def fuse(home: Path, name: str) -> Path:
    return home / f"{name}.fuse"


class Fuse:
    def __init__(self, context: Context) -> None:
        self.context = context
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        word = fuse(self.context.home, self.context.name).read_text(encoding="ascii")
        self.context.deliver(ask(word))

    def do(self, job: Message) -> None:
        raise TypeError(f"a fuse does no {type(job).__name__}")

    def close(self) -> None:
        """The thread goes with the process."""


class FuseActor(Leaf):
    core = COUNTER
    worker = Fuse


CRIER = "crier"
CROWD = tuple(f"c{k}" for k in range(100))
WORDS = 4
"""That each of the crowd says to the crier, and the crier to each."""


QUIET_S = 0.5
"""From the last peer known to the first word: so that nobody is connected yet, and all speak at once."""

BUSY_S = 0.2
"""Both sides are busy when the other calls, as the hub's router is when it has heard of a new cell."""


@dataclass(frozen=True, slots=True)
class Greeter:
    name: str
    peers: tuple[str, ...] = ()


def greet(state: Greeter, letter: Envelope) -> Decision[Greeter]:
    match letter.body:
        case PeerUp(name=name):
            return Decision(replace(state, peers=(*state.peers, name)), (Wake("greet", QUIET_S),))
        case Woken():
            if state.name in {CRIER, CROWD[0]}:
                time.sleep(BUSY_S)
            words = [FlowPaused(flow=f"{k}") for k in range(WORDS)]
            return Decision(state, tuple(Send(peer, word) for peer in state.peers for word in words))
        case _:
            return Decision(state)


class CrowdActor(Shell):
    core = Core(
        start=lambda name, _spec: Greeter(name),
        decide=greet,
        spec=Nothing,
        accepts=frozenset({Started, PeerUp, FlowPaused, Woken}),
        heeds=lambda state, name: name in CROWD if state.name == CRIER else name == CRIER,
    )


def cell(name: str, actor: str, *residents: str) -> ChildSpec:
    start = ChildStart(actor=f"{MODULE}.{actor}")
    spec = CellSpec(residents=tuple(ResidentSpec(name=each, start=start) for each in residents))
    return ChildSpec(name=name, start=start_of(spec))


def few() -> tuple[ChildSpec, ...]:
    """Two cells, and one by itself."""
    return cell("cell-1", "FuseActor", "a", "b", "c"), cell("cell-2", "FuseActor", "d"), ChildSpec(name="e", start=TOY)


def crowd() -> tuple[ChildSpec, ...]:
    crier = ChildSpec(name=CRIER, start=ChildStart(actor=f"{MODULE}.CrowdActor"))
    return cell("cell-1", "CrowdActor", *CROWD), crier


def main(home: Path, children: tuple[ChildSpec, ...]) -> int:
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in "abcd":
        os.mkfifo(fuse(home, name))
    door = ChildSpec(name="door", start=ChildStart(actor=f"{DOOR_MODULE}.DoorActor"))
    tree = start_of(SupervisorSpec(children=(*children, door)))
    return Guardian(home, tree, DOOR_MODULE, "0", lambda text: print(text, flush=True)).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), {"few": few, "crowd": crowd}[sys.argv[2]]()))
