"""How conflicts are talked over, decided by people, and how an old coordinator is kept out.

Restrict first, talk second: what is in force while anybody is asked is the restrictive side, so silence costs time and
never safety.  A holder is asked twice to yield, ``ANSWER_S`` each; what it is told to do is done within ``DONE_S``; so
after ``BOUND_S`` at most the conflict is closed, or escalated to people.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from alluse_hub.protocols.claims import Claim
from alluse_hub.protocols.message import Fact, Message

ANSWER_S = 0.25
ROUNDS_MAX = 2
DONE_S = 0.85
"""Of it 0.5 s for the program, the rest for saying it again."""

BOUND_S = 1.5

ESCALATION_S = 900.0
"""For people to decide; then it is put to them again, as graver."""

OVERRIDE_MAX_S = 3_600.0
TWO_PEOPLE_S = 900.0
"""For the second of two people to agree with the first."""

COOLING_S = 30.0
"""After a hold by one person, before another may release it."""

Reason = Annotated[str, Field(min_length=1, max_length=500)]
Person = Annotated[str, Field(min_length=1, max_length=80)]


class Option(StrEnum):
    """How a holder may yield."""

    RELEASE = "release"  # now, by its command if it has one
    FINISH = "finish"  # within a time that it names
    REFUSE = "refuse"


# --- coordinator <-> monitor ------------------------------------------------------------------------------------------


class AskYield(Message):
    """Would the holder let go of ``claim`` for ``to``?  Asked twice at most, then its silence counts."""

    conflict: str
    claim: Claim
    to: str
    round: PositiveInt
    reply_by_s: float = ANSWER_S
    epoch: NonNegativeInt = 0


class OfferYield(Message):
    """``in_s``: with *finish*, in how many seconds."""

    conflict: str
    workstream: str
    round: PositiveInt
    option: Option
    in_s: Annotated[float, Field(ge=0)] = 0.0
    why: str = ""


class RuleYield(Message):
    """What the holder is to do.  With *release* and a command, the program is told that, and ``YieldDone`` says what
    came of it; said again until then."""

    conflict: str
    claim: Claim
    option: Option
    reason: str
    deadline_s: float = 0.5
    epoch: NonNegativeInt = 0


class YieldDone(Message):
    conflict: str
    workstream: str
    ok: bool
    error: str = ""
    events_through: NonNegativeInt = 0


class StandDown(Message):
    """From a new coordinator to everybody it directs: what one of a lower epoch says is dropped from now on."""

    epoch: PositiveInt


class StoodDown(Message):
    workstream: str
    epoch: PositiveInt  # the highest it knows, which may be above the one told


class EpochRaised(Fact):
    """A monitor's memory of the highest epoch it was told."""

    epoch: PositiveInt


# --- people -> coordinator; each answered by CoordinationDone --------------------------------------------------------


class ClaimResource(Message):
    """``want``: a rung, or a value; of a pool ``amount`` is taken.  ``for_s`` 0: until withdrawn."""

    about: str
    resource: str
    want: Annotated[str, Field(max_length=1_000)] = ""
    amount: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    for_s: Annotated[float, Field(ge=0, le=31_536_000)] = 0.0
    safety: bool = False
    by: Person
    reason: Reason


class ReleaseClaim(Message):
    """One's own claim, at once; what is held for safety by anybody else, when a second person asks for the same."""

    about: str
    claim: str
    by: Person
    reason: Reason


class OverrideFloor(Message):
    """Let the safety claims of now be lowered to ``rung`` for a time; in force when a second person asks for it."""

    about: str
    resource: str
    rung: str
    for_s: Annotated[float, Field(gt=0, le=OVERRIDE_MAX_S)]
    by: Person
    reason: Reason


class DecideConflict(Message):
    """``choice``: the id of one of the claims that the conflict is between."""

    about: str
    conflict: str
    choice: str
    by: Person
    reason: Reason


# --- facts -----------------------------------------------------------------------------------------------------------


class LoweringAsked(Fact):
    """The first of two people asks to release ``claim``, or to override the floor of ``resource`` down to ``rung``.
    ``until``: hub time up to which a second one may agree.  ``placed``: how many claims had ever been placed by then:
    of later ones the first person knew nothing."""

    id: str
    resource: str
    by: str
    reason: str
    until: float
    claim: str = ""
    rung: str = ""
    for_s: float = 0.0
    placed: NonNegativeInt = 0


class LoweringEnded(Fact):
    """A second person has agreed, or nobody has in time."""

    id: str
    how: Annotated[str, Field(pattern="^(agreed|expired|over)$")]
    by: str = ""
    reason: str = ""


class TermBegun(Fact):
    """A coordinator's life; its epoch is larger than that of any earlier one."""

    epoch: PositiveInt


class YieldAsked(Fact):
    """``claim`` stands between ``to`` and what it wants.  ``must``: it is told to, not asked.  ``round``: the one in
    whose course it came up, and which waits for what comes of it; 0 if it came up between rounds."""

    conflict: str
    resource: str
    claim: str
    to: str
    workstream: str
    until: float
    must: bool = False
    round: NonNegativeInt = 0


class YieldOffered(Fact):
    """``silent``: no answer in time."""

    conflict: str
    option: Option
    until: float
    in_s: float = 0.0
    why: str = ""
    silent: bool = False


class Escalated(Fact):
    """Put to people: the question, and between what they can choose.  ``grade`` grows each time nobody has answered."""

    conflict: str
    resource: str
    question: str
    choices: tuple[str, ...]
    until: float
    grade: PositiveInt = 1


class ConflictDecided(Fact):
    """A person, or the one who yields, has decided for ``winner``; that stands as long as its claim does."""

    conflict: str
    resource: str
    winner: str
    by: str
    reason: str


class FlapLatched(Fact):
    """A rung that changed too often is held at the most restrictive one that was seen."""

    resource: str
    rung: str
    turns: PositiveInt
