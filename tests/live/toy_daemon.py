"""A daemon with nothing of the hub's business in it: ``python -m tests.live.toy_daemon HOME [BASE [SLEEPER]]``."""

import socket
import sys
import time
from functools import partial
from pathlib import Path

from alluse_hub.protocols.effects import Core, Decision, Wake
from alluse_hub.protocols.lifecycle import ChildSpec, ChildStart, Started, SupervisorSpec, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.supervision.guardian import Guardian
from alluse_hub.supervision.leaf import Leaf
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.system import ENGINE
from alluse_hub.supervision.tree import start_of
from alluse_hub.supervision.workshop import Context
from tests.supervision.toys import TOY, Nothing

DOOR_MODULE = "tests.live.toy_daemon"
"""Also when this module runs as ``__main__``: actors are created by class path."""

NAP_AFTER_S = 0.5

SILENT_S = 4.0
"""So impatient is this daemon's guardian: its actors have nothing to do."""

FOLDERS = ("trail/spool", "run/procs", "log")


class Door:
    """Opens the control socket, which says that everything is up, and answers nothing."""

    def __init__(self, context: Context) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        path = context.home / "run" / "control.sock"
        path.unlink(missing_ok=True)
        self.listener.bind(str(path))
        self.listener.listen()

    def do(self, job: Message) -> None:
        raise TypeError(f"a door does no {type(job).__name__}")

    def close(self) -> None:
        self.listener.close()


class DoorActor(Leaf):
    core = Core(
        start=lambda _name, _spec: 0,
        decide=lambda state, _letter: Decision(state),
        spec=Nothing,
        accepts=frozenset({Started}),
    )
    worker = Door


def nap(state: int, letter: Envelope) -> Decision[int]:
    """In its first life it falls asleep over a letter and never wakes."""
    match letter.body:
        case Started(incarnation=1):
            return Decision(state, (Wake("nap", NAP_AFTER_S),))
        case Woken():
            time.sleep(3_600.0)
    return Decision(state)


class SleeperActor(Shell):
    handler_limit_s = 0.3
    core = Core(start=lambda _name, _spec: 0, decide=nap, spec=Nothing, accepts=frozenset({Started, Woken}))


def tree(*more: str) -> ChildStart:
    """hub: pair (a, b), a sleeper if asked for, then the door."""
    pair = SupervisorSpec(children=(ChildSpec(name="a", start=TOY), ChildSpec(name="b", start=TOY)))
    actor = f"{DOOR_MODULE}.SleeperActor"
    sleepers = tuple(ChildSpec(name=name, start=ChildStart(actor=actor)) for name in more)
    door = ChildStart(actor=f"{DOOR_MODULE}.DoorActor")
    return start_of(
        SupervisorSpec(
            children=(
                ChildSpec(name="pair", start=start_of(pair)),
                *sleepers,
                ChildSpec(name="door", start=door),
            )
        )
    )


def main(home: Path, base: str = ENGINE, *sleepers: str) -> int:
    return serve(home, tree(*sleepers), base)


def serve(home: Path, tree: ChildStart, base: str) -> int:
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    say = partial(print, flush=True)
    return Guardian(home, tree, DOOR_MODULE, "0", say, base, report=say, silent_s=SILENT_S).run()


class _Recovered:
    snapshot = None
    facts: tuple[()] = ()


def recover(_home: Path, _actor: str, _kinds: frozenset[str]) -> _Recovered:
    """This daemon has no auditor, so nothing is ever found again."""
    return _Recovered()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
