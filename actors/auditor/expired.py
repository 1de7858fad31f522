"""What became of an entry that was written, and is not there any more.

Its number is still in its segment, and who had it expire is on record.
"""

from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import from_json

from alluse_hub.actors.auditor.moments import Moment, looking, of_actor
from alluse_hub.actors.auditor.reader import at_one_moment
from alluse_hub.actors.auditor.sealed import Segment
from alluse_hub.actors.auditor.segments import CLASSES
from alluse_hub.protocols.keeping import Expired
from alluse_hub.protocols.message import EntryId, Json
from alluse_hub.protocols.names import KEEPER

_EXPIRED = (
    "SELECT body FROM entries INDEXED BY entries_facts WHERE kind = 'fact' AND actor = ? AND message = ?"
    " AND leaf > ? AND leaf <= ?"
)


def fate(home: Path, wanted: EntryId) -> str:
    """In a sentence; empty for an entry that nobody ever wrote, or that is there."""

    def look(trail: Moment | None) -> tuple[Segment, str, list[Json]] | None:
        if trail is None:
            return None
        found = _class_of(trail, wanted)
        if found is None:
            return None
        rows = trail.every(_EXPIRED, (KEEPER, Expired.__name__), only=of_actor(KEEPER)(trail))
        return *found, [from_json(body) for (body,) in rows]

    found, tails = at_one_moment(home, lambda name: name.actor == KEEPER, looking(home, look))
    if found is None:
        return ""
    segment, retention, facts = found
    for entries in tails.values():
        facts += [from_json(entry.body) for entry in entries if entry.message == Expired.__name__]
    for fact in facts:
        if (fact["first"], fact["last"], fact["retention"]) == (segment.first, segment.last, retention):
            at = datetime.fromtimestamp(float(str(fact["expired_at"])), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return f"{wanted} expired at {at} with all of its class {retention}: by {fact['who']}, {fact['reason']}"
    return f"{wanted} was taken away from the segment {segment.name}; look with `trail verify`"


def _class_of(trail: Moment, wanted: EntryId) -> tuple[Segment, str] | None:
    only = trail.with_entry(wanted.actor, wanted.incarnation, wanted.n)
    for segment in trail.segments:
        if segment.first in only and (gone := trail.expired(segment)):
            for number in trail.numbers(segment):
                if (number.actor, number.incarnation, number.n) == (wanted.actor, wanted.incarnation, wanted.n):
                    return (segment, CLASSES[number.retention].value) if number.retention in gone else None
    return None
