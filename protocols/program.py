"""What a monitor's core and the adapter that holds its program say to each other: jobs out, answers in.

The adapter judges the program's lines, keeps the signs of life to itself and tells only when they stop and when they
come back; so a healthy program costs the trail nothing but what it has to say.  A line stays with the shim until it is
released: whoever monitors next hears it again.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from alluse_hub.protocols.message import Message
from alluse_hub.protocols.workstream import EventLine, Hello, ProgramLine, Reply

# --- jobs ------------------------------------------------------------------------------------------------------------


class Attach(Message):
    """Find the running program and take it over; else start it, if ``start``."""

    start: bool = True


class WriteLines(Message):
    """Write to the program's standard input; each line is one JSON object without its line feed."""

    ids: tuple[str, ...]
    lines: tuple[str, ...]

    def for_trail(self) -> "LinesWritten":
        return LinesWritten(ids=self.ids)


class LinesWritten(Message):
    """``WriteLines`` as it stands in the trail: what was asked stands there already."""

    ids: tuple[str, ...]


class ReleaseLines(Message):
    """All lines up to ``through`` are in the trail; the shim may forget them."""

    through: PositiveInt


class SignalProgram(Message):
    signal: Literal["TERM", "KILL"]


class EndProgram(Message):
    """End it in order: end of input, after the grace TERM, then KILL.  The shim sees to it even if the monitor dies."""

    grace_s: Annotated[float, Field(gt=0, le=600)]


class EndShim(Message):
    """Its shim does not do as it is told: kill it, and the program with it."""


class Dismiss(Message):
    """All that the ended program said is heard; its shim may go."""


class Detach(Message):
    """Let go and leave the program running."""


class Look(Message):
    """How old is the last sign of life?"""


# --- answers ---------------------------------------------------------------------------------------------------------


class Attached(Message):
    """``adopted``: it was running before.  ``first_line``: number of the first line its shim still has."""

    pid: PositiveInt
    start_ticks: NonNegativeInt
    shim_pid: NonNegativeInt
    shim_ticks: NonNegativeInt
    adopted: bool
    first_line: PositiveInt = 1


class ShimForeign(Message):
    """The program that runs is held by a shim of a version with which this monitor cannot speak: both are being ended
    in order, and started anew if they are wanted."""

    pid: PositiveInt
    protocol: int
    spoken: tuple[int, ...]


class NotRunning(Message):
    """Nothing to take over, and nothing started because that was not asked."""


class AttachFailed(Message):
    """The program cannot be started; the text names what is missing."""

    error: str


class Refusal(Message):
    """A line that breaks the contract: why, and how it begins."""

    why: str
    beginning: str


class LinesRead(Message):
    """What the program said since the last such letter, in its order, without signs of life.  ``through``: the number
    of the last line; ``refused`` holds the first few of ``refusals``."""

    through: PositiveInt
    lines: tuple[ProgramLine, ...] = ()
    refused: tuple[Refusal, ...] = ()
    refusals: NonNegativeInt = 0

    def for_trail(self) -> "LinesHeard":
        """Events get entries of their own; here their numbers are enough."""
        numbers = [line.n for line in self.lines if isinstance(line, EventLine)]
        return LinesHeard(
            through=self.through,
            events=tuple(numbers),
            replies=tuple(line for line in self.lines if isinstance(line, Reply)),
            hello=next((line for line in self.lines if isinstance(line, Hello)), None),
            refused=self.refused,
            refusals=self.refusals,
            order=order_of(self.lines),
        )


class LinesHeard(Message):
    """``LinesRead`` as it stands in the trail.  ``order``: of hello, events and replies, as ``h2er3er``; empty for the
    usual one, the hello before all events and they before all replies."""

    through: PositiveInt
    events: tuple[PositiveInt, ...] = ()
    replies: tuple[Reply, ...] = ()
    hello: Hello | None = None
    refused: tuple[Refusal, ...] = ()
    refusals: NonNegativeInt = 0
    order: str = ""


def order_of(lines: Sequence[ProgramLine]) -> str:
    """As ``LinesHeard`` has it; of more than one hello the first counts."""
    letters = "".join(ORDER_LETTERS.get(type(line), "") for line in lines)
    first, hello, rest = letters.partition("h")
    letters = first + hello + rest.replace("h", "")
    usual = "".join(sorted(letters, key="her".index))
    if letters == usual:
        return ""
    runs = ((letter, sum(1 for _ in run)) for letter, run in groupby(letters))
    return "".join(f"{count if count > 1 else ''}{letter}" for letter, count in runs)


ORDER_LETTERS: dict[type[Message], str] = {Hello: "h", EventLine: "e", Reply: "r"}


class WentSilent(Message):
    """No sign of life for longer than its detector allows.  ``why``: what that judgement rests on.  ``halted``: who is
    stopped, as by SIGSTOP, and so not at work; empty if nobody is."""

    age_s: NonNegativeFloat
    why: str = ""
    halted: str = ""


class BeatsBack(Message):
    """A sign of life after a silence."""


class Looked(Message):
    """The last sign of life is ``age_s`` seconds old; ``halted`` as with ``WentSilent``, if it is silent."""

    age_s: NonNegativeFloat
    halted: str = ""


class ProgramGone(Message):
    """It has ended, and all it said has been delivered.  ``cause``: ``normal`` for exit 0, else a sentence."""

    cause: str


class Replaced(Message):
    """A newer incarnation of this monitor holds the program now."""
