"""What people do about keeping: they place holds and lift them, and have entries expire whose duty is over.

These are commands, beside a running hub or without one.  What they decide is a fact in the keeper's own spool, safe on
the disk before anything follows from it; the auditor takes it in like any other.  Which holds are in force, and what
has expired, is read back from those facts.

| expiry, for each class of a segment | a kill behind it leaves |
|---|---|
| the fact, on the disk | all entries; the next expiry, or the next start of the hub, goes on |
| the index without that class takes the place of the one that was there | a file that nobody looks into |
| the file of the class is deleted | nothing to do |

What an actor still needs to start is never expired, however old it is: its newest snapshot, and its facts since.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from alluse_hub.actors.auditor.bundles import BundleError
from alluse_hub.actors.auditor.holds import Header, Hold, covers, overlaps, refuse_boundless, standing
from alluse_hub.actors.auditor.indexer import index_of, remove
from alluse_hub.actors.auditor.keeper_log import DECIDING_S, deciding, said, say
from alluse_hub.actors.auditor.moments import Moment, Source, moment
from alluse_hub.actors.auditor.seal import (
    Breathe,
    Connection,
    build_index,
    sealing,
    tree_of,
    unhurried,
)
from alluse_hub.actors.auditor.sealed import Segment, read_manifest, segments_dir, segments_in
from alluse_hub.actors.auditor.segments import CLASSES, SegmentManifest, bundles_of, ended
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.keeping import Expired, HoldLifted, HoldPlaced, Sealed
from alluse_hub.protocols.names import AUDITOR, KEEPER
from alluse_hub.protocols.retention import Retention
from alluse_hub.protocols.trail import Snapshot
from alluse_hub.supervision.spool import sync_directory

WAIT_S = 60.0
"""A command waits so long for an auditor that seals at this moment."""

_SNAPSHOT = (
    "SELECT incarnation, n FROM entries INDEXED BY entries_facts WHERE kind = 'fact' AND actor = ? AND message = ?"
    " AND leaf > ? AND leaf <= ? ORDER BY incarnation DESC, n DESC LIMIT 1"
)


class Candidate(NamedTuple):
    """One class of one segment whose duty is over.  ``kept_by``: why it stays all the same; empty if it may go."""

    segment: Segment
    retention: Retention
    entries: int
    kept_by: str


# --- holds ------------------------------------------------------------------------------------------------------------


def holds_in(home: Path) -> tuple[Hold, ...]:
    """Those in force.  Raises TrailError."""
    return standing(said(home, KEEPER, (HoldPlaced, HoldLifted)))


def place(home: Path, placed: HoldPlaced, wait_s: float = DECIDING_S) -> Hold:
    """On disk when it returns.  Raises CallerError, also for somebody who decides for longer than ``wait_s``,
    TrailError."""
    refuse_boundless(placed)
    with deciding(home, wait_s):
        own = say(home, placed)
    return next(hold for hold in holds_in(home) if hold.id == own)


def lift(home: Path, hold: str, who: str, reason: str) -> Hold:
    """Raises CallerError for a hold that is not in force."""
    with deciding(home):
        there = {each.id: each for each in holds_in(home)}
        if hold not in there:
            raise CallerError(f"{hold!r} is no hold in force; those are: {', '.join(there) or 'none'}")
        say(home, HoldLifted(hold=hold, who=who, reason=reason))
        return there[hold]


# --- expiry -----------------------------------------------------------------------------------------------------------


def candidates(home: Path, duties: Mapping[Retention, int], durable: Collection[str], now: float) -> list[Candidate]:
    """What has outlived its duty, oldest first.  ``durable``: names of the facts that actors fold when they start."""
    holds = holds_in(home)
    found: list[Candidate] = []
    with moment(home) as trail:
        if trail is None:
            return found
        for source in trail.sources(high=trail.through, newest_first=False):
            segment = source.segment
            assert segment is not None, "the database begins behind the last of them"
            folder = segments_dir(home) / segment.name
            manifest = read_manifest(folder)
            for retention in ended(duties, manifest, now):
                if (folder / bundles_of(retention)).exists():
                    kept_by = _held(trail, source, retention, holds) or _needed(trail, source, retention, durable)
                    entries = manifest.classes[retention].entries
                    found.append(Candidate(segment, retention, entries, kept_by))
    return found


def _held(trail: Moment, source: Source, retention: Retention, holds: Collection[Hold]) -> str:
    """The first hold that covers an entry of that class, in words."""
    segment = source.segment
    assert segment is not None, "only segments expire"
    for hold in holds:
        placed = hold.placed
        if not overlaps(placed, segment.written_from, segment.written_until):
            continue
        correlation = "correlation" if placed.correlation else "''"
        body = "coalesce(body, '')" if placed.text else "''"
        sql = (
            f"SELECT wall, subject, actor, {correlation}, message, {body} FROM entries"  # noqa: S608  # ours
            " WHERE class = ? AND leaf > ? AND leaf <= ?"
        )
        rows = trail.each(source, sql, (CLASSES.index(retention), source.low, source.high))
        if any(covers(placed, Header(*row)) for row in rows):
            return f"the hold {hold.id} of {placed.owner}: {placed.reason}"
    return ""


def _held_by_now(home: Path, candidate: Candidate) -> str:
    holds, segment = holds_in(home), candidate.segment
    with moment(home) as trail:
        if trail is None or not holds:
            return ""
        sources = trail.sources(segment.first - 1, segment.last, {segment.first})
        return next((found for each in sources if (found := _held(trail, each, candidate.retention, holds))), "")


def _needed(trail: Moment, source: Source, retention: Retention, durable: Collection[str]) -> str:
    """The first actor that would not start as it should without them, in words."""
    sql = (
        "SELECT actor, incarnation, message, max(n) FROM entries"
        " WHERE class = ? AND kind = 'fact' AND leaf > ? AND leaf <= ? GROUP BY actor, incarnation, message"
    )
    last: dict[str, tuple[int, int]] = {}
    for actor, incarnation, message, n in trail.each(source, sql, (CLASSES.index(retention), source.low, source.high)):
        if message in durable:
            last[actor] = max(last.get(actor, (0, 0)), (incarnation, n))
    for actor, written in sorted(last.items()):
        snapshots = trail.every(_SNAPSHOT, (actor, Snapshot.__name__), only=trail.with_actor(actor, written))
        newest = max(((row[0], row[1]) for row in snapshots), default=(0, 0))
        if newest <= written:
            return f"{actor}, which still needs them to start: it has no snapshot since"
    return ""


def expire(
    home: Path,
    found: Collection[Candidate],
    duties: Mapping[Retention, int],
    who: str,
    reason: str,
    breathe: Breathe = unhurried,
) -> int:
    """How many entries.  The caller shows what stays, and why.  Raises CallerError, also for a hold that has come since
    they were looked for, TrailError, OSError."""
    gone = 0
    with sealing(home, WAIT_S) as store:
        for candidate in found:
            if candidate.kept_by:
                continue
            segment = candidate.segment
            with deciding(home):
                if not (segments_dir(home) / segment.name / bundles_of(candidate.retention)).exists():
                    continue  # somebody else had it expire meanwhile, and is on record with it
                if kept_by := _held_by_now(home, candidate):
                    raise CallerError(
                        f"{candidate.retention} of {segment.name} is kept by {kept_by}, which was placed meanwhile;"
                        " look with --dry-run what is left to expire"
                    )
                fact = Expired(
                    first=segment.first,
                    last=segment.last,
                    retention=candidate.retention.value,
                    entries=candidate.entries,
                    written_until=segment.written_until,
                    kept_days=duties[candidate.retention],
                    expired_at=time.time(),
                    who=who,
                    reason=reason,
                )
                say(home, fact)
            breathe("said")
            _take_out(home, store, segment, candidate.retention, breathe)
            gone += candidate.entries
    return gone


def finish(home: Path, store: Connection, breathe: Breathe = unhurried) -> list[str]:
    """Take out what is on record as expired and is still there; why some of it could not be.  The caller has the lock.

    A damaged segment must not keep the others, nor those that are still to be sealed.
    """
    known = {(segment.first, segment.last): segment for segment in segments_in(store)}
    stuck: list[str] = []
    for _, _, fact in said(home, KEEPER, (Expired,)):
        assert isinstance(fact, Expired), "no other was asked for"
        segment = known.get((fact.first, fact.last))
        if segment and (segments_dir(home) / segment.name / bundles_of(fact.retention)).exists():
            try:
                _take_out(home, store, segment, Retention(fact.retention), breathe)
            except (TrailError, OSError) as error:
                stuck.append(f"{fact.retention} of {segment.name} has expired and cannot be taken out: {error}")
    return stuck


def _take_out(home: Path, store: Connection, segment: Segment, retention: Retention, breathe: Breathe) -> None:
    folder = _indexed(home, store, segment, breathe, without=retention)
    breathe("taken out of the index")
    remove(index_of(home))  # it has words of what goes; the hub makes it anew
    (folder / bundles_of(retention)).unlink()
    sync_directory(folder)
    breathe("deleted")


def _indexed(home: Path, store: Connection, segment: Segment, breathe: Breathe, without: str = "") -> Path:
    """Its folder, with an index made anew.  Raises TrailError."""
    folder = segments_dir(home) / segment.name
    try:
        build_index(folder, read_manifest(folder), tree_of(store), breathe, without=without)
    except BundleError as error:
        raise TrailError(
            f"{folder} is damaged: {error}; look with `trail verify`, and bring it back from a backup"
        ) from error
    return folder


# --- what is said of segments -----------------------------------------------------------------------------------------


def unsaid(home: Path) -> Iterator[tuple[Segment, SegmentManifest]]:
    """Segments of which no fact tells: whoever sealed them was killed before it could."""
    with moment(home) as trail:
        known = [] if trail is None else trail.segments
    told = {
        fact.first
        for actor in (AUDITOR, KEEPER)
        for _, _, fact in said(home, actor, (Sealed,))
        if isinstance(fact, Sealed)
    }
    for segment in known:
        if segment.first not in told:
            yield segment, read_manifest(segments_dir(home) / segment.name)


def mend(home: Path, progress: Callable[[str], object]) -> int:
    """Make the index of each segment anew, after whoever looked after it lost it; how many."""
    with sealing(home, WAIT_S) as store:
        segments = segments_in(store)
        for segment in segments:
            _indexed(home, store, segment, unhurried)
            progress(segment.name)
    return len(segments)


__all__ = ["Candidate", "TrailError", "candidates", "expire", "finish", "holds_in", "lift", "mend", "place", "unsaid"]
