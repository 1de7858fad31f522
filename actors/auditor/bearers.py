"""A look through all of the trail for one subject: what holds its data, and what stands in the way of erasing it.

It reads every body, so it takes a second or two for a million entries; nobody erases often.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from alluse_hub.actors.auditor.holds import Header
from alluse_hub.actors.auditor.keeper import holds_in
from alluse_hub.actors.auditor.moments import Moment, looking
from alluse_hub.actors.auditor.reader import Tails, at_one_moment
from alluse_hub.actors.auditor.subjects import Bearer, Obstacles, obstacles
from alluse_hub.protocols.personal import SEALED, PersonalField
from alluse_hub.protocols.retention import Retention

BEARERS = (
    "SELECT wall, subject, actor, correlation, message, body FROM entries"
    " WHERE instr(body, ?) > 0 AND leaf > ? AND leaf <= ?"
)

Row = tuple[Any, ...]  # Any: columns of several types


def look_through(
    home: Path, subject: str, fields: Sequence[PersonalField], days: Mapping[Retention, int], now: float
) -> Obstacles:
    """As of one moment, with what stands in spools.  ``subject``: a pseudonym.  Raises TrailError."""
    mark = f'"{SEALED}":"{subject}"'

    def look(trail: Moment | None) -> list[Row]:
        return [] if trail is None else trail.every(BEARERS, (mark,))

    bearing, tails = at_one_moment(home, lambda _: True, looking(home, look))
    bearers = (Bearer(Header(*row), from_json(row[-1])) for row in [*bearing, *_spooled(tails, mark)])
    return obstacles(bearers, subject, fields, holds_in(home), days, now)


def _spooled(tails: Tails, mark: str) -> Iterator[Row]:
    for name, entries in tails.items():
        for entry in entries:
            if mark in entry.body:
                yield entry.wall, name.actor, name.actor, entry.correlation, entry.message, entry.body
