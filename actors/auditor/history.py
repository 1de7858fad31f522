"""History: what the trail holds of each incarnation, in the order in which it was written, as of one moment.

For those who go through much of it.  What stands in spools at that moment is kept in memory, since it may be in the
store a moment later; the store is read in pieces, each for itself, so that a long look keeps nobody from working.
Entries never change, so the pieces fit together.

Read-only.
"""

import json
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.left import LeftFact, left
from alluse_hub.actors.auditor.reader import BUSY_TIMEOUT_S, Tails, at_one_moment, reading, store_of
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.flow import Event, EventHeard
from alluse_hub.protocols.lifecycle import Booted
from alluse_hub.protocols.message import EntryId, Json
from alluse_hub.protocols.trail import EntryKind, Snapshot
from alluse_hub.supervision.spool import SpoolEntry, SpoolName

PIECE_ENTRIES = 4_096
"""Read from the store at a time: some milliseconds."""

EVENTS_KEPT = 20_000
"""Events kept for the next who got them: some 20 MB."""

_COLUMNS = "n, kind, message, peer, letter, cause, correlation, at, wall, power, body"

Facts = tuple[Json | None, list[tuple[str, bytes]]]
"""The latest snapshot, and the facts since by kind and body."""


class Bounds(NamedTuple):
    """Places in the store, both included; None: no bound, and what is in spools belongs to it."""

    first: int | None = None
    last: int | None = None


UNBOUND = Bounds()


class Incarnation(NamedTuple):
    """``last_leaf``: place of its last entry in the store; 0 if none is there."""

    actor: str
    number: int
    last_leaf: int


