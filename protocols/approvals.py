"""Approvals: what a rule decided, and a person has to agree to first.

How far a workstream is left to the rules is its *level*.  What is approved is one act, exactly as it would be done, by
its digest: whatever of it changes makes the approval void.  Nobody approves what they have asked for themselves.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, PositiveInt

from alluse_hub.protocols.message import Fact, Json, Message

VETO_S = 2.0
"""How long people may object at the level *supervised*."""

APPROVAL_S = 900.0
"""How long an act waits for an answer; then it is not done."""


APPROVERS_MAX = 5


class Level(StrEnum):
    AUTONOMOUS = "autonomous"  # what the rules decide is done
    SUPERVISED = "supervised"  # people may object; silence lets pass what does not loosen
    MANUAL = "manual"  # people have to agree


class Sense(StrEnum):
    """Which way an act goes."""

    RESTRICTS = "restricts"
    NEUTRAL = "neutral"
    LOOSENS = "loosens"


class Act(Message):
    """What would be done.  ``about``: the resource of a directive; rule and workstream of a command.  ``content`` is
    all of it, for the digest; ``text`` says it to people."""

    kind: Annotated[str, Field(pattern="^(directive|command)$")]
    about: str
    workstream: str
    sense: Sense
    is_safety: bool = False
    text: str
    content: Json


class Given(Message):
    """One person's agreement."""

    by: str
    reason: str
    at: float


class Proposal(Message):
    """Times are hub seconds.  ``veto_until``: from when on silence lets it pass; None: it never does.  ``needs``: so
    many people besides the one it is ``by``.  ``grade`` grows each time it is asked again since nobody has answered.
    """

    id: str
    act: Act
    digest: str
    level: Level
    by: str
    needs: PositiveInt = 1
    at: float
    veto_until: float | None = None
    expires: float
    given: tuple[Given, ...] = ()
    grade: PositiveInt = 1


# --- orders, each answered by CoordinationDone -----------------------------------------------------------------------


class AskApprovals(Message):
    """What waits for people, and what became of the latest that did."""

    about: str


class DecideApproval(Message):
    """``digest``: of what the person has seen, or empty; another one than the proposal's is refused."""

    about: str
    id: str
    approve: bool
    by: str
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    digest: str = ""


class SetLevel(Message):
    about: str
    workstream: str
    level: Level
    by: str
    reason: Annotated[str, Field(max_length=500)] = ""


# --- facts -----------------------------------------------------------------------------------------------------------


class ApprovalAsked(Fact):
    proposal: Proposal


class ApprovalGiven(Fact):
    id: str
    by: str
    reason: str
    at: float


class ApprovalEnded(Fact):
    """``unopposed``: nobody objected in time.  ``void``: what it was for has changed."""

    id: str
    outcome: Annotated[str, Field(pattern="^(approved|unopposed|rejected|expired|void)$")]
    by: str = ""
    why: str = ""


class ApprovalUsed(Fact):
    """What was approved is under way, or can be no more: ``why``."""

    id: str
    why: str = ""


class LevelSet(Fact):
    workstream: str
    level: Level
    by: str
    reason: str = ""
