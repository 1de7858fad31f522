"""How far each workstream has been heard: the number of its newest event, as of now."""

from collections.abc import Iterator
from pathlib import Path

from pydantic_core import from_json

from alluse_hub.actors.auditor.moments import Moment, looking
from alluse_hub.actors.auditor.reader import Tails, at_one_moment
from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.trail import EntryKind

WHO = "SELECT DISTINCT actor FROM counts WHERE kind = 'fact' AND message = ?"
NEWEST = (
    "SELECT json_extract(body, '$.event.n') FROM entries INDEXED BY entries_facts"
    " WHERE kind = 'fact' AND actor = ? AND message = ? AND leaf > ? AND leaf <= ?"
    " ORDER BY incarnation DESC, n DESC LIMIT 1"
)


def heard_by_now(home: Path) -> dict[str, int]:
    """By workstream, with what is still in spools.  One look at an index for each.  Raises TrailError."""

    def look(trail: Moment | None) -> list[tuple[str, int]]:
        if trail is None:
            return []
        message = EventHeard.__name__
        names = [name for (name,) in trail.store.execute(WHO, (message,)).fetchall()]
        rows = [(name, trail.one(NEWEST, (name, message), trail.with_actor(name))) for name in names]
        return [(name, int(row[0])) for name, row in rows if row is not None and row[0] is not None]

    stored, tails = at_one_moment(home, lambda _: True, looking(home, look))
    through: dict[str, int] = {}
    for ws, n in [*stored, *_spooled(tails)]:
        through[ws] = max(n, through.get(ws, 0))
    return through


def _spooled(tails: Tails) -> Iterator[tuple[str, int]]:
    for name, entries in tails.items():
        for entry in entries:
            if entry.kind == EntryKind.FACT and entry.message == EventHeard.__name__:
                yield name.actor, from_json(entry.body)["event"]["n"]
