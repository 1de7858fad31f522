"""What is said about keeping the trail: that a part of it was sealed, has expired, or must not.

A *segment* is a closed range of places that was moved out of the database into a folder of its own.  What expires in it
is a *class* of entries; how long each class is kept is ``retention``'s matter.  A *hold* names entries that must be
kept whatever their class says.
"""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from alluse_hub.protocols.message import Fact, Message

WHO_CHARS_MAX = 200
REASON_CHARS_MAX = 2_000

Who = Annotated[str, Field(min_length=1, max_length=WHO_CHARS_MAX)]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_CHARS_MAX)]


class SegmentSealed(Message):
    """From the auditor's worker: these places are in a segment now, which was verified.  ``manifest``: the SHA-256 of
    what the segment says of itself; ``root``: of the tree over the first ``last`` entries."""

    first: PositiveInt
    last: PositiveInt
    root: str
    manifest: str


class KeepingStuck(Message):
    """From the auditor's worker: what is due cannot be sealed or taken out, and why; empty when it can again."""

    why: str


class Sealed(Fact):
    """The entries at the places ``first`` to ``last`` are in a segment, and no longer in the database."""

    first: PositiveInt
    last: PositiveInt
    root: str
    manifest: str


class Expired(Fact):
    """A person had all entries of one class taken out of a segment: their duty was over, and no hold was on them.

    Their hashes stay.  ``written_until``: when the youngest entry of the segment was written, seconds since 1970;
    ``kept_days``: how long the class was kept for.  ``expired_at``: seconds since 1970.
    """

    first: PositiveInt
    last: PositiveInt
    retention: str
    entries: NonNegativeInt
    written_until: float
    kept_days: PositiveInt
    expired_at: float
    who: Who
    reason: Reason


class HoldPlaced(Fact):
    """Entries that all of this fits must be kept.  ``since`` and ``until``: seconds since 1970, the second not
    included; ``text`` is looked for in the body as it was written, in whatever case.  What is empty fits everything.
    """

    owner: Who
    reason: Reason
    since: float | None = None
    until: float | None = None
    workstream: str = ""
    actor: str = ""
    correlation: str = ""
    message: str = ""
    text: str = ""


class KeepingAsked(Fact):
    """The first of two people wants a hold lifted, or entries to expire.  ``what``: ``lift`` or ``expire``; ``about``:
    the hold, or what would go, in words; ``digest``: of all that was seen.  ``until``: hub time, in seconds; then the
    word is over."""

    what: str
    about: str
    digest: str
    who: Who
    reason: Reason
    until: float


class HoldLifted(Fact):
    """``hold``: the id of the entry that placed it."""

    hold: str
    who: Who
    reason: Reason
