"""Faults on purpose, to see the hub deal with them.

    --fault kill@N | hang@N | garbage@N | slow=MS | leak=MB/s | flood=N

A fault at the N-th command happens once in the life of the state folder: a mark is left there first, or a killed
program would kill itself again after every restart.  Without a state folder it happens once in every process.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LEAK_MAX_MB = 1_024
"""Where a leak stops, so that a forgotten demonstration does not take the machine down."""

HANG_LOOK_S = 5.0
"""How often a hanging program looks whether its parent still lives; it ends with its parent."""

KINDS_AT = ("kill", "hang", "garbage")
KINDS_OF = ("slow", "leak", "flood")

GARBAGE = (b"this is not JSON\n", b'{"kind":"log","text":"\xff\xfe"}\n', b'{"ws":"ws0","seq":1,"kind":"ev\n')
"""A line that is no JSON, one that is no UTF-8, one cut short."""


class Fault(NamedTuple):
    """``amount``: the command's number, or milliseconds, megabytes a second, lines."""

    kind: str
    amount: float

    @property
    def mark(self) -> str:
        return f"fault-{self.kind}-{self.amount:g}.done"


def fault(text: str) -> Fault:
    """Parse the argument of ``--fault``.  Raises ValueError with what would be right."""
    for kinds, sign in ((KINDS_AT, "@"), (KINDS_OF, "=")):
        kind, found, amount = text.partition(sign)
        if found and kind in kinds:
            number = float(amount.removesuffix("MB/s").removesuffix("ms"))
            if number > 0:
                return Fault(kind, number)
    raise ValueError(f"{text!r} is no fault; write kill@N, hang@N, garbage@N, slow=MS, leak=MB/s or flood=N, N above 0")


class Faults:
    """The faults of one process, and which of them have been."""

    def __init__(self, faults: tuple[Fault, ...], state_dir: Path | None) -> None:
        self.faults = faults
        self.state_dir = state_dir
        self.commands = 0
        self.leaked: list[bytearray] = []

    def due(self, kind: str) -> bool:
        """Whether the fault ``kind`` falls on the command in hand; it is marked as done."""
        for found in self.faults:
            if found.kind == kind and self.commands == int(found.amount):
                return self._first_time(found)
        return False

    def flood_lines(self) -> int:
        return sum(int(found.amount) for found in self.faults if found.kind == "flood" and self._first_time(found))

    def slow(self) -> None:
        for found in self.faults:
            if found.kind == "slow":
                time.sleep(found.amount / 1000)

    def leak(self, seconds: float) -> None:
        for found in self.faults:
            size = int(found.amount * seconds * 1_000_000)
            if found.kind == "leak" and sum(map(len, self.leaked)) + size <= LEAK_MAX_MB * 1_000_000:
                self.leaked.append(bytearray(os.urandom(4096) * (size // 4096 + 1)))

    def _first_time(self, found: Fault) -> bool:
        if self.state_dir is None:
            return True
        try:
            (self.state_dir / found.mark).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def kill_amid(lines: list[bytes], write: Callable[[bytes], None]) -> None:
    """Write half of ``lines``, then die as by kill -9: journaled, half told, not answered."""
    write(b"".join(lines[: len(lines) // 2]))
    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    """Neither answer nor beat, for as long as the parent lives."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(HANG_LOOK_S)
    os._exit(1)
