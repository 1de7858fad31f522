"""The store: one SQLite database, written by the auditor alone.

Exactly once: the entries of a batch and the spool offsets behind them are one transaction, so whatever dies when, the
next incarnation reads on from where the store is.  ``UNIQUE (actor, incarnation, n)`` is the second belt.

WAL with ``synchronous=FULL``: a commit that has returned survives a power cut, and readers never wait.  With an SQLite
that cannot be trusted with WAL the journal is rolled back instead, and readers and the auditor wait for each other.
"""

import contextlib
import errno
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from sqlite_utils import Database

from alluse_hub.actors.auditor import bindings
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS
from alluse_hub.actors.auditor.leftover import refuse_leftover_log
from alluse_hub.actors.auditor.migrations import MIGRATIONS
from alluse_hub.actors.auditor.moments import Moment
from alluse_hub.actors.auditor.receipts import Account, Receipts
from alluse_hub.actors.auditor.stored_tree import StoredTree, last_leaf, newest, put_checkpoint
from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.spool import SpoolName, sync_directory

BUSY_TIMEOUT_S = 30.0
"""How long to wait for a reader; only a rollback journal makes us."""

AUTOCHECKPOINT_PAGES = 8_000
"""About 32 MB of log; fewer and longer checkpoints halve the stalls of SQLite's 1,000 pages."""

TIMES_MAX = 9
"""Enough that one slow turn among them does not count."""

PUT_AWAY_S = 2.0
"""How long to wait at the start for a reader; the next checkpoint does what was left."""

LOG_BYTES_KEPT = 36_000_000
"""What a log that a slow reader made grow is cut back to, when it is begun anew."""

INSERT_ENTRY = f"INSERT INTO entries ({ENTRY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # no value in it

PUT_SPOOL = (
    "INSERT INTO spools (actor, incarnation, file, offset, n, power_n, closed) VALUES (?, ?, ?, ?, ?, ?, 0)"
    " ON CONFLICT DO UPDATE SET offset = excluded.offset, n = excluded.n, power_n = excluded.power_n"
)

CLOSE_SPOOL = (
    "INSERT INTO spools (actor, incarnation, file, offset, n, power_n, closed) VALUES (?, ?, ?, 0, 0, 0, 1)"
    " ON CONFLICT DO UPDATE SET closed = 1"
)

PUT_RECEIPT = "INSERT INTO receipts (actor, incarnation, n, receipt, told) VALUES (?, ?, ?, ?, ?)"

