"""Is the log beside a database its own?  Asked before SQLite is, which would replay any log whose name fits.

A trail only grows.  So a database is never longer than its own log says at its last commit, and all pages that it
lacks are in that log.  A database that was copied beside the log of another time, older or newer, breaks one of the two
as soon as the two times differ by a page.  Format: SQLite's file format, section 4.1.
"""

import itertools
import struct
from pathlib import Path

from alluse_hub.protocols.errors import TrailError

HEAD = struct.Struct(">III I 8s 8s")  # magic, version, page size, sequence of the checkpoint, salts, checksum
FRAME = struct.Struct(">II8s")  # page, size in pages after a commit or 0, salts

_PAGE_SIZE_AT = 16


def refuse_leftover_log(path: Path) -> None:
    """Raises TrailError.  Nobody may be writing."""
    log = path.with_name(f"{path.name}-wal")
    if not path.exists() or not log.exists():
        return
    size, pages = _committed(log)
    if not size:
        return
    with path.open("rb") as file:
        (page_bytes,) = struct.unpack(">H", file.read(_PAGE_SIZE_AT + 2)[_PAGE_SIZE_AT:] or b"\x10\x00")
    own = path.stat().st_size // (65_536 if page_bytes == 1 else page_bytes or 4_096)
    missing = next((page for page in range(own + 1, size + 1) if page not in pages), 0)
    if own > size or missing:
        which = "older than" if own > size else "not of"
        raise TrailError(
            f"{log} is {which} {path}: the database was copied beside the log of another time, which would be played"
            f" into it; move {log.name} and {path.name}-shm aside if the database was copied whole, else bring back a"
            " backup"
        )


def _committed(log: Path) -> tuple[int, set[int]]:
    """The database's size in pages after the last commit in the log, 0 without one, and the pages up to there."""
    pages, pending, size = set[int](), list[int](), 0
    with log.open("rb") as file:
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            return 0, pages
        _, _, page_bytes, _, salts, _ = HEAD.unpack(head)
        for at in itertools.count(HEAD.size, FRAME.size + 8 + page_bytes):
            file.seek(at)
            raw = file.read(FRAME.size)
            if len(raw) < FRAME.size:
                break
            page, commit, own_salts = FRAME.unpack(raw)
            if own_salts != salts:
                break
            pending.append(page)
            if commit:
                size = commit
                pages.update(pending)
                pending.clear()
    return size, pages
