"""The index behind the search: a second database, built from the first, some seconds behind it.

``home/trail/index.db`` holds nothing that the trail does not: it may be deleted at any time, and is built anew.  It
says through which entry it is complete, and whoever searches is told.

It runs in the auditor's process, in a thread of its own at low priority.  A process of its own would cost each hub
another interpreter; this thread hardly needs one: reading, taking apart, and writing are statements inside SQLite,
which gives the interpreter's lock back meanwhile.  Senders never wait for it, and neither does a commit: it reads the
store as any reader does, in transactions short enough for the log to be folded back.  Not the lowest priority: SQLite
has locks of its own around its memory, and whoever holds one of those must get its turn before others need it.

Whatever fails here is logged, and the index removed and begun again; meanwhile the hub runs without it.
"""

import contextlib
import logging
import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor import bindings
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.graveness import PUT_GRAVE
from alluse_hub.actors.auditor.graveness import TABLE as GRAVE
from alluse_hub.actors.auditor.sealed import Bundles, connect, segments_dir
from alluse_hub.actors.auditor.segments import INDEX
from alluse_hub.actors.auditor.words import PUT_SPANS, PUT_WORDS, TABLES

VERSION = zlib.crc32("".join((*TABLES, GRAVE, PUT_WORDS, PUT_SPANS, PUT_GRAVE)).encode())
"""Of what is indexed, and how; an index of another version is made anew."""

BATCH_LEAVES = 2_000
"""Entries in one transaction of the index: some 30 ms of a core, for so long the store's log cannot be folded back."""

LINGER_S = 1.0
"""Waited for company after the first new entry; the index is behind by about this."""

NICE = 10
"""Of the thread: a tenth of a core where all others want it, the whole of it where nobody does."""

SOON_S = 0.01
RETRY_S = 300.0
"""Until an index that failed is begun again: the first time at once, since it may only have been damaged."""

CLOSE_S = 1.0
BUSY_TIMEOUT_S = 30.0
CONTENTLESS_DELETE_FROM = (3, 43)
"""SQLite, for indexes that words can be taken out of again."""

FILES = ("", "-wal", "-shm", "-journal")

log = logging.getLogger(__name__)

Connection = Any  # of whichever SQLite module is at hand; they have no class in common


def index_of(home: Path) -> Path:
    return home / "trail" / "index.db"


class Indexer:
    """One thread.  ``behind`` says, from any other, that the store has grown."""

    def __init__(self, store: Path, index: Path) -> None:
        self._store = store
        self._index = index
        self._stopped = threading.Event()
        self._grown = threading.Event()
        self._grown.set()
        self._interrupt: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def behind(self) -> None:
        self._grown.set()

    def close(self) -> None:
        """What is not indexed by then is indexed by the next one."""
        self._stopped.set()
        self._grown.set()
        if self._thread.is_alive():
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed at this very moment
                self._interrupt()
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # on Linux: of this thread alone
        wait_s = SOON_S
        while not self._stopped.is_set():
            try:
                self._follow()
            except (sqlite3.Error, OSError) as error:
                if self._stopped.is_set():
                    return  # interrupted
                log.warning("the index of the trail is begun again in %g s: %s: %s", wait_s, self._index, error)
                with contextlib.suppress(OSError):
                    remove(self._index)  # a damaged one is of no use, and a full disk has the room back
                self._grown.set()
                self._stopped.wait(wait_s)
                wait_s = RETRY_S

    def _follow(self) -> None:
        while not self._stopped.is_set():
            with contextlib.closing(open_index(self._store, self._index)) as connection:
                self._interrupt = connection.interrupt
                inode = self._index.stat().st_ino
                while not self._stopped.is_set():
                    self._grown.wait()
                    self._grown.clear()
                    while not self._stopped.is_set() and advance(connection):
                        pass
                    self._stopped.wait(LINGER_S)
                    if not self._index.exists() or self._index.stat().st_ino != inode:
                        self._grown.set()
                        break  # somebody has deleted it: it is made anew


def remove(index: Path) -> None:
    for suffix in FILES:
        index.with_name(f"{index.name}{suffix}").unlink(missing_ok=True)


