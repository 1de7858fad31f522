"""The search: one bounded answer to a question, and what it takes to prove it.

``plan`` decides what drives the statement; here it is run, on a connection that cannot write, at one moment.  The
answer is complete for the places ``first`` to ``last``: all that is there and fits the question is in it.
``checkpoint`` is the signed head that covers those places, empty while none does.

Times are looked for in the index, which knows of each block of places the earliest and the latest: exact, however the
clock was set.  Without an index, or behind its end, the places are found by bisection, a minute wide on either side.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.indexer import BUSY_TIMEOUT_S, VERSION, index_of, leaf_in_tree
from alluse_hub.actors.auditor.plan import BY_PLACE, BY_TEXT, COLUMNS, WINDOW_LEAVES, WINDOW_ROWS, Plan, matching, plan
from alluse_hub.actors.auditor.reader import reading
from alluse_hub.actors.auditor.words import BLOCK_SHIFT
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.find import Find

CLOCK_SLACK_S = 60.0
"""How far entries may stand from where their time would put them, where no index knows better."""

LOOKED_UP_AT_ONCE = 500
"""Places of found words in one statement; SQLite takes 999 values where it is old."""

WORDS_FOUND = "SELECT rowid FROM words WHERE words MATCH ? AND rowid > ? AND rowid <= ? ORDER BY rowid {} LIMIT ?"

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
    made = plan(question, columns)
    words = matching(question.text) if question.text else ""
    with _opened(home) as index_here, reading(home) as store:  # in this order: the store is never the older of the two
        if store is None:
            return Found([], 1, 0, None, 0, 0, "")
        index = index_here if index_here is not None and _fits(index_here, store) else None
        stored = store.execute("SELECT max(leaf) FROM entries").fetchone()[0] or 0
        indexed = index.execute("SELECT through FROM progress").fetchone()[0] if index is not None else 0
        first, last = _places(question, store, index, stored, indexed)
        if made.driver == BY_TEXT:
            if index is None:
                raise CallerError(NO_INDEX)
            last = max(first, min(last, indexed))
            rows, low, high = _by_text(store, index, made, words, question, first, last)
        else:
            low, high = _window(store, made, question, first, last)
            rows = store.execute(made.sql, (*made.values, low, high, question.limit)).fetchall()
        if len(rows) >= question.limit:
            reached = rows[-1][columns.split(", ").index("leaf")]
            low, high = (low, reached) if question.oldest_first else (reached - 1, high)
        is_all = high >= last if question.oldest_first else low <= first
        cursor = None if is_all else (high if question.oldest_first else low + 1)
        return Found(rows, low + 1, high, cursor, stored, indexed, _covering(store, high))


def _window(store: sqlite3.Connection, made: Plan, question: Find, first: int, last: int) -> tuple[int, int]:
    """The places that this answer looks at: more than ``first``, up to ``last``."""
    if not made.is_cut:
        return first, last
    if made.driver == BY_PLACE:
        if question.oldest_first:
            return first, min(last, first + WINDOW_LEAVES)
        return max(first, last - WINDOW_LEAVES), last
    row = store.execute(made.reach, (*made.driven, first, last, WINDOW_ROWS)).fetchone()
    if row is None:
        return first, last
    return (first, row[0]) if question.oldest_first else (row[0] - 1, last)


def _by_text(
    store: sqlite3.Connection,
    index: sqlite3.Connection,
    made: Plan,
    words: str,
    question: Find,
    first: int,
    last: int,
) -> tuple[list[Row], int, int]:
    """The rows, and the places looked at: more than the first, up to the second."""
    wanted = WINDOW_ROWS if made.is_cut else question.limit
    sql = WORDS_FOUND.format("ASC" if question.oldest_first else "DESC")
    places = [place for (place,) in index.execute(sql, (words, first, last, wanted))]
    rows: list[Row] = []
    looked = len(places)
    for start in range(0, len(places), LOOKED_UP_AT_ONCE):
        some = places[start : start + LOOKED_UP_AT_ONCE]
        marks = ", ".join("?" * len(some))
        statement = made.sql.replace("leaf > ? AND leaf <= ?", f"leaf IN ({marks})")
        rows += store.execute(statement, (*made.values, *some, question.limit - len(rows))).fetchall()
        looked = start + len(some)
        if len(rows) >= question.limit:
            break
    if looked < len(places) or len(places) == wanted:
        reached = places[looked - 1]
        return rows, *((first, reached) if question.oldest_first else (reached - 1, last))
    return rows, first, last


# --- places -----------------------------------------------------------------------------------------------------------


def _places(
    question: Find, store: sqlite3.Connection, index: sqlite3.Connection | None, stored: int, indexed: int
) -> tuple[int, int]:
    first, last = question.after or 0, stored
    if question.before is not None:
        last = min(last, question.before - 1)
    if question.since is not None:
        first = max(first, _begin(question.since, store, index, stored, indexed))
    if question.until is not None:
        last = min(last, _end(question.until, store, index, stored, indexed))
    return first, max(first, last)


def _begin(since: float, store: sqlite3.Connection, index: sqlite3.Connection | None, stored: int, indexed: int) -> int:
    """No entry at or before this place was written at ``since`` or later."""
    if index is not None:
        row = index.execute("SELECT min(block) FROM spans WHERE last >= ?", (since,)).fetchone()
        if row[0] is not None:
            return max(0, (int(row[0]) << BLOCK_SHIFT) - 1)
        return indexed
    return _before(store, since - CLOCK_SLACK_S, 0, stored)


def _end(until: float, store: sqlite3.Connection, index: sqlite3.Connection | None, stored: int, indexed: int) -> int:
    """No entry behind this place was written before ``until``."""
    if index is not None and stored - indexed <= WINDOW_LEAVES:
        behind = store.execute("SELECT 1 FROM entries WHERE leaf > ? AND wall < ? LIMIT 1", (indexed, until)).fetchone()
        if behind is None:
            row = index.execute("SELECT max(block) FROM spans WHERE first < ?", (until,)).fetchone()
            return 0 if row[0] is None else min(stored, (int(row[0]) + 1 << BLOCK_SHIFT) - 1)
    return _before(store, until + CLOCK_SLACK_S, indexed, stored)


def _before(store: sqlite3.Connection, wall: float, low: int, high: int) -> int:
    """The last place written before ``wall``, by bisection, if the clock never went back."""
    first, end = low, high
    while first < end:
        middle = (first + end + 1) // 2
        row = store.execute("SELECT wall FROM entries WHERE leaf <= ? ORDER BY leaf DESC LIMIT 1", (middle,)).fetchone()
        if row is None or row[0] < wall:
            first = middle
        else:
            end = middle - 1
    return first


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
