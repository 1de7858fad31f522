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

from alluse_hub.actors.auditor.moments import Moment, looking
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
    FROM entries AS e INDEXED BY entries_once WHERE +leaf > ? GROUP BY e.actor, e.incarnation
"""

_GAPS = """
    SELECT before, n FROM (
        SELECT n, lag(n, 1, ?) OVER (ORDER BY n) AS before FROM entries
        WHERE +leaf > ? AND actor = ? AND incarnation = ?
    ) WHERE n > before + 1 LIMIT ?
"""

_DOUBLES = """
    SELECT n, count(*) FROM entries WHERE +leaf > ? AND actor = ? AND incarnation = ?
    GROUP BY n HAVING count(*) > 1 LIMIT ?
"""

_WITNESS = (
    "SELECT message, body FROM entries INDEXED BY entries_facts"
    " WHERE kind = 'fact' AND actor = 'auditor' AND message IN (?, ?) AND leaf > ? AND leaf <= ?"
    " ORDER BY incarnation DESC, n DESC LIMIT 1"
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
    found, tails = at_one_moment(home, lambda _: True, looking(home, _look))
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


def _look(trail: Moment | None) -> Findings:
    """What segments and store show by themselves."""
    found = Findings()
    if trail is None:
        return found
    found.witness = _witness(trail)
    sent = _sealed(trail, found)
    store, through = trail.store, trail.through
    for actor, incarnation, entries, numbers, first, last in store.execute(_RUNS, (through,)).fetchall():
        name = SpoolName(actor, incarnation)
        before = found.last.get(name, 0)
        found.entries += entries
        found.last[name] = max(last, before)
        if first != before + 1 or last - before != numbers:
            gaps = store.execute(_GAPS, (before, through, *name, FINDINGS_MAX)).fetchall()
            found.gaps.extend(_gap(name, low, n) for low, n in gaps)
        if first <= before:
            found.doubles.append(f"{actor}/{incarnation}/{first} is stored, and in a segment as well")
        if numbers != entries:
            doubles = store.execute(_DOUBLES, (through, *name, FINDINGS_MAX)).fetchall()
            found.doubles.extend(f"{actor}/{incarnation}/{n} is stored {times} times" for n, times in doubles)
    for actor, incarnation, n in store.execute("SELECT actor, incarnation, n FROM spools").fetchall():
        name = SpoolName(actor, incarnation)
        if found.last.get(name, 0) < n:
            found.gaps.append(_gap(name, found.last.get(name, 0), n + 1))
            found.last[name] = n
    found.missing = _unsent(trail, sent, found.last)
    return found


Sent = dict[str, bytearray]
"""By incarnation, an octet for each number: 1 if that entry is a letter sent."""


def _sealed(trail: Moment, found: Findings) -> Sent:
    """Counted through by the numbers of the segments, which also have those of entries that expired."""
    there: dict[str, bytearray] = {}
    sent: Sent = {}
    names: dict[str, SpoolName] = {}
    for segment in trail.segments:
        for number in trail.numbers(segment):
            label = f"{number.actor}/{number.incarnation}"
            if label not in there:
                there[label], sent[label] = bytearray(1), bytearray(1)
                names[label] = SpoolName(number.actor, number.incarnation)
            missing = number.n + 1 - len(there[label])
            if missing > 0:
                there[label].extend(bytes(missing))
                sent[label].extend(bytes(missing))
            elif there[label][number.n]:
                found.doubles.append(f"{label}/{number.n} is sealed twice")
            there[label][number.n] = 1
            sent[label][number.n] = number.is_letter
            found.entries += 1
    for label, marks in there.items():
        found.last[names[label]] = len(marks) - 1
        at = marks.find(0, 1)
        while at > 0:
            after = marks.find(1, at)
            found.gaps.append(_gap(names[label], at - 1, after))
            at = marks.find(0, after)
    return sent


def _unsent(trail: Moment, sent: Sent, last: Mapping[SpoolName, int]) -> Missing:
    """Letters heard that nothing shows as sent.  The numbers of those sent are marked, an octet each: one pass over
    them costs less than a look for each letter."""
    for name, n in last.items():
        marks = sent.setdefault(f"{name.actor}/{name.incarnation}", bytearray(1))
        marks.extend(bytes(max(0, n + 1 - len(marks))))
    hot = "SELECT actor, incarnation, n FROM entries WHERE kind = 'sent' AND leaf > ?"
    for actor, incarnation, n in trail.store.execute(hot, (trail.through,)):
        sent[f"{actor}/{incarnation}"][n] = 1
    missing: Missing = {}
    sql = (
        "SELECT letter, actor, incarnation, n FROM entries WHERE +kind = 'heard' AND +letter <> ''"
        " AND leaf > ? AND leaf <= ?"
    )
    for source in trail.sources(newest_first=False):
        for letter, actor, incarnation, n in trail.each(source, sql, (source.low, source.high)):
            sender, _, number = letter.rpartition("/")
            marks_ = sent.get(sender)
            if marks_ is not None and number.isdecimal() and int(number) < len(marks_) and marks_[int(number)]:
                continue
            own = f"{actor}/{incarnation}/{n}"
            if letter != own and len(missing) < MISSING_MAX:
                missing[letter] = own
    return missing


def _witness(trail: Moment) -> str:
    """What became of the witness last, in words; empty if none was ever asked."""
    row = trail.one(_WITNESS, (WitnessAgreed.__name__, WitnessRefused.__name__), trail.with_actor("auditor"))
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

    def look(trail: Moment | None) -> Missing:
        if trail is None:
            return dict(missing)
        return {letter: own for letter, own in missing.items() if not _is_sent(trail, letter)}

    left, tails = at_one_moment(home, lambda _: True, looking(home, look))
    for letter in _sent_in(tails):
        left.pop(letter, None)
    return left


def _is_sent(trail: Moment, letter: str) -> bool:
    try:
        entry = EntryId.parse(letter)
    except ValueError:
        return False
    sql = (
        "SELECT 1 FROM entries WHERE actor = ? AND incarnation = ? AND n = ? AND kind = 'sent'"
        " AND leaf > ? AND leaf <= ?"
    )
    name = entry.actor, entry.incarnation, entry.n
    return trail.one(sql, name, trail.with_entry(*name)) is not None


def _gap(name: SpoolName, before: int, after: int) -> str:
    first, last = before + 1, after - 1
    return f"{name.actor}/{name.incarnation}/{first}" + (f" to {last}" if last > first else "") + " is missing"
