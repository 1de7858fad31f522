"""Sealing: a closed range of the log goes from the database into a segment, and nothing is lost on the way.

| step | a kill behind it leaves |
|---|---|
| bundles, numbers, tiles and manifest are written beside | a folder ``.partial``, which the next one removes |
| all of it is read back from the disk and compared with the tree, and the index is made of it | the same |
| the folder gets its name | a folder that the store does not know: removed, if the database has it all |
| one transaction: the store knows the segment | rows that count for nothing any more |
| those rows are taken away, some at a time, so that no commit waits | fewer of them; the next one goes on |

So the fourth step is the one that counts: before it the database has the entries, after it the segment has.  Who seals
holds a lock; the auditor may store and anybody may read meanwhile.
"""

import contextlib
import hashlib
import heapq
import itertools
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.bundles import BUNDLE_ENTRIES, BundleError, Numbers, Record, Row, packed
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS, leaf_hashes
from alluse_hub.actors.auditor.merkle import HASH_BYTES, TILE_WIDTH, root_at
from alluse_hub.actors.auditor.notes import Checkpoint, Note, NoteError, Signer
from alluse_hub.actors.auditor.reader import IS_LIFE, LIFE_OF, store_of
from alluse_hub.actors.auditor.sealed import (
    LOCK,
    SCHEMA,
    Bundles,
    connect,
    read_manifest,
    segments_dir,
    segments_in,
    segments_kept,
)
from alluse_hub.actors.auditor.segments import (
    CLASSES,
    INDEX,
    MANIFEST,
    NOTE,
    NUMBERS,
    TILES,
    Part,
    SegmentManifest,
    bundles_of,
)
from alluse_hub.actors.auditor.stored_tree import newest, nodes_in
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.keeping import SegmentSealed
from alluse_hub.protocols.retention import class_of
from alluse_hub.supervision.spool import sync_directory

DROPPED_AT_ONCE = 500
"""Rows taken away in one transaction: some 10 ms, for so long a commit of the auditor may wait."""

BUSY_WRITER_S = 30.0

PARTIAL = ".partial"
STORED = f"SELECT leaf, {ENTRY_COLUMNS} FROM entries WHERE leaf >= ? AND leaf <= ? ORDER BY leaf"  # noqa: S608  # ours

INDEXES = (
    "CREATE UNIQUE INDEX entries_once ON entries (actor, incarnation, n)",
    "CREATE INDEX entries_facts ON entries (actor, message, incarnation, n) WHERE kind = 'fact'",
    "CREATE INDEX entries_message ON entries (message)",
    "CREATE INDEX entries_subject ON entries (subject)",
    "CREATE INDEX entries_cause ON entries (cause) WHERE cause <> ''",
    "CREATE INDEX entries_correlation ON entries (correlation) WHERE correlation <> ''",
)
INDEX_LIVES = "CREATE INDEX entries_lives ON entries ({}) WHERE {}"

Connection = Any  # of whichever SQLite module is at hand; they have no class in common
Breathe = Callable[[str], None]
"""Called between pieces of work with the name of the step: to let others work, or to raise an end to it."""


def unhurried(_step: str) -> None:
    """For whoever has nobody beside."""


@contextlib.contextmanager
def sealing(home: Path, wait_s: float = 0.0) -> Iterator[Connection]:
    """The lock, and a connection that may write.  Raises TrailError, CallerError if somebody else keeps the lock."""
    if not store_of(home).exists():
        raise TrailError(f"{home} has no trail yet; start the hub once")
    with segments_kept(home, wait_s):
        try:
            with contextlib.closing(
                sqlite3.connect(store_of(home), timeout=BUSY_WRITER_S, isolation_level=None)
            ) as store:
                if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'segments'").fetchone():
                    raise TrailError(f"{store_of(home)} was written by an older hub; start this version on it once")
                store.execute("PRAGMA synchronous = FULL")
                yield store
        except sqlite3.DatabaseError as error:
            raise TrailError(
                f"{store_of(home)} cannot be used: {error}; nothing is lost, the next sealing goes on"
            ) from error


