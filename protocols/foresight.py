"""What an order would do: asked of whoever would carry it out, answered without doing anything."""

from enum import StrEnum

from pydantic import NonNegativeInt

from alluse_hub.protocols.lifecycle import Intensity, Strategy
from alluse_hub.protocols.message import Message


class Foretold(StrEnum):
    """The orders that can be asked about."""

    RESTART = "restart"
    STOP = "stop"


class Foresee(Message):
    """To a supervisor about a child, or to a monitor about its program: what would this order do?"""

    name: str
    order: Foretold


class Outcome(StrEnum):
    """What becomes of it if it never starts again."""

    PARKED = "parked"
    GIVES_UP = "gives_up"  # its supervisor ends, and its parent decides
    HUB_ENDS = "hub_ends"
    TRIED_ON = "tried_on"  # restarts are so far apart that the limit is never broken
    STAYS_DOWN = "stays_down"  # it is not tried again


class FailureForeseen(Message):
    """If it did not start again: ``tries`` further ones, each after a pause, and what then.  ``goes_down``: who would
    be stopped, in order."""

    tries: NonNegativeInt
    pauses_s: tuple[float, ...] = ()
    outcome: Outcome
    goes_down: tuple[str, ...] = ()


class Foreseen(Message):
    """``refused``: why the order would not be carried out, and then nothing follows from it.  ``goes_down`` and
    ``comes_back``: children, or the program, in order; ``below``: who goes and comes with them.  The order itself costs
    nothing; ``used`` of the budget are restarts so far, within the limit's period."""

    name: str
    order: Foretold
    by: str
    strategy: Strategy | None = None
    refused: str = ""
    goes_down: tuple[str, ...] = ()
    comes_back: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    used: NonNegativeInt = 0
    limit: Intensity = Intensity()
    failure: FailureForeseen | None = None
    notes: tuple[str, ...] = ()
