"""Questions to the trail.  Every one is bounded, and none but the check of wholeness reads it all.

``recover`` gives a durable actor its facts back; the rest is for people.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from alluse_hub.actors.auditor import find as finding
from alluse_hub.actors.auditor.expired import fate
from alluse_hub.actors.auditor.graveness import at_least
from alluse_hub.actors.auditor.left import LeftFact, left
from alluse_hub.actors.auditor.moments import Moment, looking, moment
from alluse_hub.actors.auditor.reader import IS_LIFE, LIFE_OF, Tails, at_one_moment, reading
from alluse_hub.actors.auditor.spans import events_heard, facts_before, span
from alluse_hub.actors.auditor.unsealing import for_recovery
from alluse_hub.actors.auditor.wholeness import wholeness
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.lifecycle import Failed
from alluse_hub.protocols.message import EntryId, Json
from alluse_hub.protocols.severity import Severity
from alluse_hub.protocols.trail import Entry, EntryKind, Snapshot
from alluse_hub.supervision.spool import SpoolEntry, SpoolName

ENTRIES_MAX = 10_000
"""Most entries in one answer."""

WINDOW_LEAVES = 1_000_000
"""How many entries one page of ``tail`` may look through for its filters: about a second."""

CAUSES_MAX = 100
"""Steps from an entry up to its origin."""

EFFECTS_MAX = 1_000
"""Entries shown below one."""

EFFECT_SEGMENTS_MAX = 4
"""Segments looked through for what came of an entry, from its own on; and the database."""

STORED_EARLIER_MAX = 100_000
"""Places by which an effect may stand before its cause: spools are read in turn."""

_COLUMNS = "actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, leaf, body"
_SELECT = f"SELECT {_COLUMNS} FROM entries"  # noqa: S608  # no value in it

__all__ = [
    "Answered",
    "Count",
    "Page",
    "Recovered",
    "Why",
    "by_message",
    "correlated",
    "counts",
    "entry",
    "events_heard",
    "facts_before",
    "facts_of",
    "find",
    "gone",
    "lives",
    "recover",
    "span",
    "tail",
    "wholeness",
    "why",
]


class Recovered(NamedTuple):
    """The latest snapshot and the facts since, oldest first: kind and JSON body."""

    snapshot: Json | None
    facts: list[tuple[str, bytes]]


class Page(NamedTuple):
    """Entries in order; ask on with ``leaf`` as ``after_leaf``."""

    entries: list[Entry]
    leaf: int


class Answered(NamedTuple):
    """An answer of the search, as ``find`` has it: complete for the places ``first`` to ``last``."""

    entries: list[Entry]
    first: int
    last: int
    next: int | None
    stored: int
    indexed: int
    checkpoint: str


class Why(NamedTuple):
    """``causes``: from the entry's own cause up to the origin; ``effects``: what came of it, in order of time."""

    entry: Entry
    causes: list[Entry]
    effects: list[Entry]


class Count(NamedTuple):
    actor: str
    kind: str
    message: str
    entries: int


# --- recovery ------------------------------------------------------------------------------------------------------


def recover(home: Path, actor: str, kinds: frozenset[str]) -> Recovered:
    """What all incarnations of ``actor`` put in as facts of these kinds since its latest snapshot, each once.

    Raises TrailError if store or spools cannot be read: better not to start than to start wrong.
    """

    def look(trail: Moment | None) -> list[LeftFact]:
        if trail is None:
            return []
        snapshots = sorted(LeftFact(*row) for row in _newest_snapshots(trail, actor))[-1:]
        since = snapshots[0][:2] if snapshots else (0, 0)
        return [*snapshots, *_facts(trail, actor, kinds, since)]

    stored, tails = at_one_moment(home, lambda name: name.actor == actor, looking(home, look))
    found = [*stored, *_spooled_facts(tails, kinds | {Snapshot.__name__})]
    return Recovered(*left(for_recovery(home, actor, found)))


