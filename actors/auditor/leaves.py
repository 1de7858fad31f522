"""The bytes of an entry that the Merkle tree vouches for.

An entry is all columns of its row but its place: the place is the leaf's index in the tree.  Version 1, big-endian:

| bytes | what |
|---|---|
| 1 | the version, 1 |
| 1 | 1 if an actor waits for the entry (``power``), else 0 |
| 1 | the form of the body: 0 none, 1 JSON in full, 2 JSON by its SHA-256 |
| 8, 8 | incarnation, n |
| 8, 8 | hub time, wall time: IEEE 754 doubles; a zero is never negative, since SQLite keeps no sign of it |
| 8 times 4 | lengths in bytes of actor, kind, message, peer, letter, cause, correlation, subject |
| 4 | length in bytes of the body, also where it goes by its digest |
| as said | those eight texts in that order, UTF-8; then the body, or its SHA-256 |

Every length stands in front, so no two entries have the same bytes.  A body above ``BODY_BYTES_MAX`` goes by its
digest: so every entry fits the bundles of C2SP tlog-tiles, whose entries have a length of 16 bits.  A form of body not
named here would be a further number; the leaves in front of it stay as they are.  Fields of a body may be sealed: the
tree vouches for the sealed form.

Pure.  ``hub_verify`` says the same once more, on its own.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from struct import Struct
from typing import Any

from alluse_hub.actors.auditor.merkle import Hash

VERSION = 1

BODY_BYTES_MAX = 60_000
"""Of a body in full; the texts beside it are some hundred bytes."""

ENTRY_COLUMNS = "actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, subject, body"
"""The order in which rows come."""

NO_BODY, JSON, JSON_DIGEST = 0, 1, 2

_HEAD = Struct(">BBBQQdd9I")

RowLike = tuple[Any, ...]  # Any: fourteen columns of four types, as SQLite gives them or as a Row has them


def leaf_hashes(rows: Iterable[RowLike]) -> list[Hash]:
    """Of entries in their order; about 2 us of a core for each of some hundred bytes."""
    return [sha256(b"\x00" + entry).digest() for entry in encoded(rows)]


def encoded(rows: Iterable[RowLike]) -> Iterator[bytes]:
    pack = _HEAD.pack
    for actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, subject, body in rows:
        parts = (actor, kind, message, peer, letter, cause, correlation, subject)
        text = "".join(parts)
        lengths = map(len, parts) if text.isascii() else (len(part.encode()) for part in parts)
        form, tail = NO_BODY, b""
        if body is not None:
            form, tail = JSON, body.encode()
        size = len(tail)
        if size > BODY_BYTES_MAX:
            form, tail = JSON_DIGEST, sha256(tail).digest()
        # Minus zero plus zero is zero.
        head = pack(VERSION, 1 if power else 0, form, incarnation, n, at + 0.0, wall + 0.0, *lengths, size)
        yield head + text.encode() + tail
