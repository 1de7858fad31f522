"""Is the trail whole?  The one question that reads all of it.

Every incarnation's entries count from 1 without gap or double, and every letter that somebody heard has been sent on
record.  Spools are read as well: what is not stored yet is not missing.  A power cut may lose entries that nobody was
told were power-safe; their letters then show as unrecorded, which is the truth.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.reader import Tails, at_one_moment
from alluse_hub.protocols.message import EntryId
from alluse_hub.protocols.trail import EntryKind, Wholeness, WitnessAgreed, WitnessRefused
from alluse_hub.supervision.spool import SpoolEntry, SpoolName

FINDINGS_MAX = 100
"""Named of each sort; more say nothing more."""

MISSING_MAX = 100_000
"""Letters that may wait for a second look; beyond that the trail is broken in a way that counting does not help."""

_RUNS = """
    SELECT e.actor, e.incarnation, count(*), count(DISTINCT n), min(n), max(n)
    FROM entries AS e INDEXED BY entries_once GROUP BY e.actor, e.incarnation
"""

_GAPS = """
    SELECT before, n FROM (
        SELECT n, lag(n, 1, 0) OVER (ORDER BY n) AS before FROM entries WHERE actor = ? AND incarnation = ?
    ) WHERE n > before + 1 LIMIT ?
"""

_DOUBLES = """
    SELECT n, count(*) FROM entries WHERE actor = ? AND incarnation = ? GROUP BY n HAVING count(*) > 1 LIMIT ?
