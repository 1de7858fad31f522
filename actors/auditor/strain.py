"""What the store has to bear though it works: a disk that is slow, or a reader that never ends.

Neither loses anything, and against neither can the auditor do anything; so both are told for as long as they last.

A slow disk makes everybody wait who waits at a ``Commit``.  A reader holds the store as it was when it began, so SQLite
cannot put away what has been written since, and the log beside the database (``-wal``) grows: readers of the hub's own
are bounded (``reader.READ_S_MAX``), others are named, by the locks that the kernel shows.
"""

import os
from collections.abc import Callable
from pathlib import Path

SLOW_S = 1.0
"""Of one commit; on a good disk it takes some milliseconds."""

FAST_S = 0.5
"""From then on it is no longer called slow."""

LOG_BYTES_MAX = 256_000_000
"""Told at each doubling of it.  Without a reader the log stays at some 32 MB, and shrinks to that again."""

LOCKS = Path("/proc/locks")


class Strain:
    """``look`` is called after each commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._is_slow = False
        self._told_bytes = 0
        self._why = ["", ""]

    def look(self, took_s: float, readers: Callable[[Path], list[str]] | None = None) -> str | None:
        """What to tell, if that has changed; empty when it is over.  ``took_s``: the commit."""
        before = list(self._why)
        if took_s >= SLOW_S or (self._is_slow and took_s >= FAST_S):
            if not self._is_slow:
                self._why[0] = (
                    f"the disk is slow: it took {took_s:.1f} s to store what was said, and whatever has to be on disk"
                    " first waits as long"
                )
            self._is_slow = True
        else:
            self._is_slow, self._why[0] = False, ""
        self._look_at_log(readers or readers_of)
        return None if before == self._why else "; ".join(why for why in self._why if why)

    def _look_at_log(self, readers: Callable[[Path], list[str]]) -> None:
        try:
            size = self._log.stat().st_size
        except OSError:
            size = 0  # with a rollback journal there is none
        if size < LOG_BYTES_MAX:
            self._told_bytes, self._why[1] = 0, ""
        elif size >= 2 * self._told_bytes:
            self._told_bytes = max(LOG_BYTES_MAX, 2 * self._told_bytes)
            who = ", ".join(readers(self._path)) or "somebody"
            self._why[1] = (
                f"{self._log} has grown beyond {self._told_bytes // 1_000_000} MB, since {who} reads the trail without"
                " an end; end that, and it shrinks by itself"
            )


def readers_of(path: Path) -> list[str]:
    """Who holds the store as it was: other processes with a read lock in SQLite's index of the log, by proc(5)."""
    try:
        found = path.with_name(f"{path.name}-shm").stat()
        lines = LOCKS.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    pids = set[int]()
    for line in lines:
        fields = line.split()
        if "READ" in fields and wanted in fields:
            at = fields.index(wanted)
            if FIRST_READER <= int(fields[at + 1]) <= LAST_READER:
                pids.add(int(fields[at - 1]))
    return [f"process {pid} ({_name_of(pid)})" for pid in sorted(pids - {os.getpid(), -1})]


FIRST_READER, LAST_READER = 123, 127
"""Octets of the index that readers lock: WAL_READ_LOCK of SQLite's file format, section 4.3."""


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "gone"
