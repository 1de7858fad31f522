"""Two people for what nobody can undo: an expiry, and the lifting of a hold.

The first one's word is a fact, and is kept for a quarter of an hour.  The second, who must be somebody else, has to ask
for the very same: the word is bound by a digest to what the first has seen, so where more is due by then, or less, it
is a first word again.  When it was done, the fact of that names both.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from alluse_hub.actors.auditor.keeper_log import deciding, said, say
from alluse_hub.protocols.arbitration import TWO_PEOPLE_S
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.keeping import REASON_CHARS_MAX, WHO_CHARS_MAX, Expired, HoldLifted, KeepingAsked
from alluse_hub.protocols.names import KEEPER, same_person
from alluse_hub.supervision.clock import clock_of

AND, THEN = " and ", "; "
WHO_EACH_MAX = (WHO_CHARS_MAX - len(AND)) // 2
REASON_EACH_MAX = (REASON_CHARS_MAX - len(THEN)) // 2
"""Characters: the fact of what was done has the words of both."""


class Both(NamedTuple):
    """Whoever has agreed, and why, as the fact of what was done has it."""

    who: str
    reason: str


def digest_of(what: str, parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([what, *parts]).encode()).hexdigest()


def agreed(home: Path, what: str, about: str, digest: str, word: Both) -> Both | None:
    """What both say, if this is the second; None if it is the first, whose word is kept.  Raises CallerError for one
    person who asks twice, and for words that leave the other none; TrailError."""
    for text, most in ((word.who, WHO_EACH_MAX), (word.reason, REASON_EACH_MAX)):
        if len(text) > most:
            raise CallerError(f"{text[:20]!r}… has {len(text)} characters; where two people agree, say it in {most}")
    with deciding(home):
        now = clock_of(home).now()
        for asked in waiting(home):
            if (asked.what, asked.digest) == (what, digest):
                if same_person(asked.who, word.who):
                    raise CallerError(f"{word.who} has asked already; the second has to be somebody else")
                return Both(f"{asked.who}{AND}{word.who}", f"{asked.reason}{THEN}{word.reason}")
        first = KeepingAsked(
            what=what, about=about, digest=digest, who=word.who, reason=word.reason, until=now + TWO_PEOPLE_S
        )
        say(home, first)
    return None


def waiting(home: Path) -> list[KeepingAsked]:
    """Words of first people that a second may still join, newest first."""
    now = clock_of(home).now()
    found: list[KeepingAsked] = []
    for _, _, fact in said(home, KEEPER, (KeepingAsked, Expired, HoldLifted)):
        match fact:
            case KeepingAsked():
                found.insert(0, fact)
            case Expired():
                found = [asked for asked in found if asked.what != "expire"]
            case HoldLifted(hold=hold):
                found = [asked for asked in found if (asked.what, asked.about) != ("lift", hold)]
    return [asked for asked in found if asked.until > now]