def facts_of(home: Path, actor: str, kinds: frozenset[str]) -> list[tuple[str, bytes]]:
    """All facts of these kinds from the beginning, snapshots or not: kind and JSON body."""

    def look(trail: Moment | None) -> list[LeftFact]:
        return [] if trail is None else _facts(trail, actor, kinds, (0, 0))

    stored, tails = at_one_moment(home, lambda name: name.actor == actor, looking(home, look))
    return [(fact.message, fact.body.encode()) for fact in sorted([*stored, *_spooled_facts(tails, kinds)])]


def _newest_snapshots(trail: Moment, actor: str) -> list[tuple[Any, ...]]:
    """The newest of each source that can have the newest of all."""
    sql = (
        "SELECT incarnation, n, message, body FROM entries INDEXED BY entries_facts WHERE kind = 'fact' AND actor = ?"
        " AND message = ? AND leaf > ? AND leaf <= ? ORDER BY incarnation DESC, n DESC LIMIT 1"
    )
    values = (actor, Snapshot.__name__)
    found = trail.every(sql, values, trail.through)
    after = (found[0][0], found[0][1]) if found else (0, 0)
    return found + trail.every(sql, values, 0, trail.through, trail.with_actor(actor, after))


def _facts(trail: Moment, actor: str, kinds: frozenset[str], after: tuple[int, int]) -> list[LeftFact]:
    wanted = sorted(kinds)
    sql = (
        "SELECT incarnation, n, message, body FROM entries INDEXED BY entries_facts"  # noqa: S608  # question marks only
        f" WHERE kind = 'fact' AND actor = ? AND message IN ({_marks(wanted)}) AND (incarnation, n) > (?, ?)"
        " AND leaf > ? AND leaf <= ? ORDER BY incarnation, n"
    )
    return [LeftFact(*row) for row in trail.every(sql, (actor, *wanted, *after), only=trail.with_actor(actor, after))]


def _spooled_facts(tails: Tails, kinds: frozenset[str]) -> Iterator[LeftFact]:
    for name, entries in tails.items():
        for entry in entries:
            if entry.kind == EntryKind.FACT and entry.message in kinds:
                yield LeftFact(name.incarnation, entry.n, entry.message, entry.body)


# --- entries -------------------------------------------------------------------------------------------------------


def tail(
    home: Path,
    *,
    limit: int = 100,
    after_leaf: int | None = None,
    actor: str = "",
    message: str = "",
    kind: EntryKind | None = None,
    workstream: str = "",
    since: float | None = None,
    until: float | None = None,
    correlation: str = "",
    cause: str = "",
    peer: str = "",
    power: bool | None = None,
    severity: Severity | None = None,
) -> Page:
    """The newest ``limit`` stored entries, or the first ones after ``after_leaf``, that fit all filters; oldest first.

    Looks at ``WINDOW_LEAVES`` entries at most; a page that is not full may be asked on.  ``workstream``: entries whose
    body names it, and those of the actor of that name.  ``since``: seconds since 1970, as good as the wall clock is.
    ``correlation``: only what began with that letter, of whatever age.
    """
    _check(limit)
    with moment(home) as trail:
        if trail is None:
            return Page([], after_leaf or 0)
        newest = trail.newest
        first = newest - WINDOW_LEAVES if after_leaf is None else after_leaf
        last = newest if after_leaf is None else min(newest, after_leaf + WINDOW_LEAVES)
        if since is not None:
            first = max(first, trail.place_before(since, 0, newest))
        if correlation and after_leaf is None:
            first = 0  # its index has only what is asked for
        # The unary plus keeps an index from being used: only one of them yields entries in order of leaf.
        is_found = bool(correlation)
        filters = [("correlation", correlation), ("+actor", actor), ("+message" if is_found else "message", message)]
        filters.append(("+subject" if message or is_found else "subject", workstream))
        filters += [("+kind", kind.value if kind else ""), ("+cause", cause), ("+peer", peer)]
        used: list[tuple[str, str | int | float]] = [(f"{column} =", value) for column, value in filters if value]
        used += [("+wall <", until)] if until is not None else []
        used += [("+power =", int(power))] if power is not None else []
        where = "".join(f" AND {test} ?" for test, _ in used) + (" AND correlation <> ''" if is_found else "")
        where += f" AND {at_least(severity)}" if severity not in {None, Severity.INFO} else ""
        order = "DESC" if after_leaf is None else "ASC"
        sql = f"{_SELECT} WHERE 1{where} AND leaf > ? AND leaf <= ? ORDER BY leaf {order} LIMIT ?"
        values = [value for _, value in used]
        rows = trail.rows(sql, values, limit, first, last, newest_first=after_leaf is None)
    entries = [_entry(row) for row in rows]
    if after_leaf is None:
        return Page(entries[::-1], newest)
    return Page(entries, entries[-1].leaf if len(entries) == limit else max(after_leaf, last))