def go_on(home: Path, store: Connection, breathe: Breathe = unhurried) -> None:
    """What the last one left, if it was cut short.  Raises TrailError."""
    known = {segment.name for segment in segments_in(store)}
    (lowest,) = store.execute("SELECT min(leaf) FROM entries").fetchone()
    for path in sorted(segments_dir(home).iterdir()):
        if path.name in known or path.name == LOCK:
            continue
        if not path.name.endswith(PARTIAL) and (lowest is None or not _is_in_database(store, path, lowest)):
            raise TrailError(f"{path} is no segment that the store knows; move it aside, and look with `trail verify`")
        shutil.rmtree(path)
    drop(store, breathe)


def _is_in_database(store: Connection, folder: Path, lowest: int) -> bool:
    """Whether all that is in a folder is still there as well: else somebody put an older database in its place, or
    began a new one, and the folder has what nobody else has."""
    try:
        manifest = read_manifest(folder)
    except TrailError:
        return False
    (highest,) = store.execute("SELECT max(leaf) FROM entries").fetchone()
    return lowest <= manifest.first and manifest.last <= highest and tree_root(store, manifest.last) == manifest.root


def seal(
    home: Path, store: Connection, signer: Signer, places: tuple[int, int], breathe: Breathe = unhurried
) -> SegmentSealed:
    """The caller has the lock, and has gone on with what was left.  Raises TrailError, OSError."""
    first, last = places
    assert first % TILE_WIDTH == 1, "a segment begins with a tile"
    assert last % TILE_WIDTH == 0, "and ends with one"
    target = segments_dir(home) / f"{first}-{last}"
    beside = target.with_name(target.name + PARTIAL)
    beside.mkdir(mode=0o700)
    try:
        manifest = _write(beside, store, signer, first, last, breathe)
        made = _say(beside, manifest, signer)
        breathe("written")
        build_index(beside, manifest, tree_of(store), breathe)
        breathe("verified")
        for path in beside.iterdir():
            path.chmod(0o600)
            _sync(path)
        sync_directory(beside)
        beside.replace(target)
    except BundleError as error:
        raise TrailError(f"{beside} does not read back as it was written: {error}; is the disk sound?") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    sync_directory(target.parent)
    breathe("named")
    _know(store, target, manifest, made)
    breathe("known")
    drop(store, breathe)
    return SegmentSealed(first=first, last=last, root=manifest.root, manifest=made)


# --- writing ----------------------------------------------------------------------------------------------------------


