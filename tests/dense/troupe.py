"""Small actors for trees that share a process, and how a test looks into such a tree."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.effects import Core, Decision, Do, Stop, Wake
from alluse_hub.protocols.lifecycle import ChildSpec, ChildStart, Started, StopAsked, SupervisorSpec, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.dense.tenant import Kill
from alluse_hub.supervision.leaf import Leaf
from alluse_hub.supervision.shared import SharedTree
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.spool import read, spools_in
from alluse_hub.supervision.tree import start_of
from alluse_hub.supervision.words import House
from alluse_hub.supervision.workshop import Context
from tests.supervision.toys import TOY, Nothing

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Lives:
    heard: tuple[str, ...] = ()


# --- actors ----------------------------------------------------------------------------------------------------------


def fall(state: Lives, letter: Envelope) -> Decision[Lives]:
    """Fails soon, but in its first incarnation only."""
    match letter.body:
        case Started(incarnation=1):
            return Decision(state, (Wake("fall", 0.02),))
        case Woken():
            raise RuntimeError("planted")
    return Decision(state)


def heedless(state: Lives, _letter: Envelope) -> Decision[Lives]:
    return Decision(state)


class Fragile(Shell):
    core = Core(lambda _name, _spec: Lives(), fall, Nothing, frozenset({Started, Woken}))


class Deaf(Shell):
    """Hears that it shall stop, and does not."""

    core = Core(lambda _name, _spec: Lives(), heedless, Nothing, frozenset((Started, StopAsked)))


def wait_for_orders(state: Lives, letter: Envelope) -> Decision[Lives]:
    match letter.body:
        case Started():
            return Decision(state, (Do(AskBoard(request="1", view="begin")),))
        case AskBoard(request=text):
            return Decision(replace(state, heard=(*state.heard, text)))
        case StopAsked():
            return Decision(state, (Stop(letter.to, "shutdown", 1.0),))
    return Decision(state)


class Hand:
    """A worker: what it does it tells at once, and once more from a thread of its own, which goes on until the end."""

    def __init__(self, context: Context) -> None:
        self._deliver = context.deliver
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._speak, name=f"{context.name}-speaker", daemon=True)

    def _speak(self) -> None:
        self._deliver(AskBoard(request=f"own thread: {threading.get_ident() != MAIN}", view="word"))
        self._is_over.wait()

    def do(self, job: Message) -> None:
        assert isinstance(job, AskBoard)
        self._deliver(AskBoard(request=f"inline: {threading.get_ident() == MAIN}", view="word"))
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()


class Handy(Leaf):
    core = Core(lambda _name, _spec: Lives(), wait_for_orders, Nothing, frozenset({Started, AskBoard, StopAsked}))
    worker = Hand


def begin_later(state: Lives, letter: Envelope) -> Decision[Lives]:
    match letter.body:
        case Started():
            return Decision(state, (Wake("begin", 0.02),))
        case Woken():
            return Decision(state, (Do(AskBoard(request="1", view="begin")),))
    return wait_for_orders(state, letter)


class Clumsy(Leaf):
    """Fails at its first job, once."""

    core = Core(lambda _name, _spec: Lives(), begin_later, Nothing, frozenset({Started, Woken, AskBoard, StopAsked}))

    class worker(Hand):  # noqa: N801  # the shell's name
        def __init__(self, context: Context) -> None:
            super().__init__(context)
            self._mark = context.home / "has-failed"

        def do(self, job: Message) -> None:
            if not self._mark.exists():
                self._mark.touch()
                raise OSError("the disk is full")
            super().do(job)


MAIN = threading.get_ident()

# --- trees -----------------------------------------------------------------------------------------------------------


def child(name: str, kind: type[Shell] | None = None, **how: Any) -> ChildSpec:
    start = TOY if kind is None else ChildStart(actor=f"{__name__}.{kind.__name__}")
    return ChildSpec(name=name, start=start, **how)


def above(name: str, *children: ChildSpec) -> ChildSpec:
    return ChildSpec(name=name, start=start_of(SupervisorSpec(children=children)))


@dataclass(slots=True)
class Tree:
    tree: SharedTree
    home: Path

    def shell(self, name: str) -> Any:  # the Shell of that name that lives now; None if none does
        """Looks where a test may look: into the one process that all share."""
        root = self.tree._root.addressDetails.actor
        if root is None or name == "hub":
            return root
        address = root._addresses.get(name)
        return address and address.addressDetails.actor

    def incarnation(self, name: str) -> int:
        """0 while nobody of that name is up."""
        shell = self.shell(name)
        return shell._life.spool.incarnation if shell is not None and shell._is_announced else 0

    def await_up(self, **incarnations: int) -> None:
        self.await_that(lambda: all(self.incarnation(name) == n for name, n in incarnations.items()))

    def await_that(self, holds: Callable[[], bool]) -> None:
        self.tree._system.run(lambda: holds() or self.tree.has_ended, PATIENCE_S)
        assert holds()

    def kill(self, name: str) -> None:
        """As a supervisor does that has lost its patience."""
        self.tree._system.tell(self.shell(name).myAddress, Kill())

    def facts(self, kind: str) -> list[str]:
        """All that stand in the spools."""
        folder = self.home / "trail" / "spool"
        return [
            entry.body
            for name in spools_in(folder)
            for entry in read(folder / str(name)).entries
            if entry.message == kind and entry.kind == EntryKind.FACT
        ]


@contextmanager
def growing(home: Path, *children: ChildSpec) -> Iterator[Tree]:
    """A tree below the root ``hub``, ended for certain."""
    for folder in ("trail/spool", "run/procs"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    house = House(str(home), 0.0, "tests.live.toy_daemon", "0", base="dense")
    tree = SharedTree(house, start_of(SupervisorSpec(children=children)))
    try:
        yield Tree(tree, home)
    finally:
        tree.close()
