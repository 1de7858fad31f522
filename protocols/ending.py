"""The end of the hub: in phases, within one total deadline, and with a list of who overran.

``intake``: no new orders, no new sessions.  ``drain``: what is in hand is finished, the programs end, and everybody
but the auditor.  ``flush``: the auditor has all that they left.  ``close``: the auditor ends, and the root.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeFloat

from alluse_hub.protocols.message import Fact, Message


class Phase(StrEnum):
    INTAKE = "intake"
    DRAIN = "drain"
    FLUSH = "flush"
    CLOSE = "close"


PHASES = tuple(phase.value for phase in Phase)


class EndPlan(Message):
    """How the root ends when it is told to: within ``total_s`` seconds, whoever has to be killed for it.

    ``intake``: who is told to take in nothing more; ``drain``: who says when nothing is in hand any more; ``flush``:
    the child that has to have everything of the others before it is stopped, or empty.
    """

    total_s: Annotated[float, Field(gt=0, le=86_400)]
    intake: tuple[str, ...] = ()
    drain: tuple[str, ...] = ()
    flush: str = ""


# --- between the root and those who take part ------------------------------------------------------------------------


class CloseIntake(Message):
    """Root to gateway and router: take in nothing new.  Said again until answered; ``left_s`` until the hub is to have
    ended."""

    left_s: NonNegativeFloat


class IntakeClosed(Message):
    """Answer to that."""


class Drain(Message):
    """Root to router: take in nothing new, and say when all that is in hand is done.  Said again until answered."""

    left_s: NonNegativeFloat


class Drained(Message):
    """Answer to that, when it is so."""


class Flush(Message):
    """Root to auditor, and from there to its worker: say when all that the spools hold is stored."""


class Flushed(Message):
    """Answer to that, and from the worker."""


class Overrun(Message):
    """Somebody was killed at the end, or took longer than its share.  ``name``: an actor, or ``NAME's program``;
    ``of``: who waited for it.  A supervisor tells it to the root as well.  Times in seconds."""

    name: str
    of: str
    allowed_s: float
    took_s: float
    killed: bool


# --- facts ---------------------------------------------------------------------------------------------------------


class EndBegun(Fact):
    by: str
    reason: str
    keep_workstreams: bool
    total_s: float


class PhaseEnded(Fact):
    """``late``: those whose answer the phase did not get in its share of the time."""

    phase: Phase
    took_s: float
    late: tuple[str, ...] = ()


class Overran(Fact):
    """Of a supervisor or a monitor: see ``Overrun``."""

    overrun: Overrun


class HubEnded(Fact):
    """Last fact of the root, and its last word to the guardian: how the end went.  In order is an end in which nobody
    overran and no phase went without an answer.  ``fault``: why the hub ended itself; empty if it was asked to."""

    total_s: float
    took_s: float
    phases: tuple[PhaseEnded, ...]
    overran: tuple[Overrun, ...] = ()
    fault: str = ""

    @property
    def is_in_order(self) -> bool:
        return not self.overran and not any(phase.late for phase in self.phases)
