"""The search: one bounded answer to a question, and what it takes to prove it.

``plan`` decides what drives the statement; here it is run, on a connection that cannot write, at one moment.  The
answer is complete for the places ``first`` to ``last``: all that is there and fits the question is in it.
``checkpoint`` is the signed head that covers those places, empty while none does.

Times are looked for in the index, which knows of each block of places the earliest and the latest: exact, however the
clock was set.  Without an index, or behind its end, the places are found by bisection, a minute wide on either side.

Grave entries are in the index as well.  Those behind its end are looked for one by one, so that the last word of a hub
that has just died is found.
"""

import contextlib
import heapq
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.graveness import at_least
from alluse_hub.actors.auditor.indexer import BUSY_TIMEOUT_S, VERSION, index_of, leaf_in_tree
from alluse_hub.actors.auditor.moments import Moment, moment
from alluse_hub.actors.auditor.plan import (
    BY_PLACE,
    BY_TEXT,
    COLUMNS,
    LOOKED_UP,
    WINDOW_LEAVES,
    WINDOW_ROWS,
    Plan,
    matching,
    plan,
)
from alluse_hub.actors.auditor.words import BLOCK_SHIFT
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.severity import LEVELS

CLOCK_SLACK_S = 60.0
"""How far entries may stand from where their time would put them, where no index knows better."""

SEGMENTS_MAX = 200
"""Segments gone through for one answer: about half a second if nothing in them fits."""

LOOKED_UP_AT_ONCE = 500
"""Places of found words in one statement; SQLite takes 999 values where it is old."""

WORDS_FOUND = "SELECT rowid FROM words WHERE words MATCH ? AND rowid > ? AND rowid <= ? ORDER BY rowid {} LIMIT ?"
GRAVE_FOUND = "SELECT leaf FROM grave WHERE level = ? AND leaf > ? AND leaf <= ? ORDER BY leaf {} LIMIT ?"

NO_INDEX = (
    "there is no index of words: it is switched off (`[trail] index`), not made yet, or was deleted; start the hub on"
    " this home, which makes it, or search without a text"
)

Row = tuple[Any, ...]  # Any: columns of several types


class Found(NamedTuple):
    """``next``: the cursor to ask on with (``before``, or ``after`` if oldest first); None if that was all.

    ``stored``: the newest place there is.  ``indexed``: the last one that the index has; 0 without one.
    """

    rows: list[Row]
    first: int
    last: int
    next: int | None
    stored: int
    indexed: int
    checkpoint: str


def find(home: Path, question: Find, columns: str = COLUMNS) -> Found:
    """``columns`` must have ``leaf``.  Raises CallerError for a question without index or bound, TrailError."""
    plan(question, columns)  # refused before anything is opened
    words = matching(question.text) if question.text else ""
    with _opened(home) as index_here, moment(home) as trail:  # in this order: the store is never the older of the two
        if trail is None:
            return Found([], 1, 0, None, 0, 0, "")
        index = index_here if index_here is not None and _fits(index_here, trail.store) else None
        made = plan(question, columns, is_indexed=index is not None)
        stored = trail.newest
        indexed = index.execute("SELECT through FROM progress").fetchone()[0] if index is not None else 0
        first, last = _places(question, trail, index, stored, indexed)
        if made.driver in LOOKED_UP:
            if index is None:
                raise CallerError(NO_INDEX)
            if made.driver == BY_TEXT or last - indexed > WINDOW_LEAVES:
                last = max(first, min(last, indexed))
            wanted = WINDOW_ROWS if made.is_cut else question.limit
            if made.driver == BY_TEXT:
                places = _with_words(index, words, question, first, last, wanted)
            else:
                places = _grave(trail, index, question, first, last, indexed, wanted)
            rows, low, high = _looked_up(trail, made, question, places, first, last, wanted)
        else:
            low, high = _window(trail, made, question, *_few(trail, question, first, last))
            newest_first = not question.oldest_first
            rows = trail.rows(made.sql, made.values, question.limit, low, high, newest_first=newest_first)
        if len(rows) >= question.limit:
            reached = rows[-1][columns.split(", ").index("leaf")]
            low, high = (low, reached) if question.oldest_first else (reached - 1, high)
        is_all = high >= last if question.oldest_first else low <= first
        cursor = None if is_all else (high if question.oldest_first else low + 1)
        return Found(rows, low + 1, high, cursor, stored, indexed, _covering(trail.store, high))


def _few(trail: Moment, question: Find, first: int, last: int) -> tuple[int, int]:
    """Of these places those in ``SEGMENTS_MAX`` segments, from where the answer begins."""
    here = [segment for segment in trail.segments if segment.last > first and segment.first <= last]
    if len(here) <= SEGMENTS_MAX:
        return first, last
    if question.oldest_first:
        return first, here[SEGMENTS_MAX - 1].last
    return here[-SEGMENTS_MAX].first - 1, last


def _window(trail: Moment, made: Plan, question: Find, first: int, last: int) -> tuple[int, int]:
    """The places that this answer looks at: more than ``first``, up to ``last``."""
    if not made.is_cut:
        return first, last
    if made.driver == BY_PLACE:
        if question.oldest_first:
            return first, min(last, first + WINDOW_LEAVES)
        return max(first, last - WINDOW_LEAVES), last
    left = WINDOW_ROWS
    for source in trail.sources(first, last, newest_first=not question.oldest_first):
        places = source.low, source.high
        if row := trail.ask(source, made.reach, (*made.driven, *places, left)):
            return (first, row[0][0]) if question.oldest_first else (row[0][0] - 1, last)
        left -= trail.ask(source, made.tally, (*made.driven, *places))[0][0]
    return first, last