class Writer:
    """Bundles of one class as they fill up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = 0
        self._waiting: list[Record] = []
        self._file: BinaryIO = path.open("xb")

    def add(self, record: Record) -> None:
        self.entries += 1
        self._waiting.append(record)
        if len(self._waiting) == BUNDLE_ENTRIES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            self._file.write(packed(self._waiting))
            self._waiting.clear()


def _write(folder: Path, store: Connection, signer: Signer, first: int, last: int, breathe: Breathe) -> SegmentManifest:
    writers: dict[str, Writer] = {}
    numbers, kinds = Numbers(), Counter[str]()
    earliest, latest = float("inf"), float("-inf")
    try:
        for at in range(first, last + 1, BUNDLE_ENTRIES):
            end = min(last, at + BUNDLE_ENTRIES - 1)
            rows = store.execute(STORED, (at, end)).fetchall()
            if [row[0] for row in rows] != list(range(at, end + 1)):
                raise TrailError(f"entries are missing between the places {at} and {end}; look with `trail verify`")
            classes = [class_of(row[5]) for row in rows]
            numbers.add((row[1:] for row in rows), map(CLASSES.index, classes))
            for row, retention in zip(rows, classes, strict=True):
                if retention not in writers:
                    writers[retention] = Writer(folder / bundles_of(retention))
                writers[retention].add((row[0], row[1:]))
            kinds.update(row[5] for row in rows)
            walls = [row[11] for row in rows]
            earliest, latest = min(earliest, *walls), max(latest, *walls)
            breathe("bundled")
    finally:
        for writer in writers.values():
            writer.close()
    (folder / NUMBERS).write_bytes(numbers.packed())
    (folder / TILES).write_bytes(_hashes(store, first, last))
    classes_ = {one: Part(entries=writers[one].entries, file=bundles_of(one)) for one in CLASSES if one in writers}
    names = sorted((NUMBERS, TILES, *(part.file for part in classes_.values())))
    return SegmentManifest(
        origin=signer.vkey.name,
        first=first,
        last=last,
        root=tree_root(store, last),
        sealed_at=time.time(),
        written_from=earliest,
        written_until=latest,
        classes=classes_,
        kinds=dict(sorted(kinds.items())),
        files={name: digest(folder / name) for name in names},
    )


def _hashes(store: Connection, first: int, last: int) -> bytes:
    """Of the leaves at these places, as the tree in the store has them.  Raises TrailError."""
    sql = "SELECT hashes FROM tiles WHERE level = 0 AND place >= ? AND place < ? ORDER BY place"
    found = b"".join(bytes(hashes) for (hashes,) in store.execute(sql, ((first - 1) // TILE_WIDTH, last // TILE_WIDTH)))
    if len(found) != (last - first + 1) * HASH_BYTES:
        raise TrailError(f"tiles of the tree are missing between the places {first} and {last}; see `trail verify`")
    return found


def tree_root(store: Connection, size: int) -> str:
    return root_at(size, nodes_in(store)).hex()


def _say(folder: Path, manifest: SegmentManifest, signer: Signer) -> str:
    """The manifest and its signature; the manifest's SHA-256."""
    text = manifest.model_dump_json(indent=1).replace('"schema_"', '"schema"', 1).encode() + b"\n"
    (folder / MANIFEST).write_bytes(text)
    # The form of a checkpoint, of a log that is none: nobody can take it for one of this log.
    note = Checkpoint(f"{manifest.origin}/segment", manifest.last, sha256(text).digest()).text
    (folder / NOTE).write_text(str(Note(note, (signer.sign(note),))), encoding="utf-8")
    return sha256(text).hexdigest()


# --- reading back -----------------------------------------------------------------------------------------------------

LeafHash = Callable[[int], bytes]
"""What the tree has at a place counted from 1."""


def tree_of(store: Connection) -> LeafHash:
    """One tile is kept, since places come in order."""
    last = (-1, b"")

    def leaf(place: int) -> bytes:
        nonlocal last
        tile, at = divmod(place - 1, TILE_WIDTH)
        if tile != last[0]:
            row = store.execute("SELECT hashes FROM tiles WHERE level = 0 AND place = ?", (tile,)).fetchone()
            last = tile, bytes(row[0]) if row else b""
        return last[1][at * HASH_BYTES : (at + 1) * HASH_BYTES]

    return leaf


def build_index(
    folder: Path, manifest: SegmentManifest, leaf: LeafHash, breathe: Breathe, *, without: str = ""
) -> None:
    """From what the bundles have on the disk, compared with the tree entry by entry; but ``without`` a class.

    It takes the place of any that was there when it is whole.  Raises TrailError, BundleError, OSError.
    """
    draft = folder / f"{INDEX}.new"
    draft.unlink(missing_ok=True)
    with (
        contextlib.closing(Bundles(folder)) as bundles,
        contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as index,
    ):
        connect(index, bundles)
        index.execute("PRAGMA journal_mode = OFF")
        index.execute("PRAGMA synchronous = OFF")
        index.execute(SCHEMA)
        index.execute("CREATE TABLE classes (number INTEGER PRIMARY KEY, entries INTEGER NOT NULL)")
        index.execute("BEGIN")
        for statement in (*INDEXES, INDEX_LIVES.format(LIFE_OF, IS_LIFE)):
            index.execute(statement)  # before the rows: so each entry is taken apart once
        for number, count in _put_rows(index, bundles, leaf, breathe, without=without).items():
            part = manifest.classes.get(CLASSES[number])
            if part is None or part.entries != count:
                raise BundleError(f"{count} entries of the class {CLASSES[number]}; its manifest says otherwise")
            index.execute("INSERT INTO classes VALUES (?, ?)", (number, count))
        index.execute("COMMIT")
        index.execute("VACUUM")  # pages that were filled in no order, filled in order: a tenth less
    draft.chmod(0o600)
    _sync(draft)
    draft.replace(folder / INDEX)
    sync_directory(folder)


