"""A look through all of the trail for one subject: what holds its data, what stands in the way, what was heard by now.

It reads every body, so it takes a second or two for a million entries; nobody erases often.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from alluse_hub.actors.auditor.holds import Header
from alluse_hub.actors.auditor.keeper import holds_in
from alluse_hub.actors.auditor.moments import Moment, looking
from alluse_hub.actors.auditor.reader import Tails, at_one_moment
from alluse_hub.actors.auditor.subjects import Bearer, Obstacles, obstacles
from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.personal import SEALED, PersonalField
from alluse_hub.protocols.retention import Retention

BEARERS = (
    "SELECT wall, subject, actor, correlation, message, body FROM entries"
    " WHERE instr(body, ?) > 0 AND leaf > ? AND leaf <= ?"
)
HEARD = (
    "SELECT actor, max(json_extract(body, '$.event.n')) FROM entries"
    " WHERE kind = 'fact' AND message = 'EventHeard' AND leaf > ? AND leaf <= ? GROUP BY actor"
)

Row = tuple[Any, ...]  # Any: columns of several types


class Found(NamedTuple):
    """``through``: by workstream, the last event that was heard."""

    obstacles: Obstacles
    through: Mapping[str, int]


def look_through(
    home: Path, subject: str, fields: Sequence[PersonalField], days: Mapping[Retention, int], now: float
) -> Found:
    """As of one moment, with what stands in spools.  ``subject``: a pseudonym.  Raises TrailError."""
    mark = f'"{SEALED}":"{subject}"'

    def look(trail: Moment | None) -> tuple[list[Row], list[Row]]:
        return ([], []) if trail is None else (trail.every(BEARERS, (mark,)), trail.every(HEARD, ()))

    (bearing, heard), tails = at_one_moment(home, lambda _: True, looking(home, look))
    holds = holds_in(home)
    bearers = (Bearer(Header(*row), from_json(row[-1])) for row in [*bearing, *_spooled(tails, mark)])
    through: dict[str, int] = {}
    for ws, n in [*heard, *_spooled_events(tails)]:
        through[ws] = max(int(n or 0), through.get(ws, 0))
    return Found(obstacles(bearers, subject, fields, holds, days, now), through)


def _spooled(tails: Tails, mark: str) -> Iterator[Row]:
    for name, entries in tails.items():
        for entry in entries:
            if mark in entry.body:
                yield entry.wall, name.actor, name.actor, entry.correlation, entry.message, entry.body


def _spooled_events(tails: Tails) -> Iterator[tuple[str, int]]:
    for name, entries in tails.items():
        for entry in entries:
            if entry.kind == "fact" and entry.message == EventHeard.__name__:
                yield name.actor, from_json(entry.body)["event"]["n"]
