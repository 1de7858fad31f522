"""History: what the trail holds of each incarnation, in the order in which it was written, as of one moment.

For those who go through much of it.  What stands in spools at that moment is kept in memory, since it may be in the
store a moment later; the store is read in pieces, each for itself, so that a long look keeps nobody from working.
Entries never change, so the pieces fit together.

Read-only.
"""

import contextlib
import json
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from alluse_hub.actors.auditor.left import LeftFact, left
from alluse_hub.actors.auditor.moments import EVERYWHERE, Moment, Pieces, Row, Which, looking, of_actor, of_numbers
from alluse_hub.actors.auditor.reader import Tails, at_one_moment
from alluse_hub.actors.auditor.unsealing import Reading, Sentences, refuse_sealed, unsealed
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import Event, EventHeard
from alluse_hub.protocols.lifecycle import Booted
from alluse_hub.protocols.message import EntryId, Json
from alluse_hub.protocols.personal import MARK
from alluse_hub.protocols.trail import EntryKind, Snapshot
from alluse_hub.supervision.spool import SpoolEntry, SpoolName

PIECE_ENTRIES = 4_096
"""Read from the store at a time: some milliseconds."""

EVENTS_KEPT = 20_000
"""Events kept for the next who got them: some 20 MB."""

EVENTS_AHEAD = 256
"""Bodies of events that are read with the one that was asked for: its next ones are asked for soon."""