ADD_COUNT = (
    "INSERT INTO counts (actor, kind, message, entries) VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET entries = entries + excluded.entries"
)

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One entry in the order of ``ENTRY_COLUMNS``."""

    actor: str
    incarnation: int
    n: int
    kind: str
    message: str
    peer: str
    letter: str
    cause: str
    correlation: str
    at: float
    wall: float
    power: bool
    subject: str
    body: str | None


class StoreFullError(TrailError):
    """There is no space for this transaction.  Nothing has changed; the same may be tried again."""


class Place(NamedTuple):
    """How far a spool is stored: up to byte ``offset``, that is entry ``n``; ``power_n``: the last one waited for."""

    offset: int = 0
    n: int = 0
    power_n: int = 0
    closed: bool = False


class Store:
    """The writing connection.  Belongs to the thread that opened it."""

    def __init__(self, path: Path, database: Database, migrations: tuple[str, ...], warning: str) -> None:
        self.path = path
        self.migrations = migrations
        self.warning = warning
        self._db = database
        self._file = path.stat().st_ino
        self.tree = StoredTree(database.conn)
        self.grown: list[Callable[[], None]] = []  # called after each commit

    @classmethod
    def open(cls, path: Path) -> Self:
        """Makes the store if there is none and brings its schema up to ours.

        Raises TrailError for a damaged file, for one that a newer hub wrote, and where the disk refuses.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise TrailError(f"cannot make {path}: {error}; is the disk writable, with space left?") from error
        with told(path):
            refuse_leftover_log(path)
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
            try:
                database = Database(connection)
                refuse_newer(path, {migration.name for migration in MIGRATIONS.applied(database)})
                warning = _set_journal(database)
                _put_log_away(database)
                _take_back_half_a_first_step(database)
                pending = tuple(migration.name for migration in MIGRATIONS.pending(database))
                MIGRATIONS.apply(database)
                sync_directory(path.parent)
                with database.atomic():  # entries and tree of one moment
                    store = cls(path, database, pending, warning)
                    store.refuse_altered()
            except BaseException:
                connection.close()
                raise
        return store

    def refuse_altered(self) -> None:
        """Raises TrailError if entries have been added or taken away at the end by somebody else."""
        entries, hashed = last_leaf(self._db.conn), self.tree.now.size
        if entries != hashed:
            raise TrailError(
                f"{self.path} was altered: it has {entries} entries where its tree has {hashed}; keep it as evidence,"
                " look with `trail verify`, and bring back a backup"
            )

    @property
    def journal(self) -> str:
        return self._db.journal_mode

    def places(self) -> dict[SpoolName, Place]:
        """Of all spools ever read."""
        with told(self.path):
            rows = self._db.execute("SELECT actor, incarnation, offset, n, power_n, closed FROM spools").fetchall()
        return {SpoolName(row[0], row[1]): Place(row[2], row[3], row[4], bool(row[5])) for row in rows}

    def written_at(self, name: SpoolName) -> tuple[float, float] | None:
        """Hub time and wall time of the incarnation's first entry, None if it is not stored."""
        sql = "SELECT at, wall FROM entries WHERE actor = ? AND incarnation = ? AND n = 1 AND leaf > ? AND leaf <= ?"
        with told(self.path), contextlib.closing(Moment(self.path.parent.parent, self._db.conn)) as trail:
            row = trail.one(sql, name, trail.with_entry(*name, 1))
        return (row[0], row[1]) if row else None

    def last_of(self, name: SpoolName) -> int:
        """The number of the incarnation's last entry that was ever stored; 0 for one not known."""
        with told(self.path):
            row = self._db.execute("SELECT n FROM spools WHERE actor = ? AND incarnation = ?", name).fetchone()
        return row[0] if row else 0

    def last_times(self) -> list[tuple[float, float]]:
        """Hub time and wall time of some last entries."""
        with told(self.path):
            sql = "SELECT at, wall FROM entries ORDER BY leaf DESC LIMIT ?"
            rows = self._db.execute(sql, (TIMES_MAX,)).fetchall()
        return [(row[0], row[1]) for row in rows]

    def accounts(self) -> dict[SpoolName, Account]:
        """Letters that somebody heard, and that are not on their sender's record yet."""
        with told(self.path):
            rows = self._db.execute("SELECT actor, incarnation, n, receipt, told FROM receipts").fetchall()
        return {SpoolName(row[0], row[1]): Account(row[2], row[3], bool(row[4])) for row in rows}

    def commit(
        self,
        rows: Sequence[Row],
        places: dict[SpoolName, Place],
        closed: Sequence[SpoolName] = (),
        receipts: Receipts | None = None,
    ) -> None:
        """All or nothing, and on disk when it returns.  Raises TrailError; then nothing has changed."""
        counts = Counter((row.actor, row.kind, row.message) for row in rows)
        self._refuse_taken_away()
        with told(self.path), self._db.atomic():
            execute = self._db.conn.executemany
            execute(INSERT_ENTRY, rows)
            grown = self.tree.grow(rows)
            execute(
                PUT_SPOOL,
                [(*name, str(name), place.offset, place.n, place.power_n) for name, place in places.items()],
            )
            execute(ADD_COUNT, [(*key, count) for key, count in counts.items()])
            if closed:
                execute(CLOSE_SPOOL, [(*name, str(name)) for name in closed])
            if receipts and receipts.changed:
                self._db.conn.execute("DELETE FROM receipts")
                execute(PUT_RECEIPT, [(*name, *account) for name, account in receipts.open.items()])
                receipts.changed = False
        self.tree.now = grown
        for tell in self.grown:
            tell()

    def _refuse_taken_away(self) -> None:
        """Raises TrailError if what is open is no longer what stands there: it would be written for nobody."""
        try:
            same = self.path.stat().st_ino == self._file
        except OSError:
            same = False
        if not same:
            raise TrailError(
                f"{self.path} was deleted, moved or replaced while it was in use; bring it back with its -wal file, or"
                " a backup; what was not stored yet is still in the spools"
            )

    def newest_checkpoint(self) -> str:
        """The last note, empty before the first."""
        with told(self.path):
            return newest(self._db.conn)

    def keep_checkpoint(self, size: int, note: str) -> None:
        """On disk when it returns.  A note of the same size gives way."""
        with told(self.path), self._db.atomic():
            put_checkpoint(self._db.conn, size, note)

    def close(self) -> None:
        self._db.close()


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns SQLite's errors, and those of the disk, into ours, with the file's name and what to do."""
    try:
        with spoken(path):
            yield
    except sqlite3.IntegrityError as error:
        raise TrailError(
            f"{path} already has an entry that a spool brings anew ({error}): store and spools are of different times;"
            f" bring both back from one backup, or move {path.name} aside to build it anew from what spools are left"
        ) from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise StoreFullError(
                f"disk full: free some space ({path}); until then nothing is stored, and what waits for that does"
                " not go out"
            ) from error
        raise TrailError(
            f"{path} cannot be used: {error}; look for space, rights or a second hub, then restart; the spools have all"
        ) from error
    except sqlite3.DatabaseError as error:
        raise TrailError(
            f"{path} is damaged: {error}; if the system's log tells of its disk, mend that and restart; else move it"
            " and its -wal and -shm files aside and bring back a backup; entries still in the spools are taken in again"
        ) from error


@contextlib.contextmanager
def spoken(path: Path) -> Iterator[None]:
    """Turns what the system says of a file into what a person can do.  Raises StoreFullError and TrailError."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFullError(f"disk full: free some space ({where}); until then nothing is stored") from error
        raise TrailError(
            f"{where} cannot be used: {error.strerror}; mend the disk or its rights, then restart; what was not stored"
            " is still in the spools"
        ) from error