def _put_rows(index: Connection, bundles: Bundles, leaf: LeafHash, breathe: Breathe, *, without: str) -> "Counter[int]":
    counted: Counter[int] = Counter()
    there = [number for number, name in enumerate(CLASSES) if number in bundles and name != without]
    found = heapq.merge(*(_placed(bundles, number) for number in there))
    while some := list(itertools.islice(found, BUNDLE_ENTRIES)):
        for (place, number, _, _), made in zip(some, leaf_hashes(row for _, _, _, row in some), strict=True):
            if leaf(place) != made:
                raise BundleError(f"the entry at place {place} is not the one that the tree has there")
            counted[number] += 1
        index.executemany(
            "INSERT INTO entries (leaf, actor, incarnation, n, kind, message, peer, wall, power, subject, class,"
            " bundle) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(place, *row[:6], row[10], row[11], row[12], number, at) for place, number, at, row in some],
        )
        breathe("read back")
    return counted


def _placed(bundles: Bundles, number: int) -> Iterable[tuple[int, int, int, Row]]:
    """Place, class, byte of the bundle, entry; in order of their places."""
    for at, bundle in bundles.all_of(number):
        for place, row in bundle.rows():
            yield place, number, at, row


# --- the store --------------------------------------------------------------------------------------------------------


def _know(store: Connection, folder: Path, manifest: SegmentManifest, made: str) -> None:
    spans: dict[tuple[str, int], list[int]] = {}
    for number in Numbers.parse((folder / NUMBERS).read_bytes()):
        span = spans.setdefault((number.actor, number.incarnation), [number.n, number.n])
        span[:] = min(span[0], number.n), max(span[1], number.n)
    store.execute("BEGIN IMMEDIATE")
    try:
        store.execute(
            "INSERT INTO segments (first, last, written_from, written_until, root, manifest) VALUES (?, ?, ?, ?, ?, ?)",
            (manifest.first, manifest.last, manifest.written_from, manifest.written_until, manifest.root, made),
        )
        store.executemany(
            "INSERT INTO sealed (actor, incarnation, segment, low, high) VALUES (?, ?, ?, ?, ?)",
            [(*name, manifest.first, *span) for name, span in spans.items()],
        )
        store.execute("COMMIT")
    except BaseException:
        store.execute("ROLLBACK")
        raise


def drop(store: Connection, breathe: Breathe = unhurried) -> None:
    """Rows that a segment has; each transaction may be lost, since it would be made again."""
    known = segments_in(store)
    if not known:
        return
    store.execute("PRAGMA synchronous = NORMAL")
    try:
        while True:
            sql = "SELECT leaf FROM entries WHERE leaf <= ? ORDER BY leaf LIMIT 1 OFFSET ?"
            (lowest,) = store.execute("SELECT min(leaf) FROM entries").fetchone()
            if lowest is None or lowest > known[-1].last:
                return
            row = store.execute(sql, (known[-1].last, DROPPED_AT_ONCE)).fetchone()
            store.execute("DELETE FROM entries WHERE leaf <= ?", (row[0] - 1 if row else known[-1].last,))
            breathe("dropped")
    finally:
        store.execute("PRAGMA synchronous = FULL")


def signed_in(store: Connection) -> int:
    """How many entries the last checkpoint vouches for; 0 without one."""
    note = newest(store)
    try:
        return Checkpoint.parse(Note.parse(note).text).size if note else 0
    except NoteError as error:
        raise TrailError(f"the last checkpoint of the store is none: {error}; see `trail verify`") from error


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


__all__ = ["build_index", "drop", "go_on", "seal", "sealing", "signed_in"]