_COLUMNS = "n, kind, message, peer, letter, cause, correlation, at, wall, power, coalesce(body, '')"  # as SpoolEntry

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
    """Opened by ``of``; ``close`` when done.  ``reads``: how sealed fields are read, by default as sentences."""

    reads: Reading = Sentences()

    def __init__(self, stored: Pieces | None, newest: int, tails: Tails) -> None:
        self._stored = stored
        self.newest = newest
        self._tails = tails
        self._events: OrderedDict[str, Event] = OrderedDict()
        self._places: dict[str, array[int]] = {}  # of a workstream's events, by number
        self._ahead: dict[str, dict[int, str]] = {}  # bodies of a workstream's next events, by place
        self._letters: dict[str, tuple[str, str]] = {}  # those that the piece at hand was heard from

    @classmethod
    def of(cls, home: Path) -> Self:
        """Raises TrailError if store or spools cannot be read, or if a newer hub wrote them."""

        def look(trail: Moment | None) -> int | None:
            return None if trail is None else trail.newest

        newest, tails = at_one_moment(home, lambda _: True, looking(home, look))
        return cls(Pieces(home) if newest is not None else None, newest or 0, tails)

    def close(self) -> None:
        if self._stored is not None:
            self._stored.close()

    def rows(
        self, sql: str, values: Sequence[object], which: Which = EVERYWHERE, low: int = 0, high: int | None = None
    ) -> list[Row]:
        """All at once: between two questions the store is free.  ``sql`` takes the values, and the places ``low`` (not
        included) and ``high``.  Raises TrailError."""
        if self._stored is None:
            return []
        with self._stored.piece() as trail:
            return trail.every(sql, values, low, self.newest if high is None else high, which(trail))

    # --- places ------------------------------------------------------------------------------------------------------

    def place_of(self, entry_id: str) -> int:
        """Raises CallerError for what is no id, or not in the store."""
        try:
            wanted = EntryId.parse(entry_id)
        except ValueError as error:
            raise CallerError(f"{entry_id!r} is no entry; they read actor/incarnation/number, as ws3/1/42") from error
        sql = "SELECT leaf FROM entries WHERE actor = ? AND incarnation = ? AND n = ? AND leaf > ? AND leaf <= ?"
        name = wanted.actor, wanted.incarnation, wanted.n
        found = self.rows(sql, name, lambda trail: trail.with_entry(*name))
        if not found:
            raise CallerError(f"{entry_id} is not in the store; see `trail tail`")
        return int(found[0][0])

    def place_before(self, wall: float) -> int:
        """The last place written before ``wall``, seconds since 1970, as good as the wall clock is; by bisection."""
        if self._stored is None:
            return 0
        with self._stored.piece() as trail:
            return trail.place_before(wall, 0, self.newest)

    # --- incarnations ------------------------------------------------------------------------------------------------

    def actors(self) -> list[str]:
        return sorted({each.actor for each in self.incarnations()})

    def incarnations(self, actor: str = "") -> list[Incarnation]:
        """By name and number; all, or those of one actor."""
        names = {SpoolName(*name) for name in self._stored_names(actor)}
        names |= {name for name, tail in self._tails.items() if tail and actor in {"", name.actor}}
        return [Incarnation(*name, self._last_leaf(*name)) for name in sorted(names)]

    def _stored_names(self, actor: str) -> Iterator[tuple[str, int]]:
        """From step to step of an index that has them in order; of what is sealed they stand in a list."""
        sql = (
            "SELECT actor, incarnation FROM entries INDEXED BY entries_once"
            " WHERE (actor, incarnation) > (?, ?) AND leaf > ? AND leaf <= ? ORDER BY actor, incarnation LIMIT 1"
        )
        if self._stored is None:
            return
        with self._stored.piece() as trail:
            sealed, through = trail.sealed_names(actor), trail.through
        yield from sealed
        at: tuple[str, int] = (actor, 0)
        while found := self.rows(sql, at, lambda _: (), through):
            at = found[-1][0], found[-1][1]
            if actor not in {"", at[0]}:
                return
            yield at

    def _last_leaf(self, actor: str, incarnation: int) -> int:
        sql = (
            "SELECT n, leaf FROM entries WHERE actor = ? AND incarnation = ? AND leaf > ? AND leaf <= ?"
            " ORDER BY n DESC LIMIT 1"
        )
        found = self.rows(sql, (actor, incarnation), of_actor(actor, incarnation))
        return int(max(found)[1]) if found else 0

    def pieces(self, incarnation: Incarnation, last: int | None = None) -> Iterator[Sequence[SpoolEntry]]:
        """In order; up to that place of the store, or with what is in its spool.  The letters that a piece was heard
        from are at hand until the next one."""
        sql = (
            f"SELECT {_COLUMNS} FROM entries INDEXED BY entries_once"  # noqa: S608  # no value in it
            " WHERE actor = ? AND incarnation = ? AND n > ? AND leaf > ? AND leaf <= ? ORDER BY n LIMIT ?"
        )
        bound = self.newest if last is None else min(last, self.newest)
        name = SpoolName(incarnation.actor, incarnation.number)
        n = 0
        while rows := self._next_rows(sql, name, n, bound):
            n = rows[-1][0]
            piece = [*map(SpoolEntry._make, rows)]
            self._fetch_letters({entry.letter for entry in piece if entry.letter})
            yield piece
        self._letters = {}
        if last is None:
            yield self._tails.get(name, ())

    def _next_rows(self, sql: str, name: SpoolName, n: int, bound: int) -> list[Row]:
        """Places follow numbers within an incarnation, so the first that has any has the next ones."""
        if self._stored is None:
            return []
        with self._stored.piece() as trail:
            only = trail.with_actor(name.actor, (name.incarnation, n), name.incarnation)
            return trail.rows(sql, (*name, n), PIECE_ENTRIES, 0, bound, only, newest_first=False)

    def unsealed(self, incarnation: Incarnation, entry: SpoolEntry) -> SpoolEntry:
        """As it may be read."""
        if MARK not in entry.body:
            return entry
        known = EntryId(incarnation.actor, incarnation.number, entry.n)
        return entry._replace(body=self.body_of(known, entry.message, entry.body))

    def body_of(self, entry: EntryId, kind: str, body: str) -> str:
        return self.reads.body(body, entry.actor, entry.incarnation, entry.n, kind)

    # --- what was left for those who came after ----------------------------------------------------------------------

    def left_before(self, incarnation: Incarnation, kinds: frozenset[str]) -> Facts:
        """What that one found when it was born."""
        return self._facts(incarnation.actor, kinds, (incarnation.number, 0))

    def left_at(self, through: EntryId, kinds: frozenset[str]) -> Facts:
        """What there was when its actor had written that entry."""
        return self._facts(through.actor, kinds, (through.incarnation, through.n))

    def _facts(self, actor: str, kinds: frozenset[str], through: tuple[int, int]) -> Facts:
        where = "FROM entries INDEXED BY entries_facts WHERE kind = 'fact' AND actor = ? AND (incarnation, n) <= (?, ?)"
        bounds = (actor, *through)
        snapshots = self.rows(
            f"SELECT incarnation, n, message, body {where} AND message = ? AND leaf > ? AND leaf <= ?"
            " ORDER BY incarnation DESC, n DESC LIMIT 1",
            (*bounds, Snapshot.__name__),
            of_actor(actor),
        )
        newest = sorted(snapshots)[-1:]
        since = newest[0][:2] if newest else (0, 0)
        if self._stored is not None:
            with self._stored.piece() as trail:
                trail.refuse_expired(actor, since, through, kinds)
        wanted = sorted(kinds)
        rows = self.rows(
            f"SELECT incarnation, n, message, body {where} AND message IN ({', '.join('?' * len(wanted))})"
            " AND (incarnation, n) > (?, ?) AND leaf > ? AND leaf <= ?",
            (*bounds, *wanted, *since),
            of_actor(actor, after=since),
        )
        facts = [LeftFact(*row) for row in (*newest, *rows)]
        for name in self._spools_of(actor):
            for entry in self._tails[name]:
                is_wanted = entry.message in kinds or entry.message == Snapshot.__name__
                if entry.kind == EntryKind.FACT and is_wanted and (name.incarnation, entry.n) <= through:
                    facts.append(LeftFact(name.incarnation, entry.n, entry.message, entry.body))
        return left(unsealed(self.reads, actor, facts))

    def _spools_of(self, actor: str) -> list[SpoolName]:
        return sorted(name for name in self._tails if name.actor == actor)

    def born(self, through: EntryId) -> str:
        """``Booted`` of that incarnation.  Raises CallerError without one."""
        sql = (
            "SELECT body FROM entries INDEXED BY entries_facts"
            " WHERE kind = 'fact' AND actor = ? AND message = ? AND incarnation = ? AND leaf > ? AND leaf <= ? LIMIT 1"
        )
        name = SpoolName(through.actor, through.incarnation)
        found = [body for (body,) in self.rows(sql, (name.actor, Booted.__name__, name.incarnation), of_actor(*name))]
        found += [entry.body for entry in self._tails.get(name, ()) if entry.message == Booted.__name__]
        if not found:
            raise CallerError(f"{name.actor}/{name.incarnation} was never started, or that is no longer in the trail")
        return str(found[0])

    def through(self, actor: str, last: int | None) -> tuple[EntryId, float, float]:
        """The last entry of that actor up to that place, or now; its hub time, and the wall clock's.

        Raises CallerError if there is none."""
        sql = (
            "SELECT incarnation, n, at, wall FROM entries INDEXED BY entries_once WHERE actor = ?"
            " AND leaf > ? AND leaf <= ? ORDER BY incarnation DESC, n DESC LIMIT 1"
        )
        rows = self.rows(sql, (actor,), of_actor(actor), high=last)
        if last is not None:  # what stands right there is meant, even if a later incarnation was stored before it
            here = "SELECT incarnation, n, at, wall FROM entries WHERE +actor = ? AND leaf > ? AND leaf <= ?"
            rows = self.rows(here, (actor,), low=last - 1, high=last) or rows
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
        found = self._letter(entry_id)
        if found is None or MARK not in found[1]:
            return found
        kind, body = found[0], self.body_of(EntryId.parse(entry_id), *found)
        refuse_sealed(body, entry_id)
        return kind, body

    def _letter(self, entry_id: str) -> tuple[str, str] | None:
        if (found := self._letters.get(entry_id)) is not None:
            return found
        try:
            actor, incarnation, n = entry_id.rsplit("/", 2)
            name, number = SpoolName(actor, int(incarnation)), int(n)
        except ValueError:
            return None
        sql = (
            "SELECT message, body FROM entries WHERE actor = ? AND incarnation = ? AND n = ? AND kind = 'sent'"
            " AND leaf > ? AND leaf <= ?"
        )
        for message, body in self.rows(sql, (*name, number), lambda trail: trail.with_entry(*name, number)):
            return message, body
        tail = self._tails.get(name)
        at = number - tail[0].n if tail else -1
        if tail is None or not 0 <= at < len(tail) or tail[at].kind != EntryKind.SENT:
            return None
        return tail[at].message, tail[at].body

    def _fetch_letters(self, ids: set[str]) -> None:
        """All at once: of each sender those that are wanted, and no other."""
        by_sender: dict[tuple[str, int], dict[int, str]] = {}
        for entry_id in ids:
            with contextlib.suppress(ValueError):  # of a letter that is no entry
                actor, incarnation, n = entry_id.rsplit("/", 2)
                by_sender.setdefault((actor, int(incarnation)), {})[int(n)] = entry_id
        sql = (
            "SELECT n, message, body FROM entries INDEXED BY entries_once"
            " WHERE actor = ? AND incarnation = ? AND n IN (SELECT value FROM json_each(?)) AND +kind = 'sent'"
            " AND +leaf > ? AND +leaf <= ?"
        )
        self._letters = {}
        for sender, wanted in by_sender.items():
            for n, message, body in self.rows(
                sql, (*sender, json.dumps(sorted(wanted))), of_numbers(*sender, min(wanted), max(wanted))
            ):
                self._letters[wanted[n]] = (message, body)

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
        body = self._body_at(ws, places, n) if places[n] > 0 else self._spooled_events(ws)[-places[n] - 1].body
        if MARK in body:
            entry = self._entry_of_event(ws, places[n], body)
            body = self.body_of(entry, EventHeard.__name__, body)
            refuse_sealed(body, event_id)
        return EventHeard.model_validate_json(body).event

    def _entry_of_event(self, ws: str, place: int, body: str) -> EntryId:
        if place > 0:
            sql = "SELECT incarnation, n FROM entries WHERE leaf > ? AND leaf <= ?"
            return EntryId(ws, *self.rows(sql, (), low=place - 1, high=place)[0])
        spooled = ((name, entry) for name in self._spools_of(ws) for entry in self._tails[name])
        return next(EntryId(ws, name.incarnation, entry.n) for name, entry in spooled if entry.body == body)

    def _body_at(self, ws: str, places: "array[int]", n: int) -> str:
        """Of the event's entry in the store."""
        ahead = self._ahead.get(ws, {})
        if places[n] not in ahead:
            wanted = [place for place in places[n : n + EVENTS_AHEAD] if place > 0]
            sql = (
                "SELECT leaf, body FROM entries WHERE leaf IN (SELECT value FROM json_each(?))"
                " AND +leaf > ? AND +leaf <= ?"
            )
            places_ = json.dumps(wanted)
            ahead = self._ahead[ws] = dict(self.rows(sql, (places_,), low=min(wanted) - 1, high=max(wanted)))
        return ahead[places[n]]

    def _places_of(self, ws: str) -> "array[int]":
        """By number: the place in the store, or what is left to count in the spools from -1 down; 0 for none."""
        places = array("q", [0])
        sql = (
            "SELECT leaf, json_extract(body, '$.event.n') FROM entries INDEXED BY entries_facts"
            " WHERE kind = 'fact' AND actor = ? AND message = ? AND leaf > ? AND leaf <= ? ORDER BY incarnation, n"
        )
        rows = self.rows(sql, (ws, EventHeard.__name__), of_actor(ws))
        found = [(leaf, n) for leaf, n in rows if isinstance(n, int)]
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
