"""A span of the trail for whoever counts in it: all entries of some kinds, in time, and nothing else.

Times are hub time, which never goes back; whoever asks gives wall time or an entry.  The store is in the order in which
the auditor read the spools, so it is looked through from ``EARLIER_S`` before the span, and ``AROUND`` places more on
both sides; what began still earlier has ended by then, or has an index of its own (``lasting``).

At most ``limit`` entries are read, and as many of those that are ``lasting``; a longer span is begun later, and says
so.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from alluse_hub.actors.auditor.moments import Moment, moment
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.message import EntryId
from alluse_hub.protocols.trail import Entry, EntryKind

EARLIER_S = 300.0
"""What leads to something in a span began no earlier than that before it, or is not measured."""

AROUND = 100_000
"""Places by which an entry may stand before or behind those of its time."""

NEWEST = 1_000
"""Places among which the latest moment on record is looked for: those who were read last need not have spoken last."""

LIMIT = 200_000
"""Entries read for one answer, some seconds."""

_COLUMNS = "actor, incarnation, n, kind, message, cause, at, wall, leaf, body"


class Span(NamedTuple):
    """More than ``since`` and up to ``until``, in hub seconds, and the same on the wall; ``low`` and ``high``: the
    places that were looked through.  ``is_cut``: it begins later than was asked, as there was too much to read.
    ``is_complete``: nothing of it has expired, and all that is lasting was read."""

    entries: list[Entry]
    since: float
    until: float
    wall_since: float
    wall_until: float
    low: int
    high: int
    is_cut: bool
    is_complete: bool


class _Edge(NamedTuple):
    """A place, and the times of the entry there."""

    place: int
    at: float
    wall: float


def span(
    home: Path,
    kinds: Sequence[str],
    lasting: Sequence[str] = (),
    *,
    since: float | str | None = None,
    until: float | str | None = None,
    last_s: float | None = None,
    limit: int = LIMIT,
) -> Span | None:
    """Facts and letters of these kinds; ``lasting``: facts from the beginning of the trail, whatever the span.

    ``since`` and ``until``: seconds since 1970, or the id of an entry; None: from the beginning, to the end.
    ``last_s``: without ``since``, only so many seconds of hub time.  None while nothing is stored.  Raises CallerError
    for an entry that is not there and a span that is empty, TrailError.
    """
    with moment(home) as trail:
        newest = 0 if trail is None else trail.newest
        if trail is None or not newest:
            return None
        end = _edge(trail, until, newest)
        begin = _edge(trail, since, newest) if since is not None else _last(trail, end, last_s, newest)
        if begin.at >= end.at:
            raise CallerError("the span is empty: it ends before it begins")
        low, high = _around(trail, begin, end, newest)
        low, is_cut = _within(trail, kinds, low, high, limit)
        early, is_early_cut = _within(trail, lasting, 0, high, limit) if lasting else (0, False)
        low, is_cut = max(low, early), is_cut or early > low
        if is_cut:
            begin = _later(trail, low, end)
        rows = trail.every(_select(kinds, ("fact", "sent")), tuple(kinds), low, high)
        rows += trail.every(_select(lasting, ("fact",)), tuple(lasting), early, high) if lasting else []
        complete = not is_early_cut and not any(
            trail.expired(one) for one in trail.segments if one.last > low and one.first <= high
        )
        times = begin.at, end.at, begin.wall, end.wall
        return Span([_entry(row) for row in rows], *times, low, high, is_cut, complete)


def facts_before(home: Path, message: str, entries: Collection[Entry]) -> list[Entry]:
    """Of each of these entries, the newest fact of that kind that the same actor wrote before it."""
    sql = (
        f"SELECT {_COLUMNS} FROM entries INDEXED BY entries_facts WHERE kind = 'fact' AND actor = ? AND message = ?"  # noqa: S608  # no value in it
        " AND (incarnation, n) < (?, ?) AND leaf > ? AND leaf <= ? ORDER BY incarnation DESC, n DESC LIMIT 1"
    )
    with moment(home) as trail:
        if trail is None:
            return []
        found: list[Entry] = []
        for one in entries:
            rows = trail.every(sql, (one.actor, message, one.incarnation, one.n))
            found += [_entry(max(rows, key=lambda row: (row[1], row[2])))] if rows else []
        return found


def events_heard(home: Path, ids: Collection[str], low: int, high: int) -> dict[str, float]:
    """Hub time at which each of these events was heard, as far as that is between these places."""
    sql = (
        "SELECT json_extract(body, '$.event.ws') || '#' || json_extract(body, '$.event.n'), at FROM entries"
        " WHERE message = 'EventHeard' AND +kind = 'fact' AND leaf > ? AND leaf <= ?"
    )
    wanted = frozenset(ids)
    found: dict[str, float] = {}
    with moment(home) as trail:
        if trail is None or not wanted:
            return found
        for source in trail.sources(low, high):
            for event, at in trail.each(source, sql, (source.low, source.high)):
                if event in wanted:
                    found[event] = min(at, found.get(event, at))
    return found


# --- where it begins and ends ----------------------------------------------------------------------------------------


FROM_THE_FIRST = float("-inf")


def _last(trail: Moment, end: _Edge, last_s: float | None, newest: int) -> _Edge:
    if last_s is None:
        return _Edge(0, FROM_THE_FIRST, 0.0)
    return _edge(trail, end.wall - last_s, newest)._replace(at=end.at - last_s)


def _edge(trail: Moment, asked: float | str | None, newest: int) -> _Edge:
    if asked is None:
        return max(_entries_at(trail, newest, NEWEST), key=lambda one: one.at)
    if isinstance(asked, str):
        return _of_entry(trail, asked)
    place = trail.place_before(asked, 0, newest)
    if not place:
        return _Edge(0, FROM_THE_FIRST, asked)
    known = _entry_at(trail, place)
    # Between two entries hub time goes with the wall clock, also while no daemon ran.
    return _Edge(place, known.at + max(0.0, asked - known.wall), asked)


def _entry_at(trail: Moment, place: int) -> _Edge:
    """The last one up to that place."""
    return next(iter(_entries_at(trail, place, 1)), _Edge(0, FROM_THE_FIRST, 0.0))


def _entries_at(trail: Moment, place: int, count: int) -> list[_Edge]:
    """The last ones up to that place, newest first."""
    sql = "SELECT leaf, at, wall FROM entries WHERE leaf > ? AND leaf <= ? ORDER BY leaf DESC LIMIT ?"
    return [_Edge(*row) for row in trail.rows(sql, (), count, 0, place)]


def _of_entry(trail: Moment, text: str) -> _Edge:
    try:
        wanted = EntryId.parse(text)
    except ValueError as error:
        raise CallerError(f"{text!r} is no entry; they read actor/incarnation/number, as ws3/1/42") from error
    name = wanted.actor, wanted.incarnation, wanted.n
    sql = "SELECT leaf, at, wall FROM entries WHERE actor = ? AND incarnation = ? AND n = ? AND leaf > ? AND leaf <= ?"
    row = trail.one(sql, name, trail.with_entry(*name))
    if row is None:
        raise CallerError(f"nobody wrote {text}, or it is not stored yet")
    return _Edge(*row)


def _around(trail: Moment, since: _Edge, until: _Edge, newest: int) -> tuple[int, int]:
    low = trail.place_before(since.wall - EARLIER_S, 0, newest) if since.place else 0
    return max(0, low - AROUND), min(newest, until.place + AROUND)


def _within(trail: Moment, kinds: Sequence[str], low: int, high: int, limit: int) -> tuple[int, bool]:
    """The first place from which on there is no more than may be read."""
    sql = f"SELECT count(*) FROM entries WHERE message IN ({_marks(kinds)}) AND leaf > ? AND leaf <= ?"  # noqa: S608  # question marks only
    is_cut = False
    while sum(count for (count,) in trail.every(sql, tuple(kinds), low, high)) > limit:
        low, is_cut = (low + high + 1) // 2, True
    return low, is_cut


def _later(trail: Moment, low: int, end: _Edge) -> _Edge:
    """Where a span begins that is read from there: what leads to it is read before it, in the first half at most."""
    first = _entry_at(trail, low + 1)
    lead_s = min(EARLIER_S, max(0.0, (end.at - first.at) / 2))
    return min(_Edge(low, first.at + lead_s, first.wall + lead_s), end, key=lambda one: one.at)


# --- rows ------------------------------------------------------------------------------------------------------------


def _select(kinds: Sequence[str], sorts: Sequence[str]) -> str:
    only = f"+kind IN ({', '.join(map(repr, sorts))}) AND message IN ({_marks(kinds)})"
    return f"SELECT {_COLUMNS} FROM entries WHERE {only} AND leaf > ? AND leaf <= ?"  # noqa: S608  # question marks only


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _entry(row: tuple[Any, ...]) -> Entry:  # SQLite's rows know no types
    actor, incarnation, n, kind, message, cause, at, wall, leaf, body = row
    return Entry.model_construct(
        actor=actor,
        incarnation=incarnation,
        n=n,
        kind=EntryKind(kind),
        message=message,
        body=from_json(body) if body else {},
        cause=cause,
        at=at,
        wall=wall,
        leaf=leaf,
    )
