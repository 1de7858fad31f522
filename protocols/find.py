"""What the trail can be searched by: the question, as people and the control socket ask it.

Every filter narrows.  ``plan`` in the auditor says which of them have an index; a question without one needs a bound,
which is a place (``after``, ``before``) or a time (``since``, ``until``).
"""

from typing import Annotated

from pydantic import Field

from alluse_hub.protocols.message import Message
from alluse_hub.protocols.severity import Severity
from alluse_hub.protocols.trail import EntryKind

FOUND_MAX = 10_000
"""Most entries in one answer."""

TEXT_CHARS_MAX = 500

Place = Annotated[int, Field(ge=0)]
Word = Annotated[str, Field(max_length=200)]


class Find(Message):
    """``after`` and ``before`` are places that are not looked at any more: the cursor.  Times are seconds since 1970.

    ``workstream``: entries whose body names it, and those of the actor of that name.  ``messages``: any of these kinds.
    ``cause``: what was done with this letter in hand.  ``power``: only what an actor waited for, or only what none did.
    ``severity``: as grave as that, or graver.
    ``text``: words that must all be there, ``"words in a row"``, beginnings as ``oran*``.
    """

    limit: Annotated[int, Field(ge=1, le=FOUND_MAX)] = 100
    oldest_first: bool = False
    after: Place | None = None
    before: Place | None = None
    since: float | None = None
    until: float | None = None
    workstream: Word = ""
    messages: Annotated[tuple[Word, ...], Field(max_length=50)] = ()
    kind: EntryKind | None = None
    actor: Word = ""
    peer: Word = ""
    correlation: Word = ""
    cause: Word = ""
    power: bool | None = None
    severity: Severity | None = None
    text: Annotated[str, Field(max_length=TEXT_CHARS_MAX)] = ""