def entry(home: Path, entry_id: str) -> Entry | None:
    """One entry, stored or still in its spool; None if nobody wrote it.  Raises CallerError for what is no id."""
    wanted = _parsed(entry_id)
    name = SpoolName(wanted.actor, wanted.incarnation)

    def look(trail: Moment | None) -> Entry | None:
        return None if trail is None else _one(trail, wanted)

    found, tails = at_one_moment(home, lambda other: other == name, looking(home, look))
    spooled = (_spooled(name, item) for item in tails.get(name, ()) if item.n == wanted.n)
    return found or next(spooled, None)


def gone(home: Path, entry_id: str) -> str:
    """What became of an entry that is not there, in a sentence; empty if nobody ever wrote it."""
    return fate(home, _parsed(entry_id))


def find(home: Path, question: Find) -> Answered:
    """Raises CallerError for a question with neither an index nor a bound; it says which to add."""
    found = finding.find(home, question, _COLUMNS)
    return Answered([_entry(row) for row in found.rows], *found[1:])


def by_message(home: Path, names: Sequence[str], limit: int = 100) -> list[Entry]:
    """The newest stored entries of these kinds of message, however long ago; newest first."""
    _check(limit)
    sql = f"{_SELECT} WHERE message = ? AND leaf > ? AND leaf <= ? ORDER BY leaf DESC LIMIT ?"
    # One by one: together they would have to be sorted.
    found = [item for name in dict.fromkeys(names) for item in _rows(home, sql, (name,), limit)]
    return sorted(found, key=lambda item: -item.leaf)[:limit]


def correlated(home: Path, correlation: str, limit: int = 1_000, messages: Sequence[str] = ()) -> list[Entry]:
    """Everything that began with one letter, or of that only these kinds of message: the first ``limit`` entries."""
    _check(limit)
    only = f" AND +message IN ({_marks(messages)})" if messages else ""
    sql = (
        f"{_SELECT} WHERE correlation = ? AND correlation <> ''{only} AND leaf > ? AND leaf <= ? ORDER BY leaf LIMIT ?"
    )
    return _rows(home, sql, (correlation, *messages), limit, newest_first=False)


def lives(home: Path, name: str, limit: int = 1) -> list[Entry]:
    """The newest starts and ends of an actor, or of the program of a workstream; newest first."""
    _check(limit)
    sql = f"{_SELECT} WHERE {IS_LIFE} AND {LIFE_OF} = ? AND leaf > ? AND leaf <= ? ORDER BY leaf DESC LIMIT ?"
    return _rows(home, sql, (name,), limit)


def counts(home: Path) -> list[Count]:
    """How many entries are stored, per actor, kind and message; most first."""
    with reading(home) as connection:
        if connection is None:
            return []
        sql = "SELECT actor, kind, message, entries FROM counts ORDER BY entries DESC, actor, message"
        return [Count(*row) for row in connection.execute(sql)]


# --- causes --------------------------------------------------------------------------------------------------------


def why(home: Path, entry_id: str) -> Why | None:
    """What led to an entry and what came of it, as far as it is stored; None if it is not.

    At most ``CAUSES_MAX`` steps up and ``EFFECTS_MAX`` entries down.  Raises CallerError for what is no id.
    """
    wanted = _parsed(entry_id)
    with moment(home) as trail:
        found = None if trail is None else _one(trail, wanted)
        if trail is None or found is None:
            return None
        return Why(found, _causes(trail, found), _effects(trail, found))


