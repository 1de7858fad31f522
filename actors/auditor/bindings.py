"""Which SQLite: the newest at hand, and whether its write-ahead log may be trusted.

The standard library's SQLite is that of the system and may be old; ``pysqlite3`` brings its own, and sqlite-utils
prefers it likewise.  Versions 3.7.0 to 3.51.2 can corrupt a database when the write-ahead log is reset while another
connection checkpoints (SQLite release notes, 3.51.3); those get a rollback journal.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        sqlite3 = importlib.import_module("pysqlite3")
    except ImportError:
        import sqlite3

WAL_SAFE_FROM = (3, 51, 3)
"""The release that mended the WAL-reset bug, 13 March 2026."""


def version() -> tuple[int, ...]:
    return tuple(sqlite3.sqlite_version_info)


def version_text() -> str:
    return ".".join(map(str, version()))


def wal_is_safe() -> bool:
    return version() >= WAL_SAFE_FROM


__all__ = ["WAL_SAFE_FROM", "sqlite3", "version", "version_text", "wal_is_safe"]
