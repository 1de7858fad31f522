"""How far each workstream has been heard: the number of its newest event, as of now.

A look goes on from where the last one ended, so whoever has looked before holds a lock only for what has come since.
The newest number counts, so what is seen twice does no harm: a spool that vanished is in the store by then.
"""

from pathlib import Path

from pydantic_core import from_json

from alluse_hub.actors.auditor.moments import Moment, moment
from alluse_hub.actors.auditor.reader import MOMENT_TRIES_MAX, spools_of
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import SpoolName, read, spools_in

WHO = "SELECT DISTINCT actor FROM counts WHERE kind = 'fact' AND message = ?"
NEWEST = (
    "SELECT json_extract(body, '$.event.n') FROM entries INDEXED BY entries_facts"
    " WHERE kind = 'fact' AND actor = ? AND message = ? AND leaf > ? AND leaf <= ?"
    " ORDER BY incarnation DESC, n DESC LIMIT 1"
)
PLACES = "SELECT actor, incarnation, offset, n FROM spools"

ENTRIES_AT_ONCE = 10_000

NEAR_ENTRIES = 20_000
"""Whoever is no further behind than this catches up within a second."""

LOOKS_MAX = 20

EVENT_HEARD = EventHeard.__name__


def heard_by_now(home: Path) -> dict[str, int]:
    """By workstream, with what is still in spools.  One look at an index for each.  Raises TrailError."""
    hearing = Hearing(home)
    hearing.look()
    return hearing.through


class Hearing:
    """``through``: the newest event of each workstream, as far as has been looked."""

    def __init__(self, home: Path) -> None:
        self.through: dict[str, int] = {}
        self._home = home
        self._read: dict[SpoolName, tuple[int, int]] = {}

    def catch_up(self) -> None:
        """Until a look brings little.  Raises TrailError, also if more is said than can be read."""
        for _ in range(LOOKS_MAX):
            if self.look() <= NEAR_ENTRIES:
                return
        raise TrailError(f"more is said in {self._home} than can be read; try again when the hub is calmer")

    def look(self) -> int:
        """How many entries of spools it read.  Raises TrailError."""
        directory = spools_of(self._home)
        count = 0
        for _ in range(MOMENT_TRIES_MAX):
            names = spools_in(directory)
            stored = self._look_at_store()
            try:
                for name in names:
                    start = max(self._read.get(name, (0, 0)), stored.get(name, (0, 0)))
                    count += self._look_at_spool(directory, name, *start)
            except FileNotFoundError:
                continue
            return count
        raise TrailError(f"{directory} changes faster than it can be read; ask again when the hub is calmer")

    def _look_at_store(self) -> dict[SpoolName, tuple[int, int]]:
        """How far each spool is stored."""
        with moment(self._home) as trail:
            if trail is None:
                return {}
            for (name,) in trail.store.execute(WHO, (EVENT_HEARD,)).fetchall():
                self._heard(name, _newest(trail, name))
            return {SpoolName(actor, life): (offset, n) for actor, life, offset, n in trail.store.execute(PLACES)}

    def _look_at_spool(self, directory: Path, name: SpoolName, offset: int, n: int) -> int:
        count = 0
        while True:
            found = read(directory / str(name), offset, n, entries_max=ENTRIES_AT_ONCE)
            for entry in found.entries:
                if entry.kind == EntryKind.FACT and entry.message == EVENT_HEARD:
                    self._heard(name.actor, from_json(entry.body)["event"]["n"])
            count += len(found.entries)
            offset, n = found.offset, n + len(found.entries)
            self._read[name] = offset, n
            if len(found.entries) < ENTRIES_AT_ONCE:
                return count

    def _heard(self, ws: str, n: int) -> None:
        if n > self.through.get(ws, 0):
            self.through[ws] = n


def _newest(trail: Moment, name: str) -> int:
    row = trail.one(NEWEST, (name, EVENT_HEARD), trail.with_actor(name))
    return 0 if row is None or row[0] is None else int(row[0])
