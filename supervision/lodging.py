"""Where an actor lives: in a process of its own, or in one with all the others.

All that a shell asks of a process stands here: that it is ours alone, that it ends with its parent, that it can be
found again and killed, that the kernel says whether it is gone.  In a shared process the base answers for an actor
instead, and the register of the home knows only the process itself, entered by whoever owns it.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

from thespian.actors import ActorAddress, ActorExitRequest

from alluse_hub.supervision import processes
from alluse_hub.supervision.dense.tenant import Kill
from alluse_hub.supervision.processes import Process

DENSE = "dense"
"""The base on which actors share a process."""

EXIT_BROKEN = 70
"""Exit status of an actor that cannot even record its failure (sysexits.h, EX_SOFTWARE)."""


class Lodging(Protocol):
    @property
    def is_shared(self) -> bool: ...

    def move_in(self, name: str, parent_pid: int) -> Process:
        """At birth; the process to be found by.  ``parent_pid``: 0 for the root."""

    def is_gone(self, process: Process) -> bool:
        """Whether a child is really gone of which the base says that it ended."""

    def is_lost(self, process: Process) -> bool:
        """Whether a child is gone of which nobody has said anything."""

    def evict(self, name: str, address: ActorAddress, process: Process | None) -> bool:
        """End a child at once.  Whether it counts as gone already; else the base will say so."""

    def terminate(self, process: Process) -> None:
        """Have a child asked by the kernel to end."""

    def strike(self, process: Process) -> None:
        """A child is gone: take it out of the register."""

    def break_off(self) -> NoReturn:
        """End this actor at once, and no other."""


class OwnProcess:
    is_shared = False

    def __init__(self, home: Path, send: Callable[[ActorAddress, object], None]) -> None:
        self._home = home
        self._send = send

    def move_in(self, name: str, parent_pid: int) -> Process:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        processes.name_process(f"hub:{name}")
        processes.die_with_parent(parent_pid or os.getppid())  # the root's parent is Thespian's admin
        return processes.enter(self._home, name)

    @staticmethod
    def is_gone(process: Process) -> bool:
        return not processes.is_alive(process)

    is_lost = is_gone

    def evict(self, name: str, address: ActorAddress, process: Process | None) -> bool:
        if process is not None:
            processes.kill(process)
            return False
        # It never said it was up, so its process is known only if it got as far as the register.
        for known in processes.entered(self._home):
            if known.name == name:
                processes.kill(known)
        self._send(address, ActorExitRequest())
        return True

    @staticmethod
    def terminate(process: Process) -> None:
        processes.kill(process, signal.SIGTERM)

    def strike(self, process: Process) -> None:
        processes.strike(self._home, process)

    @staticmethod
    def break_off() -> NoReturn:
        os._exit(EXIT_BROKEN)


class SharedProcess:
    is_shared = True

    def __init__(self, _home: Path, send: Callable[[ActorAddress, object], None]) -> None:
        self._send = send

    @staticmethod
    def move_in(name: str, _parent_pid: int) -> Process:
        return Process(os.getpid(), processes.start_ticks(os.getpid()), name)

    @staticmethod
    def is_gone(_process: Process) -> bool:
        return True

    @staticmethod
    def is_lost(_process: Process) -> bool:
        return False

    def evict(self, _name: str, address: ActorAddress, _process: Process | None) -> bool:
        self._send(address, Kill())
        return False

    def terminate(self, process: Process) -> None:
        """The kernel knows of none of those who share a process."""

    def strike(self, process: Process) -> None:
        """It goes on: others live in it."""

    @staticmethod
    def break_off() -> NoReturn:
        raise SystemExit(EXIT_BROKEN)


def lodging_on(base: str, home: Path, send: Callable[[ActorAddress, object], None]) -> Lodging:
    return SharedProcess(home, send) if base == DENSE else OwnProcess(home, send)