def open_index(store: Path, index: Path) -> Connection:
    """The index, with the store beside it, read-only, as ``trail``; made if there is none that fits.

    Raises OSError and SQLite's errors.
    """
    if not index.exists():
        remove(index)  # a log left over would be played into the new one
        os.close(os.open(index, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(index, timeout=BUSY_TIMEOUT_S, isolation_level=None, uri=True)
    try:
        connection.execute(f"PRAGMA journal_mode = {'WAL' if bindings.wal_is_safe() else 'TRUNCATE'}")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last batches, which are made again
        connection.execute("ATTACH ? AS trail", (f"{store.absolute().as_uri()}?mode=ro",))
        if not _fits(connection):
            connection.execute("BEGIN IMMEDIATE")
            for (table,) in connection.execute(
                "SELECT name FROM main.sqlite_master WHERE type = 'table'"
                " AND name IN ('words', 'spans', 'grave', 'progress')"
            ).fetchall():
                connection.execute(f"DROP TABLE main.{table}")
            deletable = ", contentless_delete=1" if bindings.version() >= CONTENTLESS_DELETE_FROM else ""
            for statement in (*TABLES, GRAVE):
                connection.execute(statement.format(deletable))
            connection.execute("INSERT INTO progress VALUES (?, 0, x'')", (VERSION,))
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _fits(connection: Connection) -> bool:
    """Whether the index is of this trail, and not of a later time of it."""
    names = {name for (name,) in connection.execute("SELECT name FROM main.sqlite_master")}
    if "progress" not in names:
        return False
    row = connection.execute("SELECT version, through, hash FROM progress").fetchone()
    return row is not None and row[0] == VERSION and leaf_in_tree(connection, row[1], "trail.") == bytes(row[2])


def leaf_in_tree(connection: Connection, leaf: int, schema: str = "") -> bytes:
    """The hash that the tree has at a place counted from 1; empty for none."""
    if leaf < 1:
        return b""
    place, at = divmod(leaf - 1, 256)
    sql = f"SELECT substr(hashes, ?, 32) FROM {schema}tiles WHERE level = 0 AND place = ?"  # noqa: S608  # ours
    row = connection.execute(sql, (at * 32 + 1, place)).fetchone()
    return bytes(row[0]) if row else b""


def advance(connection: Connection) -> bool:
    """One batch on; whether there was any.  All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (through,) = connection.execute("SELECT through FROM progress").fetchone()
        sealed = _sealed(connection, through)
        (newest,) = connection.execute("SELECT max(leaf) FROM trail.entries").fetchone()
        last = min(newest or 0, through + BATCH_LEAVES)
        if last > through and sealed is None:
            _put(connection, through, last, "trail")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if sealed is None:
        return bool(last > through)
    _advance_sealed(connection, through, *sealed)
    return True


def _put(connection: Connection, through: int, last: int, schema: str) -> None:
    for statement in (PUT_WORDS, PUT_SPANS, PUT_GRAVE):
        connection.execute(statement.replace("trail.entries", f"{schema}.entries"), (through, last))
    proof = leaf_in_tree(connection, last, "trail.")
    connection.execute("UPDATE progress SET through = ?, hash = ?", (last, proof))


def _sealed(connection: Connection, through: int) -> tuple[int, int] | None:
    """The first and last place of the segment that has the next entry; None if it is in the store."""
    if not connection.execute("SELECT 1 FROM trail.sqlite_master WHERE name = 'segments'").fetchone():
        return None
    sql = "SELECT first, last FROM trail.segments WHERE last > ? ORDER BY first LIMIT 1"
    found = connection.execute(sql, (through,)).fetchone()
    return (found[0], found[1]) if found else None


def _advance_sealed(connection: Connection, through: int, first: int, last: int) -> None:
    """The same from a segment, where bodies come out of its bundles."""
    store = next(file for _, name, file in connection.execute("PRAGMA database_list") if name == "trail")
    folder = segments_dir(Path(store).parent.parent) / f"{first}-{last}"
    with contextlib.closing(Bundles(folder)) as bundles:
        connect(connection, bundles)
        connection.execute("ATTACH ? AS sealed", (f"{(folder / INDEX).absolute().as_uri()}?immutable=1",))
        try:
            connection.execute("BEGIN IMMEDIATE")
            _put(connection, through, min(last, through + BATCH_LEAVES), "sealed")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute("DETACH sealed")
