"""The reading side of the store and of the spools behind it, as one moment of the trail.

Read-only, in any process, with no word to any actor; while the auditor is down, and before there is a store.  What the
store does not have yet is still in a spool; a spool vanishes only after the store has it all.  So: list the spools,
look at the store, read each spool on from where the store is.  If one of the list has vanished meanwhile, the store
has moved on and we look again.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.spool import SpoolEntry, SpoolName, read, spools_in

MOMENT_TRIES_MAX = 20
"""Looks at a trail whose spools vanish as we read; each costs the auditor an incarnation's end."""

BUSY_TIMEOUT_S = 10.0
"""How long to wait for the auditor; only while it makes the store or with a rollback journal."""

READ_S_MAX = 600.0
"""Of one moment: the store's log grows for as long as anybody looks at it as it was.  Enough for some 100 million
entries."""

PROGRESS_STEPS = 1_000_000
"""Of SQLite's machine, some milliseconds, between two looks at the time."""

SCHEMA_SET = "trail"
KNOWN_STEPS = frozenset({"entries_and_spools", "running_counts", "merkle_tree", "lives", "receipts", "sealed_segments"})
"""The steps of ``migrations``; it alone needs the library that runs them."""

IS_LIFE = "message IN ('ChildStarted', 'ChildEnded', 'ProgramStarted', 'ProgramEnded')"
LIFE_OF = "coalesce(json_extract(body, '$.name'), json_extract(body, '$.workstream'))"
"""Starts and ends, and of whom: the index of that name is used only by questions that say it to the letter."""

T = TypeVar("T")
Tails = dict[SpoolName, list[SpoolEntry]]


def store_of(home: Path) -> Path:
    return home / "trail" / "trail.db"


def journal_of(path: Path) -> Path:
    """In it stands what half a transaction took the place of."""
    return path.with_name(f"{path.name}-journal")


def spools_of(home: Path) -> Path:
    return home / "trail" / "spool"


@contextlib.contextmanager
def reading(home: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that cannot write, all of it at one moment; None while there is no store.

    Raises TrailError for a store that cannot be read or that a newer hub wrote.
    """
    path = store_of(home)
    if not path.exists():
        yield None
        return
    try:
        with contextlib.closing(_connected(path)) as connection:
            yield connection if _is_made(path, connection) else None
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            raise TrailError(
                f"reading {path} took longer than {READ_S_MAX:.0f} s, and what is written meanwhile cannot be put away;"
                " ask for less at a time, or read a backup"
            ) from error
        raise TrailError(f"cannot read {path}: {error}; if it stays so, bring back a backup") from error


def _connected(path: Path) -> sqlite3.Connection:
    """At one moment from here on.  A transaction that somebody began and died in is taken back, which only a connection
    that may write can do; any next auditor would do the same."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    for _ in range(2):
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY or not journal_of(path).exists():
                raise
            with contextlib.closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as writer:
                writer.execute("SELECT count(*) FROM sqlite_master")
        except BaseException:
            connection.close()
            raise
        else:
            connection.set_progress_handler(over_after(READ_S_MAX), PROGRESS_STEPS)
            return connection
    raise TrailError(f"{path} is begun again and again, and never whole; ask again when the hub is calmer")


def over_after(time_s: float) -> Callable[[], bool]:
    until = time.monotonic() + time_s
    return lambda: time.monotonic() > until


def _is_made(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the first step of the schema has been made; the auditor may be about to."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "entries" not in tables:
        return False
    sql = "SELECT name FROM _sqlite_migrations WHERE migration_set = ?"
    unknown = {name for (name,) in connection.execute(sql, (SCHEMA_SET,))} - KNOWN_STEPS
    if unknown:
        raise TrailError(
            f"{path} was written by a newer hub (it knows {', '.join(sorted(unknown))}); read it with that"
        )
    return True


def at_one_moment(
    home: Path, wanted: Callable[[SpoolName], bool], look: Callable[[sqlite3.Connection | None], T]
) -> tuple[T, Tails]:
    """What ``look`` finds in the store, and what the wanted spools hold that was not there at that moment."""
    directory = spools_of(home)
    for _ in range(MOMENT_TRIES_MAX):
        names = [name for name in spools_in(directory) if wanted(name)]
        with reading(home) as connection:
            places = _places(connection)
            found = look(connection)
        try:
            return found, {name: read(directory / str(name), *places.get(name, (0, 0))).entries for name in names}
        except FileNotFoundError:
            continue
    raise TrailError(f"{directory} changes faster than it can be read; ask again when the hub is calmer")


def _places(connection: sqlite3.Connection | None) -> dict[SpoolName, tuple[int, int]]:
    if connection is None:
        return {}
    rows = connection.execute("SELECT actor, incarnation, offset, n FROM spools")
    return {SpoolName(actor, incarnation): (offset, n) for actor, incarnation, offset, n in rows}