def refuse_newer(path: Path, applied: set[str]) -> None:
    """Raises TrailError if the store has a schema that this version of the hub does not know."""
    unknown = applied - {migration.name for migration in MIGRATIONS._migrations}  # noqa: SLF001  # no public list of all
    if unknown:
        raise TrailError(
            f"{path} was written by a newer hub (it knows {', '.join(sorted(unknown))});"
            " install that version again, or bring back a backup from before the upgrade"
        )


def _take_back_half_a_first_step(database: Database) -> None:
    """A disk that failed in the middle of the first step may have ended its transaction, and what came after stand
    there on its own: then no step is recorded, and all tables are empty."""
    if MIGRATIONS.applied(database):
        return
    names = [name for name in database.table_names() if name != "_sqlite_migrations"]
    if not any(database.table(name).count for name in names):
        for name in names:
            database.table(name).drop()


def _put_log_away(database: Database) -> None:
    """Have all that the log beside the database holds written anew, before anybody is told that it is stored.

    A sync that failed is not made good by a later one: the system takes the pages for clean, and shows what the disk
    may not have (PostgreSQL, 2018).  Such a commit was refused, but its frames stand in the log as this process reads
    it.  Copied into the database they are written and synced again, and the log is not needed.
    """
    database.execute(f"PRAGMA busy_timeout = {round(PUT_AWAY_S * 1_000)}")
    row = database.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    database.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1_000)}")
    if row[0]:
        log.warning("somebody reads the trail as it was, so its log could not be put away at the start")


def _set_journal(database: Database) -> str:
    """Sets the journal; a warning if it is not the one we want, else empty."""
    warning = ""
    if bindings.wal_is_safe():
        database.enable_wal()
    else:
        wanted = ".".join(map(str, bindings.WAL_SAFE_FROM))
        warning = f"SQLite {bindings.version_text()} is older than {wanted}: rollback journal, slower, instead of WAL"
        log.warning("%s; install pysqlite3", warning)
        database.disable_wal()
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_KEPT}")
    database.execute(f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}")
    return warning