class History:
    """Opened by ``of``; ``close`` when done."""

    def __init__(self, connection: sqlite3.Connection | None, newest: int, tails: Tails) -> None:
        self._connection = connection
        self.newest = newest
        self._tails = tails
        self._events: OrderedDict[str, Event] = OrderedDict()
        self._places: dict[str, array[int]] = {}  # of a workstream's events, by number

    @classmethod
    def of(cls, home: Path) -> Self:
        """Raises TrailError if store or spools cannot be read, or if a newer hub wrote them."""

        def look(connection: sqlite3.Connection | None) -> int | None:
            return None if connection is None else _number(connection, "SELECT max(leaf) FROM entries")

        newest, tails = at_one_moment(home, lambda _: True, look)
        if newest is None:
            return cls(None, 0, tails)
        with reading(home):
            pass  # it has been said in words if it cannot be read
        uri = f"{store_of(home).absolute().as_uri()}?mode=ro"
        return cls(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None), newest, tails)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:  # columns of several types
        """All at once: between two questions the store is free.  Raises TrailError."""
        if self._connection is None:
            return []
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise TrailError(f"the trail cannot be read on: {error}; if it stays so, bring back a backup") from error

    # --- places ------------------------------------------------------------------------------------------------------

    def place_of(self, entry_id: str) -> int:
        """Raises CallerError for what is no id, or not in the store."""
        try:
            wanted = EntryId.parse(entry_id)
        except ValueError as error:
            raise CallerError(f"{entry_id!r} is no entry; they read actor/incarnation/number, as ws3/1/42") from error
        sql = "SELECT leaf FROM entries WHERE actor = ? AND incarnation = ? AND n = ?"
        found = self._rows(sql, (wanted.actor, wanted.incarnation, wanted.n))
        if not found:
            raise CallerError(f"{entry_id} is not in the store; see `trail tail`")
        return int(found[0][0])

    def place_before(self, wall: float) -> int:
        """The last place written before ``wall``, seconds since 1970, as good as the wall clock is; by bisection."""
        low, high = 0, self.newest
        while low < high:
            middle = (low + high + 1) // 2
            found = self._rows("SELECT wall FROM entries WHERE leaf <= ? ORDER BY leaf DESC LIMIT 1", (middle,))
            if not found or found[0][0] < wall:
                low = middle
            else:
                high = middle - 1
        return low

    # --- incarnations ------------------------------------------------------------------------------------------------

    def actors(self) -> list[str]:
        return sorted({each.actor for each in self.incarnations()})

    def incarnations(self, actor: str = "") -> list[Incarnation]:
        """By name and number; all, or those of one actor."""
        names = {SpoolName(*name) for name in self._stored_names(actor)}
        names |= {name for name, tail in self._tails.items() if tail and actor in {"", name.actor}}
        return [Incarnation(*name, self._last_leaf(*name)) for name in sorted(names)]

    def _stored_names(self, actor: str) -> Iterator[tuple[str, int]]:
        """From step to step of an index that has them in order."""
        sql = (
            "SELECT actor, incarnation FROM entries INDEXED BY entries_once"
            " WHERE (actor, incarnation) > (?, ?) AND leaf <= ? ORDER BY actor, incarnation LIMIT 1"
        )
        at: tuple[str, int] = (actor, 0)
        while found := self._rows(sql, (*at, self.newest)):
            at = found[0][0], found[0][1]
            if actor not in {"", at[0]}:
                return
            yield at

    def _last_leaf(self, actor: str, incarnation: int) -> int:
        sql = "SELECT leaf FROM entries WHERE actor = ? AND incarnation = ? AND leaf <= ? ORDER BY n DESC LIMIT 1"
        found = self._rows(sql, (actor, incarnation, self.newest))
        return int(found[0][0]) if found else 0

    def entries(self, incarnation: Incarnation, last: int | None = None) -> Iterator[SpoolEntry]:
        """In order; up to that place of the store, or with what is in its spool."""
        sql = (
            f"SELECT {_COLUMNS} FROM entries INDEXED BY entries_once"  # noqa: S608  # no value in it
            " WHERE actor = ? AND incarnation = ? AND n > ? AND leaf <= ? ORDER BY n LIMIT ?"
        )
        bound = self.newest if last is None else min(last, self.newest)
        name = SpoolName(incarnation.actor, incarnation.number)
        n = 0
        while rows := self._rows(sql, (*name, n, bound, PIECE_ENTRIES)):
            n = rows[-1][0]
            yield from map(_entry, rows)
        if last is None:
            yield from self._tails.get(name, ())

    # --- what was left for those who came after ----------------------------------------------------------------------

    def left_before(self, incarnation: Incarnation, kinds: frozenset[str]) -> Facts:
        """What that one found when it was born."""
        return self._facts(incarnation.actor, kinds, (incarnation.number, 0))

    def left_at(self, through: EntryId, kinds: frozenset[str]) -> Facts:
        """What there was when its actor had written that entry."""
        return self._facts(through.actor, kinds, (through.incarnation, through.n))

    def _facts(self, actor: str, kinds: frozenset[str], through: tuple[int, int]) -> Facts:
        where = (
            "FROM entries INDEXED BY entries_facts"
            " WHERE kind = 'fact' AND actor = ? AND (incarnation, n) <= (?, ?) AND leaf <= ?"
        )
        bounds = (actor, *through, self.newest)
        newest = self._rows(
            f"SELECT incarnation, n, message, body {where} AND message = ? ORDER BY incarnation DESC, n DESC LIMIT 1",
            (*bounds, Snapshot.__name__),
        )
        since = newest[0][:2] if newest else (0, 0)
        wanted = sorted(kinds)
        rows = self._rows(
            f"SELECT incarnation, n, message, body {where} AND message IN ({', '.join('?' * len(wanted))})"
            " AND (incarnation, n) > (?, ?)",
            (*bounds, *wanted, *since),
        )
        facts = [LeftFact(*row) for row in (*newest, *rows)]
        for name in self._spools_of(actor):
            for entry in self._tails[name]:
                is_wanted = entry.message in kinds or entry.message == Snapshot.__name__
                if entry.kind == EntryKind.FACT and is_wanted and (name.incarnation, entry.n) <= through:
                    facts.append(LeftFact(name.incarnation, entry.n, entry.message, entry.body))
        return left(facts)

    def _spools_of(self, actor: str) -> list[SpoolName]:
        return sorted(name for name in self._tails if name.actor == actor)

    def born(self, through: EntryId) -> str:
        """``Booted`` of that incarnation.  Raises CallerError without one."""
        sql = (
            "SELECT body FROM entries INDEXED BY entries_facts"
            " WHERE kind = 'fact' AND actor = ? AND message = ? AND incarnation = ? LIMIT 1"
        )
        name = SpoolName(through.actor, through.incarnation)
        found = [body for (body,) in self._rows(sql, (name.actor, Booted.__name__, name.incarnation))]
        found += [entry.body for entry in self._tails.get(name, ()) if entry.message == Booted.__name__]
        if not found:
            raise CallerError(f"{name.actor}/{name.incarnation} was never started, or that is no longer in the trail")
        return str(found[0])

    def through(self, actor: str, last: int | None) -> tuple[EntryId, float, float]:
        """The last entry of that actor up to that place, or now; its hub time, and the wall clock's.

        Raises CallerError if there is none."""
        sql = (
            "SELECT incarnation, n, at, wall FROM entries INDEXED BY entries_once WHERE actor = ? AND leaf <= ?"
            " ORDER BY incarnation DESC, n DESC LIMIT 1"
        )
        rows = self._rows(sql, (actor, self.newest if last is None else last))
        found = [(EntryId(actor, incarnation, n), at, wall) for incarnation, n, at, wall in rows]
        if last is None:
            ends = [(name, self._tails[name][-1]) for name in self._spools_of(actor) if self._tails[name]]
            found += [(EntryId(*name, entry.n), entry.at, entry.wall) for name, entry in ends]
        if found:
            return max(found)
        raise CallerError(f"nothing of {actor!r} was there then; known: {', '.join(self.actors()) or 'nobody'}")

    # --- letters and events ------------------------------------------------------------------------------------------

    def letter(self, entry_id: str) -> tuple[str, str] | None:
        """Kind and body of a letter, as its sender wrote it down; None for one that is not there."""
        try:
            actor, incarnation, n = entry_id.rsplit("/", 2)
            name, number = SpoolName(actor, int(incarnation)), int(n)
        except ValueError:
            return None
        sql = "SELECT message, body FROM entries WHERE actor = ? AND incarnation = ? AND n = ? AND kind = 'sent'"
        for message, body in self._rows(sql, (*name, number)):
            return message, body
        tail = self._tails.get(name)
        at = number - tail[0].n if tail else -1
        if tail is None or not 0 <= at < len(tail) or tail[at].kind != EntryKind.SENT:
            return None
        return tail[at].message, tail[at].body

    def event(self, event_id: str) -> Event:
        """Raises LookupError for one that nobody heard."""
        found = self._events.get(event_id)
        if found is None:
            found = self._events[event_id] = self._looked_up(event_id)
            if len(self._events) > EVENTS_KEPT:
                self._events.popitem(last=False)
        return found

    def _looked_up(self, event_id: str) -> Event:
        ws, _, number = event_id.rpartition("#")
        if ws not in self._places:
            self._places[ws] = self._places_of(ws)
        places = self._places[ws]
        n = int(number) if number.isdecimal() else 0
        if n >= len(places) or not places[n]:
            raise LookupError(event_id)
        if places[n] > 0:
            body = self._rows("SELECT body FROM entries WHERE leaf = ?", (places[n],))[0][0]
        else:
            body = self._spooled_events(ws)[-places[n] - 1].body
        return EventHeard.model_validate_json(body).event

    def _places_of(self, ws: str) -> "array[int]":
        """By number: the place in the store, or what is left to count in the spools from -1 down; 0 for none."""
        places = array("q", [0])
        sql = (
            "SELECT leaf, json_extract(body, '$.event.n') FROM entries INDEXED BY entries_facts"
            " WHERE kind = 'fact' AND actor = ? AND message = ? AND leaf <= ? ORDER BY incarnation, n"
        )
        found = [(leaf, n) for leaf, n in self._rows(sql, (ws, EventHeard.__name__, self.newest)) if isinstance(n, int)]
        spooled = [json.loads(entry.body)["event"]["n"] for entry in self._spooled_events(ws)]
        for place, n in [*found, *((-at, n) for at, n in enumerate(spooled, start=1))]:
            places.extend([0] * (n + 1 - len(places)))
            places[n] = places[n] or place
        return places

    def _spooled_events(self, ws: str) -> list[SpoolEntry]:
        return [
            entry
            for name in self._spools_of(ws)
            for entry in self._tails[name]
            if entry.kind == EntryKind.FACT and entry.message == EventHeard.__name__
        ]


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0] or 0)


def _entry(row: tuple[Any, ...]) -> SpoolEntry:  # columns of several types
    n, kind, message, peer, letter, cause, correlation, at, wall, power, body = row
    return SpoolEntry(n, kind, message, peer, letter, cause, correlation, at, wall, bool(power), body or "")