def _causes(trail: Moment, found: Entry) -> list[Entry]:
    causes: list[Entry] = []
    seen = {found.id}
    step = found
    while len(causes) < CAUSES_MAX:
        parent = step.letter or step.cause  # a receipt comes from its letter, all else from the letter in hand
        if not parent or parent in seen:
            break
        above = _lookup(trail, parent)
        if above is None:
            break
        seen.add(parent)
        causes.append(above)
        step = above
    return causes


def _effects(trail: Moment, found: Entry) -> list[Entry]:
    """By generation: what was done with the letter, then with the letters that this sent, and so on."""
    effects: dict[str, Entry] = {}
    letters = [found.letter or found.id]
    # A receipt carries the cause of its letter as well; the letter itself is shown in that place.
    sql = (
        f"{_SELECT} WHERE cause = ? AND cause <> '' AND NOT (kind = 'heard' AND letter <> '')"
        " AND leaf > ? AND leaf <= ? ORDER BY leaf LIMIT ?"
    )
    near = [segment.first for segment in trail.segments if segment.last >= found.leaf - STORED_EARLIER_MAX]
    near = near[:EFFECT_SEGMENTS_MAX]
    while letters and len(effects) < EFFECTS_MAX:
        letter = letters.pop(0)
        for row in trail.rows(sql, (letter,), EFFECTS_MAX - len(effects), only=near, newest_first=False):
            below = _entry(row)
            if below.id not in effects and below.id != found.id:
                effects[below.id] = below
                if below.kind in {EntryKind.SENT, EntryKind.HEARD} or below.message == Failed.__name__:
                    letters.append(below.id)
    return sorted(effects.values(), key=lambda item: item.leaf)


# --- rows ----------------------------------------------------------------------------------------------------------


def _rows(home: Path, sql: str, values: Sequence[object], limit: int, *, newest_first: bool = True) -> list[Entry]:
    with moment(home) as trail:
        found = [] if trail is None else trail.rows(sql, values, limit, newest_first=newest_first)
        return [_entry(row) for row in found]


def _one(trail: Moment, wanted: EntryId) -> Entry | None:
    sql = f"{_SELECT} WHERE actor = ? AND incarnation = ? AND n = ? AND leaf > ? AND leaf <= ?"
    name = wanted.actor, wanted.incarnation, wanted.n
    row = trail.one(sql, name, trail.with_entry(*name))
    return _entry(row) if row else None


def _lookup(trail: Moment, letter: str) -> Entry | None:
    """A letter from outside has an id that is no entry's."""
    try:
        return _one(trail, EntryId.parse(letter))
    except ValueError:
        return None


def _entry(row: tuple[Any, ...]) -> Entry:  # SQLite's rows know no types
    """Not validated again: all of it was, before it was written."""
    actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, leaf, body = row
    return Entry.model_construct(
        actor=actor,
        incarnation=incarnation,
        n=n,
        kind=EntryKind(kind),
        message=message,
        body=from_json(body) if body else {},
        to=peer,
        letter=letter,
        cause=cause,
        correlation=correlation,
        at=at,
        wall=wall,
        power=bool(power),
        leaf=leaf,
    )


def _spooled(name: SpoolName, item: SpoolEntry) -> Entry:
    return Entry(
        actor=name.actor,
        incarnation=name.incarnation,
        body=json.loads(item.body) if item.body else {},
        **{key: value for key, value in item._asdict().items() if key != "body"},
    )


def _parsed(entry_id: str) -> EntryId:
    try:
        return EntryId.parse(entry_id)
    except ValueError as error:
        raise CallerError(f"{entry_id!r} is no entry; they read actor/incarnation/number, as ws3/1/42") from error


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _check(limit: int) -> None:
    if not 1 <= limit <= ENTRIES_MAX:
        raise CallerError(f"{limit} entries; ask for 1 to {ENTRIES_MAX}")
