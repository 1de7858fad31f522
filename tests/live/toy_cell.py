"""A daemon with a cell in it and nothing of the hub's business: ``python -m tests.live.toy_cell HOME``.

Each resident has a *fuse*, a named pipe in the home: what is written into it is said to the resident's core.
"""

import os
import sys
import threading
from pathlib import Path

from alluse_hub.protocols.lifecycle import CellSpec, ChildSpec, ChildStart, ResidentSpec, SupervisorSpec
from alluse_hub.protocols.message import Message
from alluse_hub.supervision.guardian import Guardian
from alluse_hub.supervision.leaf import Leaf
from alluse_hub.supervision.tree import start_of
from alluse_hub.supervision.workshop import Context
from tests.live.toy_daemon import DOOR_MODULE, FOLDERS
from tests.supervision.toys import COUNTER, TOY, ask

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


def tree() -> ChildStart:
    """hub: cell-1 (a, b, c), cell-2 (d), then e by itself and the door."""
    start = ChildStart(actor=f"{MODULE}.FuseActor")
    homes = {"cell-1": ("a", "b", "c"), "cell-2": ("d",)}
    cells = tuple(
        ChildSpec(
            name=name,
            start=start_of(CellSpec(residents=tuple(ResidentSpec(name=each, start=start) for each in residents))),
        )
        for name, residents in homes.items()
    )
    door = ChildSpec(name="door", start=ChildStart(actor=f"{DOOR_MODULE}.DoorActor"))
    return start_of(SupervisorSpec(children=(*cells, ChildSpec(name="e", start=TOY), door)))


def main(home: Path) -> int:
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in "abcd":
        os.mkfifo(fuse(home, name))
    return Guardian(home, tree(), DOOR_MODULE, "0", lambda text: print(text, flush=True)).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
