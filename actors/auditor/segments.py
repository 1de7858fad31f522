"""Which part of the trail is to be sealed, and what a segment says of itself.

A segment holds whole tiles: its first place is one behind a multiple of 256, its last is such a multiple.  So the tiles
of the tree never have to be cut, and the newest entries, at least one, are always in the database: what comes next is
numbered from there.  Only what a checkpoint vouches for is sealed.

Pure.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import NonNegativeInt, PositiveInt

from alluse_hub.actors.auditor.merkle import TILE_WIDTH
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.retention import Retention

SCHEMA = "alluse-hub/segment"
VERSION = 1

MANIFEST = "manifest.json"
NOTE = "manifest.note"
NUMBERS = "numbers"
TILES = "tiles"
INDEX = "index.db"
"""Files of a segment beside its bundles.  The index is made from those, and is no part of the proof."""

WORTH_ENTRIES = 65_536
"""Fewer wait for company until they are twice as old as they have to be: a folder for each quiet hour helps nobody."""

CLASSES = tuple(Retention)


def bundles_of(retention: str) -> str:
    """The file of a class."""
    return f"{retention}.bundles"


class Part(Message):
    """The entries of one class in a segment."""

    entries: PositiveInt
    file: str


class SegmentManifest(Message):
    """``root``: of the tree over the first ``last`` entries.  Times are seconds since 1970.  ``files``: the SHA-256 of
    each file but this one, its signature and the index."""

    schema_: str = SCHEMA
    version: int = VERSION
    origin: str
    first: PositiveInt
    last: PositiveInt
    root: str
    sealed_at: float
    written_from: float
    written_until: float
    classes: dict[Retention, Part]
    kinds: dict[str, NonNegativeInt]
    files: dict[str, str]


class Hot(NamedTuple):
    """What the database has: its first place that is not sealed, its newest, and how many entries are signed.

    ``old``: the last place written before the moment from which on entries stay; ``oldest``: when the first was.
    """

    first: int
    newest: int
    signed: int
    old: int
    oldest: float


def due(hot: Hot, now: float, after_s: float, entries_max: int) -> tuple[int, int] | None:
    """The places to seal next, None if nothing is due.  ``after_s`` and ``entries_max`` as configured."""
    if hot.newest - hot.first + 1 >= entries_max:
        return within(hot, max(hot.old, hot.newest - entries_max // 2), entries_max)
    is_worth_it = hot.old - hot.first + 1 >= WORTH_ENTRIES or hot.oldest <= now - 2 * after_s
    return within(hot, hot.old, entries_max) if is_worth_it else None


def within(hot: Hot, through: int, entries_max: int) -> tuple[int, int] | None:
    """Whole tiles of what stands up to ``through``, and no more than ``entries_max``; None if that is nothing."""
    last = min(through, hot.signed, hot.newest - 1, hot.first - 1 + max(entries_max, TILE_WIDTH))
    last -= last % TILE_WIDTH
    return (hot.first, last) if last >= hot.first else None


def ended(duties: Mapping[Retention, int], manifest: SegmentManifest, now: float) -> tuple[Retention, ...]:
    """The classes of a segment whose duty is over for its youngest entry.  ``duties``: days each class is kept."""
    age_days = (now - manifest.written_until) / 86_400
    return tuple(one for one in manifest.classes if one in duties and age_days >= duties[one])
