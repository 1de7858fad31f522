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
from alluse_hub.protocols.keeping import Expired, HoldLifted, KeepingAsked
from alluse_hub.protocols.names import KEEPER, same_person
from alluse_hub.supervision.clock import anchored


class Both(NamedTuple):
    """Whoever has agreed, and why, as the fact of what was done has it."""

    who: str
    reason: str


def digest_of(what: str, parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([what, *parts]).encode()).hexdigest()


def agreed(home: Path, what: str, about: str, digest: str, word: Both) -> Both | None:
    """What both say, if this is the second; None if it is the first, whose word is kept.  Raises CallerError for one
    person who asks twice, TrailError."""
    with deciding(home):
        now = anchored(home).now()
        for asked in waiting(home):
            if (asked.what, asked.digest) == (what, digest):
                if same_person(asked.who, word.who):
                    raise CallerError(f"{word.who} has asked already; the second has to be somebody else")
                return Both(f"{asked.who} and {word.who}", f"{asked.reason}; {word.reason}")
        first = KeepingAsked(
            what=what, about=about, digest=digest, who=word.who, reason=word.reason, until=now + TWO_PEOPLE_S
        )
        say(home, first)
    return None


def waiting(home: Path) -> list[KeepingAsked]:
    """Words of first people that a second may still join, newest first."""
    now = anchored(home).now()
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
