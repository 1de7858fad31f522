"""Reading segments: each answers the very statements that the database does.

Beside its bundles a segment has an index, ``index.db``: a table ``entries`` with the columns and indexes of the
store's, but for those columns that only the bundles have, which SQLite asks this module for, row by row, when a
statement wants them.  So a statement says what it means once, for the store and for every segment.

The index is made from the bundles and can be made anew.  Which segments there are stands in the store, so that one
look at it shows all of the trail at one moment.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.bundles import LENGTH_BYTES, Bundle, BundleError, Row, lengths, unpacked
from alluse_hub.actors.auditor.locks import held
from alluse_hub.actors.auditor.segments import CLASSES, INDEX, MANIFEST, SegmentManifest, bundles_of
from alluse_hub.protocols.errors import TrailError

BUNDLES_KEPT = 64
"""Unpacked, for each open segment: some 10 MB."""

LOCK = "lock"

SEALED = "sealed"
"""The function that SQLite asks; the columns in it count as those of ``ENTRY_COLUMNS``."""

SCHEMA = (
    "CREATE TABLE entries (leaf INTEGER PRIMARY KEY, actor TEXT NOT NULL, incarnation INTEGER NOT NULL,"
    " n INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL, peer TEXT NOT NULL, wall REAL NOT NULL,"
    " power INTEGER NOT NULL, subject TEXT NOT NULL, class INTEGER NOT NULL, bundle INTEGER NOT NULL,"
    " letter TEXT GENERATED ALWAYS AS (sealed(class, bundle, leaf, 6)) VIRTUAL,"
    " cause TEXT GENERATED ALWAYS AS (sealed(class, bundle, leaf, 7)) VIRTUAL,"
    " correlation TEXT GENERATED ALWAYS AS (sealed(class, bundle, leaf, 8)) VIRTUAL,"
    " at REAL GENERATED ALWAYS AS (sealed(class, bundle, leaf, 9)) VIRTUAL,"
    " body TEXT GENERATED ALWAYS AS (sealed(class, bundle, leaf, 13)) VIRTUAL)"
)

Connection = Any  # of whichever SQLite module is at hand; they have no class in common


class Segment(NamedTuple):
    """As the store has it.  ``manifest``: the SHA-256 of its manifest.  Times are seconds since 1970."""

    first: int
    last: int
    written_from: float
    written_until: float
    root: str
    manifest: str

    @property
    def name(self) -> str:
        return f"{self.first}-{self.last}"


def segments_dir(home: Path) -> Path:
    return home / "trail" / "segments"


def segments_kept(home: Path, wait_s: float = 0.0) -> contextlib.AbstractContextManager[None]:
    """The lock under which nobody else seals or lets anything expire.  Raises CallerError if it is not to be had."""
    folder = segments_dir(home)
    return held(
        folder / LOCK,
        wait_s,
        f"somebody else is sealing or expiring in {folder}; wait until that is done, then try again",
    )


def segments_in(store: Connection) -> list[Segment]:
    """In the order of their places; none in a store of before."""
    if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'segments'").fetchone():
        return []
    sql = "SELECT first, last, written_from, written_until, root, manifest FROM segments ORDER BY first"
    return [Segment(*row) for row in store.execute(sql)]


def read_manifest(folder: Path) -> SegmentManifest:
    """Raises TrailError."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8").replace('"schema"', '"schema_"', 1)
        return SegmentManifest.model_validate_json(text)
    except (OSError, ValueError) as error:
        raise TrailError(
            f"the manifest of {folder} cannot be read ({type(error).__name__}); see `trail verify`"
        ) from error


class Bundles:
    """The files of bundles of one segment, by class.  A class that has expired has none."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[int, BufferedReader] = {}
        self._kept: OrderedDict[tuple[int, int], Bundle] = OrderedDict()
        self._last: tuple[int, Row] = (0, ())  # SQLite asks for one column after the other
        try:
            for number, retention in enumerate(CLASSES):
                with contextlib.suppress(FileNotFoundError):
                    self._files[number] = (folder / bundles_of(retention)).open("rb")
        except BaseException:
            self.close()
            raise

    def __contains__(self, number: int) -> bool:
        return number in self._files

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def column(self, number: int, at: int, place: int, column: int) -> Any:  # Any: a column of some type
        """For SQLite.  Raises BundleError, KeyError."""
        if self._last[0] != place:
            self._last = place, self.bundle(number, at).row(place)
        return self._last[1][column]

    def bundle(self, number: int, at: int) -> Bundle:
        """The one that begins at this byte of the file.  Raises BundleError."""
        found = self._kept.get((number, at))
        if found is None:
            file = self._files[number]
            file.seek(at)
            found = self._kept[number, at] = unpacked(_next(file))
            if len(self._kept) > BUNDLES_KEPT:
                self._kept.popitem(last=False)
        return found

    def all_of(self, number: int) -> Iterator[tuple[int, Bundle]]:
        """The bundles of a class, each with the byte where it begins.  Raises BundleError."""
        file = self._files[number]
        at = 0
        while True:
            file.seek(at)
            made = _next(file)
            if not made:
                return
            yield at, unpacked(made)
            at += LENGTH_BYTES + len(made)


def _next(file: BufferedReader) -> bytes:
    head = file.read(LENGTH_BYTES)
    if not head:
        return b""
    if len(head) < LENGTH_BYTES:
        raise BundleError("a file of bundles that is cut short")
    made = file.read(lengths(head))
    if len(made) < lengths(head) or not made:
        raise BundleError("a file of bundles that is cut short")
    return made


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Connection]:
    """The segment's entries, read-only.  Raises TrailError."""
    index = folder / INDEX
    if not folder.exists():
        raise TrailError(f"the segment {folder} is gone; look with `trail verify`, and bring it back from a backup")
    if not index.exists():
        raise TrailError(f"{index} is not there; bring it back, or make it anew: `trail seal --mend`")
    with contextlib.ExitStack() as stack:
        for _ in range(2):  # a class may expire between the opening of the index and that of the bundles
            bundles = stack.enter_context(contextlib.closing(Bundles(folder)))
            uri = f"{index.absolute().as_uri()}?immutable=1"
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True)))
            connect(connection, bundles)
            classes = {number for (number,) in connection.execute("SELECT number FROM classes")}
            if all(number in bundles for number in classes):
                break
        yield connection


def connect(connection: Connection, bundles: Bundles) -> None:
    """Let SQLite ask the bundles for columns."""

    def column(number: int, at: int, place: int, column: int) -> Any:  # Any: a column of some type
        try:
            return bundles.column(number, at, place, column)
        except (KeyError, OSError) as error:
            raise BundleError(f"the entry at place {place} is not in its bundle: {error}") from error

    connection.create_function(SEALED, 4, column, deterministic=True)