"""

_WITNESS = (
    "SELECT message, body FROM entries INDEXED BY entries_facts"
    " WHERE kind = 'fact' AND actor = 'auditor' AND message IN (?, ?) ORDER BY incarnation DESC, n DESC LIMIT 1"
)

Missing = dict[str, str]
"""Letters, by id, with the receipt of somebody who heard them."""


@dataclass(slots=True)
class Findings:
    """``last``: the last entry of each incarnation."""

    entries: int = 0
    last: dict[SpoolName, int] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    missing: Missing = field(default_factory=dict)
    witness: str = ""


def wholeness(home: Path) -> Wholeness:
    """Reads everything: some seconds for a million entries.  Raises TrailError."""
    found, tails = at_one_moment(home, lambda _: True, _look)
    for name, items in tails.items():
        _go_on(found, name, items)
    missing = found.missing | _heard_in(tails)
    for letter in _sent_in(tails):
        missing.pop(letter, None)
    if missing:
        missing = _look_again(home, missing)
    return Wholeness(
        entries=found.entries,
        incarnations=sum(1 for last in found.last.values() if last),
        gaps=tuple(found.gaps[:FINDINGS_MAX]),
        doubles=tuple(found.doubles[:FINDINGS_MAX]),
        witness=found.witness,
        unrecorded=tuple(
            f"{letter} was heard ({receipt}), but nobody sent it"
            for letter, receipt in itertools.islice(missing.items(), FINDINGS_MAX)
        ),
    )


def _look(connection: sqlite3.Connection | None) -> Findings:
    """What the store shows by itself."""
    found = Findings()
    if connection is None:
        return found
    found.witness = _witness(connection)
    for actor, incarnation, entries, numbers, first, last in connection.execute(_RUNS).fetchall():
        name = SpoolName(actor, incarnation)
        found.entries += entries
        found.last[name] = last
        if first != 1 or last != numbers:
            gaps = connection.execute(_GAPS, (*name, FINDINGS_MAX)).fetchall()
            found.gaps.extend(_gap(name, before, n) for before, n in gaps)
        if numbers != entries:
            doubles = connection.execute(_DOUBLES, (*name, FINDINGS_MAX)).fetchall()
            found.doubles.extend(f"{actor}/{incarnation}/{n} is stored {times} times" for n, times in doubles)
    for actor, incarnation, n in connection.execute("SELECT actor, incarnation, n FROM spools").fetchall():
        name = SpoolName(actor, incarnation)
        if found.last.get(name, 0) < n:
            found.gaps.append(_gap(name, found.last.get(name, 0), n + 1))
            found.last[name] = n
    found.missing = _unsent(connection, found.last)
    return found


def _unsent(connection: sqlite3.Connection, last: Mapping[SpoolName, int]) -> Missing:
    """Letters heard that the store does not show as sent.  The numbers of those sent are marked, an octet each: one
    pass over them costs less than a look for each letter."""
    sent = {f"{name.actor}/{name.incarnation}": bytearray(n + 1) for name, n in last.items()}
    for actor, incarnation, n in connection.execute("SELECT actor, incarnation, n FROM entries WHERE kind = 'sent'"):
        sent[f"{actor}/{incarnation}"][n] = 1
    missing: Missing = {}
    heard = connection.execute(
        "SELECT letter, actor, incarnation, n FROM entries WHERE kind = 'heard' AND letter <> ''"
    )
    for letter, actor, incarnation, n in heard:
        sender, _, number = letter.rpartition("/")
        marks = sent.get(sender)
        if marks is not None and number.isdecimal() and int(number) < len(marks) and marks[int(number)]:
            continue
        own = f"{actor}/{incarnation}/{n}"
        if letter != own and len(missing) < MISSING_MAX:
            missing[letter] = own
    return missing


def _witness(connection: sqlite3.Connection) -> str:
    """What became of the witness last, in words; empty if none was ever asked."""
    row = connection.execute(_WITNESS, (WitnessAgreed.__name__, WitnessRefused.__name__)).fetchone()
    if row is None:
        return ""
    fact = json.loads(row[1])
    if row[0] == WitnessAgreed.__name__:
        return f"it cosigns since the trail had {fact['size']} entries"
    return f"it has not cosigned more than {fact['size']} entries: {fact['why']}"


def _go_on(found: Findings, name: SpoolName, items: Iterable[SpoolEntry]) -> None:
    """Add what is in a spool and was not stored at that moment."""
    last = found.last.get(name, 0)
    for item in items:
        found.entries += 1
        if item.n <= last:
            found.doubles.append(f"{name.actor}/{name.incarnation}/{item.n} is stored and comes again in {name}")
        elif item.n > last + 1:
            found.gaps.append(_gap(name, last, item.n))
        last = max(last, item.n)
    found.last[name] = last


def _heard_in(tails: Tails) -> Missing:
    receipts = ((f"{name.actor}/{name.incarnation}/{e.n}", e) for name, items in tails.items() for e in items)
    return {e.letter: own for own, e in receipts if e.kind == EntryKind.HEARD and e.letter not in {"", own}}


def _sent_in(tails: Tails) -> Iterator[str]:
    for name, items in tails.items():
        yield from (f"{name.actor}/{name.incarnation}/{e.n}" for e in items if e.kind == EntryKind.SENT)


def _look_again(home: Path, missing: Missing) -> Missing:
    """A letter is on record before it is heard; so what this later moment does not show does not exist."""

    def look(connection: sqlite3.Connection | None) -> Missing:
        if connection is None:
            return dict(missing)
        return {letter: own for letter, own in missing.items() if not _is_sent(connection, letter)}

    left, tails = at_one_moment(home, lambda _: True, look)
    for letter in _sent_in(tails):
        left.pop(letter, None)
    return left


def _is_sent(connection: sqlite3.Connection, letter: str) -> bool:
    try:
        entry = EntryId.parse(letter)
    except ValueError:
        return False
    sql = "SELECT 1 FROM entries WHERE actor = ? AND incarnation = ? AND n = ? AND kind = 'sent'"
    return connection.execute(sql, (entry.actor, entry.incarnation, entry.n)).fetchone() is not None


def _gap(name: SpoolName, before: int, after: int) -> str:
    first, last = before + 1, after - 1
    return f"{name.actor}/{name.incarnation}/{first}" + (f" to {last}" if last > first else "") + " is missing"
