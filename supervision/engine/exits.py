"""Why an actor's process ended: its exit status, the signal that killed it, or the error it spoke of before."""

import os
import signal
from dataclasses import dataclass

from thespian.actors import ActorAddress, ChildActorExited

ERROR_CHARS_MAX = 4_000
"""How much of a traceback travels in a notice; the end of it, which names the error."""


@dataclass(frozen=True, slots=True)
class ExitCause:
    """``code``: exit status; ``signal``: number of the signal that killed; both None if nobody could wait for the
    process.  ``error``: text of the exception it reported, if it did."""

    code: int | None = None
    signal: int | None = None
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"error: {self.error.strip().rpartition(chr(10))[2]}"
        if self.signal == signal.SIGALRM:
            return "killed by SIGALRM: a handler overran its limit"
        if self.signal is not None:
            return f"killed by {_name_of(self.signal)}"
        if self.code is not None:
            return f"exit status {self.code}"
        return "ended"


def cause_of(wait_status: int, error: str = "") -> ExitCause:
    """From what waitpid(2) says."""
    if os.WIFSIGNALED(wait_status):
        return ExitCause(None, os.WTERMSIG(wait_status), error)
    return ExitCause(os.WEXITSTATUS(wait_status), None, error)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class ChildExited(ChildActorExited):  # type: ignore[misc]  # Thespian ships no types
    """What a parent hears of a child's end: once, and after its process is gone."""

    def __init__(self, address: ActorAddress, cause: ExitCause) -> None:
        super().__init__(address)
        self.cause = cause

    def __str__(self) -> str:
        return f"ChildExited({self.childAddress}: {self.cause})"


class Farewell(ChildActorExited):  # type: ignore[misc]  # as above
    """What a child says to its parent on its way out.  ``error``: traceback of what ended it, empty if in order."""

    def __init__(self, address: ActorAddress, error: str = "") -> None:
        super().__init__(address)
        self.error = error[-ERROR_CHARS_MAX:]