def _order(question: Find) -> str:
    return "ASC" if question.oldest_first else "DESC"


def _with_words(index: sqlite3.Connection, words: str, question: Find, first: int, last: int, wanted: int) -> list[int]:
    sql = WORDS_FOUND.format(_order(question))
    return [place for (place,) in index.execute(sql, (words, first, last, wanted))]


def _grave(
    trail: Moment,
    index: sqlite3.Connection,
    question: Find,
    first: int,
    last: int,
    indexed: int,
    wanted: int,
) -> list[int]:
    """Of each level for itself, where they are in order; and what the index does not have yet."""
    assert question.severity is not None, "that is what drives"
    order = _order(question)
    lists: list[list[int]] = []
    for level in range(question.severity.level, len(LEVELS)):
        sql = GRAVE_FOUND.format(order)
        lists.append([place for (place,) in index.execute(sql, (level, first, min(last, indexed), wanted))])
    if last > indexed:
        condition = at_least(question.severity)
        sql = f"SELECT leaf FROM entries WHERE {condition} AND leaf > ? AND leaf <= ? ORDER BY leaf {order} LIMIT ?"  # noqa: S608  # constants only
        newest_first = not question.oldest_first
        found = trail.rows(sql, (), wanted, max(first, indexed), last, newest_first=newest_first)
        lists.append([place for (place,) in found])
    return list(itertools.islice(heapq.merge(*lists, reverse=not question.oldest_first), wanted))


def _looked_up(
    trail: Moment, made: Plan, question: Find, places: list[int], first: int, last: int, wanted: int
) -> tuple[list[Row], int, int]:
    """The rows at these places, and the places looked at: more than the first, up to the second."""
    rows: list[Row] = []
    looked = len(places)
    for start in range(0, len(places), LOOKED_UP_AT_ONCE):
        some = places[start : start + LOOKED_UP_AT_ONCE]
        newest_first = not question.oldest_first
        for source in trail.sources(min(some) - 1, max(some), newest_first=newest_first):
            here = [place for place in some if source.low < place <= source.high]
            statement = made.sql.replace("leaf > ? AND leaf <= ?", f"leaf IN ({', '.join('?' * len(here))})")
            rows += trail.ask(source, statement, (*made.values, *here, question.limit - len(rows)))
        looked = start + len(some)
        if len(rows) >= question.limit:
            break
    if looked < len(places) or len(places) == wanted:
        reached = places[looked - 1]
        return rows, *((first, reached) if question.oldest_first else (reached - 1, last))
    return rows, first, last


# --- places -----------------------------------------------------------------------------------------------------------


def _places(
    question: Find, trail: Moment, index: sqlite3.Connection | None, stored: int, indexed: int
) -> tuple[int, int]:
    first, last = question.after or 0, stored
    if question.before is not None:
        last = min(last, question.before - 1)
    if question.since is not None:
        first = max(first, _begin(question.since, trail, index, stored, indexed))
    if question.until is not None:
        last = min(last, _end(question.until, trail, index, stored, indexed))
    return first, max(first, last)


def _begin(since: float, trail: Moment, index: sqlite3.Connection | None, stored: int, indexed: int) -> int:
    """No entry at or before this place was written at ``since`` or later."""
    if index is not None:
        row = index.execute("SELECT min(block) FROM spans WHERE last >= ?", (since,)).fetchone()
        if row[0] is not None:
            return max(0, (int(row[0]) << BLOCK_SHIFT) - 1)
        return indexed
    return trail.place_before(since - CLOCK_SLACK_S, 0, stored)


def _end(until: float, trail: Moment, index: sqlite3.Connection | None, stored: int, indexed: int) -> int:
    """No entry behind this place was written before ``until``."""
    if index is not None and stored - indexed <= WINDOW_LEAVES:
        sql = "SELECT 1 FROM entries WHERE wall < ? AND leaf > ? AND leaf <= ? LIMIT ?"
        if not trail.rows(sql, (until,), 1, indexed):
            row = index.execute("SELECT max(block) FROM spans WHERE first < ?", (until,)).fetchone()
            return 0 if row[0] is None else min(stored, (int(row[0]) + 1 << BLOCK_SHIFT) - 1)
    return trail.place_before(until + CLOCK_SLACK_S, indexed, stored)


@contextlib.contextmanager
def _opened(home: Path) -> Iterator[sqlite3.Connection | None]:
    """The index at one moment; None if there is none.  Raises TrailError if it cannot be read."""
    path = index_of(home)
    if not path.exists():
        yield None
        return
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as index:
            index.execute("BEGIN")
            yield index if index.execute("SELECT 1 FROM sqlite_master WHERE name = 'progress'").fetchone() else None
    except sqlite3.DatabaseError as error:
        raise TrailError(f"cannot read {path}: {error}; delete it: the hub makes it anew") from error


def _fits(index: sqlite3.Connection, store: sqlite3.Connection) -> bool:
    """Whether it is an index of this very trail."""
    row = index.execute("SELECT version, through, hash FROM progress").fetchone()
    return row is not None and row[0] == VERSION and leaf_in_tree(store, row[1]) == bytes(row[2])


def _covering(store: sqlite3.Connection, leaf: int) -> str:
    """The smallest checkpoint that vouches for all up to this place; empty if there is none yet."""
    if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").fetchone():
        return ""
    row = store.execute("SELECT note FROM checkpoints WHERE size >= ? ORDER BY size LIMIT 1", (leaf,)).fetchone()
    return str(row[0]) if row else ""
