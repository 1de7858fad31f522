"""Verify the trail of an ALL-USE Hub, without the hub: one file, nothing but Python's standard library.

    python hub_verify.py DIR [--vkey KEY] [--witness-vkey KEY] [--checkpoint FILE] [--all] [--json]

DIR is the hub's home, its ``trail`` folder, or a copy of that; the hub may be running.  Nothing in DIR is changed.
Or it is a folder that ``trail export`` has made: then its rows are verified, with nothing but what lies beside them.

What is done, always: every entry is hashed anew and compared with the Merkle tree (RFC 9162); the tree is compared with
every checkpoint that was ever signed, and with the last one beside the database; every sender's numbers are counted
through, for gaps, doubles and swapped places; every letter that somebody heard must have been sent on record; ends of
incarnations must be where they were recorded.  Entries still in spools are read and counted on, but no tree is over
them yet.  Sealed segments are read like the database; that something in them has expired is told if the trail says who
had it taken out, and why; else it was taken away.  Signatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature) are
checked with Ed25519 after RFC 8032, written out below; of more than 300 checkpoints only a part, unless with ``--all``:
the newest vouches for all before.

A key from the trail's own neighbourhood proves nothing against somebody who could write there: give ``--vkey`` from
elsewhere.  A trail that was rolled back together with all its signatures is whole in itself; what shows it is a
checkpoint kept elsewhere (``--checkpoint``) or a witness.

It is a program, not a library for the hub: on one file, two libraries of SQLite in one process undo each other's locks.

Exit status: 0 whole; 1 it cannot be verified, the text says why; 2 wrong usage; 10 broken.

This file is longer than others of the hub because it must be whole by itself.  It shares no code with what it checks.
"""

import argparse
import base64
import binascii
import csv
import hashlib
import importlib
import itertools
import json
import re
import sqlite3
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

WHOLE, UNVERIFIED, USAGE, BROKEN = 0, 1, 2, 10

FINDINGS_MAX = 100
"""Named of each sort; more say nothing more."""

SIGNATURES_MAX = 300
"""Verified without ``--all``: 2 ms each."""

JOURNAL_LOOKS, JOURNAL_LOOK_S = 20, 0.05
"""While a hub writes with a journal, that comes and goes; one that stays for a second is left over."""

CHUNK = 25_600
"""Entries hashed at a time; a whole number of tiles."""

AUDITOR = "auditor"
KEEPER = "keeper"
"""In whose name people have entries expire."""

TOLD = frozenset({"Closed", "Sealed", "Expired"})
"""Facts that this looks into."""

sha256 = hashlib.sha256


class CannotVerifyError(Exception):
    """Nothing can be said about the trail; the text says what to do."""


class UsageError(Exception):
    """Called in a way that makes no sense."""


class NoTrailError(UsageError):
    """There is nothing to verify where it was said to be."""


@dataclass(slots=True)
class Report:
    """``findings``: what is wrong and where; ``told``: what a reader should know beside."""

    findings: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)  # Any: numbers and texts, for JSON
    counted: Counter[str] = field(default_factory=Counter)

    def wrong(self, sort: str, text: str) -> None:
        self.counted[sort] += 1
        if self.counted[sort] <= FINDINGS_MAX:
            self.findings.append(text)

    def more(self) -> list[str]:
        """What was found beyond ``FINDINGS_MAX``."""
        return [
            f"and {n - FINDINGS_MAX} more like that: {sort}" for sort, n in self.counted.items() if n > FINDINGS_MAX
        ]


# --- Ed25519, RFC 8032 section 5.1 -----------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # extended coordinates: X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
NEUTRAL: Point = (0, 1, 1, 0)


def recover_x(y: int, sign: int) -> int | None:
    """Section 5.1.3, steps 2 to 4."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if not square:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def twice(p: Point) -> Point:
    a, b, c = p[0] * p[0] % P, p[1] * p[1] % P, 2 * p[2] * p[2] % P
    h = a + b
    e, g = h - (p[0] + p[1]) * (p[0] + p[1]), a - b
    f = c + g
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def decompress(raw: bytes) -> Point | None:
    number = int.from_bytes(raw, "little")
    y = number & ((1 << 255) - 1)
    x = recover_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


def compress(p: Point) -> bytes:
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE: Point = (recover_x(BASE_Y, 0) or 0, BASE_Y, 1, (recover_x(BASE_Y, 0) or 0) * BASE_Y % P)


def ed25519_verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    """Section 5.1.7, without the cofactor: R is what [S]B - [k]A encodes to, so it has one encoding only.

    Refused as well: S that is not below the order, a key in a second encoding, and a key of small order, which would
    take one signature for many texts.
    """
    if len(key) != 32 or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    a = decompress(key)
    if a is None or s >= ORDER or compress(twice(twice(twice(a)))) == compress(NEUTRAL):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    minus_a: Point = (P - a[0], a[1], 1, P - a[3])
    both = add(BASE, minus_a)
    found = NEUTRAL
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        found = twice(found)
        if s >> bit & 1:
            found = add(found, both if k >> bit & 1 else BASE)
        elif k >> bit & 1:
            found = add(found, minus_a)
    return compress(found) == signature[:32]


# --- notes and checkpoints, as C2SP has them --------------------------------------------------------------------------

ED25519, COSIGNATURE = 1, 4


class Key(NamedTuple):
    name: str
    id: bytes
    kind: int
    key: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = unbase(encoded)
        if not name or len(raw) != 33 or raw[0] not in {ED25519, COSIGNATURE}:
            raise ValueError(f"{text[:80]!r} is no public key: name+hash+key, of Ed25519")
        made = sha256(name.encode() + b"\n" + raw).digest()[:4]
        if made.hex() != key_id:
            raise ValueError(f"{text[:80]!r} does not have the hash of its key: mistyped?")
        return cls(name, made, raw[0], raw[1:])


class Checkpoint(NamedTuple):
    text: str
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]  # name, key id, signature

    @classmethod
    def parse(cls, note: str) -> "Checkpoint":
        """Raises ValueError."""
        if any(char < " " and char != "\n" for char in note):
            raise ValueError("it has control characters")
        text, gap, below = note.rpartition("\n\n")
        lines = text.split("\n")
        if not gap or len(lines) < 3 or not all(lines) or not below.endswith("\n"):
            raise ValueError("it is not origin, size and root with signatures below")
        if not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
            raise ValueError(f"{lines[1][:40]!r} is no size")
        root = unbase(lines[2])
        if len(root) != 32:
            raise ValueError("its root is no SHA-256")
        found = []
        for line in below[:-1].split("\n"):
            name, space, encoded = line.removeprefix("\u2014 ").partition(" ")
            raw = unbase(encoded)
            if not line.startswith("\u2014 ") or not space or len(raw) <= 4:
                raise ValueError(f"{line[:80]!r} is no line of a signature")
            found.append((name, raw[:4], raw[4:]))
        return cls(text + "\n", lines[0], int(lines[1]), root, tuple(found))

    def lines_of(self, keys: Iterable[Key]) -> list[tuple[Key, bytes]]:
        return [(key, raw) for key in keys for name, key_id, raw in self.signatures if (name, key_id) == key[:2]]

    def is_signed(self, key: Key, raw: bytes) -> bool:
        if key.kind == ED25519:
            return ed25519_verifies(key.key, self.text.encode(), raw)
        at = int.from_bytes(raw[:8], "big")
        return at < 2**63 and ed25519_verifies(key.key, f"cosignature/v1\ntime {at}\n{self.text}".encode(), raw[8:])


def unbase(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text[:80]!r} is not base 64") from error
    if base64.b64encode(raw).decode() != text:
        raise ValueError(f"{text[:80]!r} is base 64 that others would write in another way")
    return raw


# --- leaves and tree --------------------------------------------------------------------------------------------------

COLUMNS = "actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, subject, body"
ENTRY = struct.Struct(">BBBQQdd9I")
BODY_BYTES_MAX = 60_000
TILE = 256
HASH = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hashes(rows: Iterable[Sequence[Any]]) -> list[bytes]:  # Any: columns of several types
    """Version 1: see actors/auditor/leaves.py, which says it in a table.  Rows begin with their place."""
    found = []
    pack = ENTRY.pack
    for _, actor, life, n, kind, message, peer, letter, cause, correlation, at, wall, power, subject, body in rows:
        parts = (actor, kind, message, peer, letter, cause, correlation, subject)
        text = "".join(parts)
        lengths = map(len, parts) if text.isascii() else (len(part.encode()) for part in parts)
        tail = b"" if body is None else body.encode()
        size = len(tail)
        form = 0 if body is None else 1
        if size > BODY_BYTES_MAX:
            form, tail = 2, sha256(tail).digest()
        head = pack(1, power, form, life, n, at + 0.0, wall + 0.0, *lengths, size)
        found.append(sha256(b"\x00" + head + text.encode() + tail).digest())
    return found


class Tree:
    """``waiting``: by level, the complete subtree that has no neighbour yet; ``tops``: all nodes of every 8th level."""

    def __init__(self) -> None:
        self.size = 0
        self.waiting: list[bytes | None] = []
        self.tops: dict[int, list[bytes]] = {}

    def grow(self, nodes: list[bytes]) -> None:
        self.size += len(nodes)
        level = 0
        while nodes:
            if level == len(self.waiting):
                self.waiting.append(None)
            if level and level % 8 == 0:
                self.tops.setdefault(level // 8, []).extend(nodes)
            first = self.waiting[level]
            if first is not None:
                nodes = [first, *nodes]
            self.waiting[level] = nodes[-1] if len(nodes) % 2 else None
            nodes = [
                sha256(b"\x01" + left + right).digest() for left, right in zip(nodes[::2], nodes[1::2], strict=False)
            ]
            level += 1

    def root(self) -> bytes:
        found: bytes | None = None
        for node in self.waiting:
            if node is not None:
                found = node if found is None else sha256(b"\x01" + node + found).digest()
        return EMPTY_ROOT if found is None else found


# --- the database -----------------------------------------------------------------------------------------------------


def leftover_log(path: Path) -> str:
    """What speaks against replaying ``path``-wal into ``path``; empty if nothing does.

    A database of this kind only grows.  So with its own log it is never longer than the log says, and all pages that
    it lacks are in that log.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        pages_in_file, size, pages = _pages(path, log)
    except (FileNotFoundError, struct.error):
        return ""
    if not size:
        return ""
    if pages_in_file > size:
        return f"{log} is older than {path}: it ends at page {size}, but the database has {pages_in_file}"
    missing = next((page for page in range(pages_in_file + 1, size + 1) if page not in pages), 0)
    if missing:
        return f"{log} is not of {path}: it goes on behind page {missing}, which neither of them has"
    return ""


def _pages(path: Path, log: Path) -> tuple[int, int, set[int]]:
    """Pages in the database file; its size in pages after the last commit in the log; the pages that has."""
    for _ in range(20):
        before = path.stat().st_size
        with log.open("rb", buffering=0) as file:
            head = file.read(32)
            _, _, page_size, _, salts, _ = struct.unpack(">IIII8s8s", head)
            pending, committed, size = list[int](), set[int](), 0
            for at in itertools.count(32, 24 + page_size):
                file.seek(at)
                raw = file.read(24)
                if len(raw) < 24 or raw[8:16] != salts:
                    break
                page, commit = struct.unpack(">II", raw[:8])
                pending.append(page)
                if commit:
                    size = commit
                    committed.update(pending)
                    pending.clear()
            file.seek(0)
            if file.read(32) == head and path.stat().st_size == before:
                return before // page_size, size, committed
    return 0, 0, set()  # a hub writes at this moment, so nobody has copied anything


def has_half_a_transaction(path: Path) -> bool:
    """A journal that stays tells what to take back; while a hub writes with one it comes and goes."""
    journal = path.with_name(f"{path.name}-journal")
    for _ in range(JOURNAL_LOOKS):
        try:
            with journal.open("rb") as file:
                if not file.read(8).strip(b"\0"):
                    return False
        except FileNotFoundError:
            return False
        time.sleep(JOURNAL_LOOK_S)
    return True


def connect(path: Path) -> tuple[sqlite3.Connection, bool]:
    """A connection that cannot write, and whether the file is read as it lies, without locks."""
    if reason := leftover_log(path):
        raise CannotVerifyError(
            f"{reason}; a database must not be copied beside the log of another: move the -wal and -shm files aside,"
            " if you know that the database was copied whole"
        )
    log = path.with_name(f"{path.name}-wal")
    alone = not log.exists()
    if alone and has_half_a_transaction(path):
        raise CannotVerifyError(
            f"whoever wrote {path} last died amid a transaction, and half of it stands there; read the trail once with"
            " the hub (`trail tail`), which takes it back, or start the hub; then verify"
        )
    uri = f"{path.absolute().as_uri()}?" + ("immutable=1" if alone else "mode=ro")
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10), alone


# --- what is checked --------------------------------------------------------------------------------------------------

Name = tuple[str, int]  # actor, incarnation
Row = tuple[Any, ...]  # Any: columns of several types
LETTER = re.compile(r"([^/]+)/([0-9]{1,18})/([0-9]{1,18})")
GAP_MAX = 10_000_000
"""Numbers left out at once that are still counted one by one; nobody has written so many."""


@dataclass(slots=True)
class Senders:
    """Counted through as the entries come.  ``sent``: by incarnation, a byte for each entry, 1 if it is a sent letter.

    ``heard``: letters, by id, that nobody had sent when they were met, with the receipt.  ``ends``: as recorded.
    ``keeping``: id, message and body of what is on record of segments.
    """

    report: Report
    sent: dict[Name, bytearray] = field(default_factory=dict)
    heard: dict[str, str] = field(default_factory=dict)
    ends: dict[Name, int] = field(default_factory=dict)
    keeping: list[tuple[str, str, str]] = field(default_factory=list)

    def take(self, entries: Iterable[tuple[str, int, int, str, str, str, str | None]]) -> None:
        """Of each: actor, incarnation, n, kind, message, letter, body."""
        sent, heard = self.sent, self.heard
        name, known = ("", 0), bytearray()
        for actor, life, n, kind, message, letter, body in entries:
            if (actor, life) != name:
                name = (actor, life)
                known = sent.setdefault(name, bytearray())
            if n == len(known) + 1:
                known.append(kind == "sent")
            else:
                self._out_of_turn(name, n, known, is_sent=kind == "sent")
            if kind == "heard" and letter and not self.is_sent(letter) and letter != f"{actor}/{life}/{n}":
                heard[letter] = f"{actor}/{life}/{n}"
            elif message in TOLD and kind == "fact" and body:
                if message != "Closed":
                    self.keeping.append((f"{actor}/{life}/{n}", message, body))
                elif actor == AUDITOR:
                    self._ended(body)

    def _out_of_turn(self, name: Name, n: int, known: bytearray, *, is_sent: bool) -> None:
        label = f"{name[0]}/{name[1]}"
        if n > len(known):
            first = len(known) + 1
            named = f"{label}/{first}" + (f" to {n - 1}" if n > first + 1 else "")
            self.report.wrong("gap", f"{named} is missing, or stands behind {label}/{n}")
            if n - first > GAP_MAX:
                return
            known.extend(b"\x02" * (n - first))
            known.append(is_sent)
        elif n < 1 or known[n - 1] != 2:
            self.report.wrong("double", f"{label}/{n} is there twice")
        else:
            self.report.wrong("order", f"{label}/{n} stands behind a later entry of its sender")
            known[n - 1] = is_sent

    def _ended(self, body: str) -> None:
        try:
            fact = json.loads(body)
            self.ends[str(fact["actor"]), int(fact["incarnation"])] = int(fact["n"])
        except (ValueError, KeyError, TypeError):
            self.report.wrong("end", f"a record of the end of an incarnation cannot be read: {body[:80]!r}")

    def is_sent(self, letter: str) -> bool:
        named = LETTER.fullmatch(letter)
        known = self.sent.get((named[1], int(named[2]))) if named else None
        if named is None or known is None:
            return False
        n = int(named[3])
        return 0 < n <= len(known) and known[n - 1] == 1

    def last(self, name: Name) -> int:
        return len(self.sent.get(name, b""))


def verify_rows(
    db: sqlite3.Connection, report: Report, senders: Senders, stops: Sequence[int], sealed: "Sealed"
) -> dict[int, bytes]:
    """Every entry against the tree; the root at each of ``stops``, sizes in order, as far as the tree goes."""
    tree = Tree()
    roots = {0: EMPTY_ROOT}
    hashed = db.execute(
        "SELECT place, length(hashes) FROM tiles WHERE level = 0 ORDER BY place DESC LIMIT 1"
    ).fetchone()
    (tiles_there,) = db.execute("SELECT count(*) FROM tiles WHERE level = 0").fetchone()
    size = (tiles_there - 1) * TILE + hashed[1] // HASH if hashed else 0  # never more than there is to read
    wanted = iter([*(stop for stop in stops if stop > 0), sys.maxsize])
    stop = next(wanted)
    hot = f"SELECT leaf, {COLUMNS} FROM entries WHERE leaf NOT BETWEEN 1 AND ? ORDER BY leaf"  # noqa: S608  # no value
    cursor = itertools.chain(sealed.rows(), db.execute(hot, (sealed.through,)))
    rows: list[tuple[Any, ...]] = []  # Any: columns of several types
    for first in range(0, size, CHUNK):
        rows += itertools.islice(cursor, CHUNK - len(rows))
        here = [row for row in rows if row[0] <= first + CHUNK] if rows and rows[-1][0] > first + CHUNK else rows
        rows = rows[len(here) :]
        tiles = db.execute(
            "SELECT place, hashes FROM tiles WHERE level = 0 AND place >= ? AND place < ? ORDER BY place",
            (first // TILE, (first + CHUNK) // TILE),
        ).fetchall()
        kept = b"".join(bytes(hashes) for _, hashes in tiles)
        if [place for place, _ in tiles] != list(range(first // TILE, first // TILE + len(tiles))):
            report.wrong("tile", f"tiles of the tree are missing around the entries {first + 1} to {first + CHUNK}")
        formed = compare(report, first, here, kept, sealed.through)
        senders.take((row[1], row[2], row[3], row[4], row[5], row[7], row[14]) for row in formed if row[1])
        leaves = [kept[at : at + HASH] for at in range(0, len(kept) - len(kept) % HASH, HASH)]
        done = 0
        while stop <= first + len(leaves):
            tree.grow(leaves[done : stop - first])
            done = stop - first
            roots[stop] = tree.root()
            stop = next(wanted)
        tree.grow(leaves[done:])
    while rows := rows or list(itertools.islice(cursor, CHUNK)):
        formed = compare(report, size, rows, b"", sealed.through)
        senders.take((row[1], row[2], row[3], row[4], row[5], row[7], row[14]) for row in formed)
        rows = []
    roots[tree.size] = tree.root()
    check_tops(db, report, tree)
    (count,) = db.execute("SELECT count(*) FROM entries WHERE leaf > ?", (sealed.through,)).fetchone()
    count += sealed.entries
    report.figures |= {"entries": count, "size": tree.size, "root": tree.root().hex()}
    return roots


def compare(report: Report, first: int, rows: list[Row], kept: bytes, through: int) -> list[Row]:
    """Entries against the hashes in the tree behind the place ``first``; what differs is named.  Those that are formed
    as entries are, so that more can be said of them.  Up to ``through`` a row without a message is one that is gone."""
    formed = rows
    try:
        found = leaf_hashes(rows)
    except (TypeError, ValueError, AttributeError, OverflowError, struct.error):
        at = [(row[0] - first - 1) * HASH for row in rows]
        gone = [row[5] is None and 0 < row[0] <= through for row in rows]
        found = [
            kept[i : i + HASH] if is_gone else hash_of(row) for row, i, is_gone in zip(rows, at, gone, strict=True)
        ]
        formed = [row for row, made in zip(rows, found, strict=True) if made]
    if b"".join(found) == kept and [row[0] for row in rows] == list(range(first + 1, first + len(rows) + 1)):
        return formed
    here = {row[0]: (row, made) for row, made in zip(rows, found, strict=True)}
    in_tree = first + len(kept) // HASH
    for place in sorted({*here, *range(first + 1, in_tree + 1)}):
        if place not in here:
            report.wrong("missing", f"the entry at place {place} is missing")
            continue
        row, made = here[place]
        name = f"the entry at place {place}, {row[1]}/{row[2]}/{row[3]},"
        if not first < place <= in_tree:
            report.wrong("added", f"{name} is not in the tree: somebody else added it")
        elif kept[(place - first - 1) * HASH : (place - first) * HASH] != made:
            report.wrong("altered", f"{name} is not the one that the tree has there: it was altered or moved")
    return formed


def hash_of(row: Row) -> bytes:
    """Nothing for a row with a value that no entry has, such as bytes in place of a name."""
    try:
        return leaf_hashes([row])[0]
    except (TypeError, ValueError, AttributeError, OverflowError, struct.error):
        return b""


def check_tops(db: sqlite3.Connection, report: Report, tree: Tree) -> None:
    """The upper tiles, which proofs are made of, against the nodes computed just now."""
    for level, nodes in tree.tops.items():
        sql = "SELECT hashes FROM tiles WHERE level = ? ORDER BY place"
        if b"".join(bytes(hashes) for (hashes,) in db.execute(sql, (level,))) != b"".join(nodes):
            report.wrong("tile", f"the tiles of level {level} are not those of the tree below: proofs would fail")


def verify_checkpoint(where: str, checkpoint: Checkpoint, roots: dict[int, bytes], size: int) -> str:
    """What is wrong with it against the tree; empty if nothing is."""
    if checkpoint.size > size:
        return (
            f"{where} vouches for {checkpoint.size} entries, but the tree has {size}: the trail was cut short, or an"
            " older copy was put in its place"
        )
    if roots.get(checkpoint.size) != checkpoint.root:
        return f"{where} vouches for another tree of {checkpoint.size} entries: what is here was altered before that"
    return ""


@dataclass(slots=True)
class Notes:
    """All checkpoints there are, by where they were found; those of the store by size."""

    stored: list[tuple[str, Checkpoint]] = field(default_factory=list)
    others: list[tuple[str, Checkpoint]] = field(default_factory=list)

    @property
    def all(self) -> list[tuple[str, Checkpoint]]:
        return self.stored + self.others


def collect(db: sqlite3.Connection, trail: Path, kept: Sequence[Path], report: Report) -> Notes:
    notes = Notes()
    for size, note in db.execute("SELECT size, note FROM checkpoints ORDER BY size"):
        where = f"the checkpoint of {size} entries"
        checkpoint = parsed(where, note, report)
        if checkpoint is not None:
            if checkpoint.size != size:
                report.wrong("checkpoint", f"{where} says {checkpoint.size}")
            notes.stored.append((where, checkpoint))
    files = [(trail / "head", "the last checkpoint beside the database, `head`,")] if (trail / "head").exists() else []
    for path, where in [*files, *((path, f"{path}, kept elsewhere,") for path in kept)]:
        try:
            checkpoint = parsed(where, path.read_text(encoding="utf-8"), report)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}: {error}") from error
        if checkpoint is not None:
            notes.others.append((where, checkpoint))
    if notes.stored and not files:
        report.told.append("there is no `head` beside the database: a rollback of both would not show by it")
    return notes


def parsed(where: str, note: str, report: Report) -> Checkpoint | None:
    try:
        return Checkpoint.parse(note)
    except ValueError as error:
        report.wrong("checkpoint", f"{where} is none: {error}")
        return None


def verify_signatures(
    notes: Notes, keys: Sequence[Key], witnesses: Sequence[Key], report: Report, *, every: bool
) -> None:
    stored = notes.stored
    looked = notes.all
    if not every and len(stored) > SIGNATURES_MAX:
        third = SIGNATURES_MAX // 3
        middle = stored[third:-third]
        looked = [*stored[:third], *middle[:: len(middle) // third + 1], *stored[-third:], *notes.others]
        report.told.append(
            f"the signatures of {len(looked) - len(notes.others)} of {len(stored)} stored checkpoints were verified;"
            " --all verifies every one"
        )
    for where, checkpoint in looked:
        lines = checkpoint.lines_of(keys)
        if not lines:
            report.wrong("signature", f"{where} is not signed with the key given")
        if any(not checkpoint.is_signed(key, raw) for key, raw in lines):
            report.wrong("signature", f"{where} has a signature that is not of its text")
    seen = {key.name: 0 for key in witnesses}
    asked = looked if every else [*looked[:1], *looked[-SIGNATURES_MAX // 3 :]]
    for where, checkpoint in asked:
        for key, raw in checkpoint.lines_of(witnesses):
            if checkpoint.is_signed(key, raw):
                seen[key.name] = max(seen[key.name], checkpoint.size)
            else:
                report.wrong("signature", f"{where} has a cosignature of {key.name} that is not of its text")
    for name, size in seen.items():
        if size:
            report.told.append(f"the witness {name} vouches for the first {size} entries")
        else:
            report.wrong("witness", f"no checkpoint looked at is cosigned by the witness {name}")
    report.figures |= {"checkpoints": len(stored), "signatures": len(looked)}


# --- segments ---------------------------------------------------------------------------------------------------------

CLASSES = ("permanent", "books", "order", "security", "ops", "heartbeat")
LENGTH = struct.Struct(">I")
RECORD_HEAD = struct.Struct(">QH")
IS_LETTER = 128
HEADER = "leaf, actor, incarnation, n, kind, message, peer, wall, power, subject"
HEADER_AT = (0, 1, 2, 3, 4, 5, 6, 11, 12, 13)

Record = tuple[int, Row]
"""A place, and the row there."""


@dataclass(slots=True)
class Gone:
    """Entries of one class that a segment no longer has.  ``where``: of its folder."""

    first: int
    last: int
    retention: str
    entries: int
    where: Path


class Sealed:
    """What the store has as segments, read like rows.  ``gone``: classes whose file is not there."""

    def __init__(self, db: sqlite3.Connection, trail: Path, keys: Sequence[Key], report: Report) -> None:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self._db = db
        self._folder = trail / "segments"
        self._keys = keys
        self._report = report
        sql = "SELECT first, last, root, manifest FROM segments ORDER BY first"
        self._has_segments = "segments" in tables
        self.known: list[tuple[int, int, str, str]] = db.execute(sql).fetchall() if self._has_segments else []
        self.through = self.known[-1][1] if self.known else 0
        self.entries = sum(last - first + 1 for first, last, _, _ in self.known)
        self.gone: list[Gone] = []
        self.unindexed: list[tuple[int, int, str]] = []  # classes that are there, but not in the index

    def rows(self) -> Iterator[Row]:
        """In the order of their places.  What is gone comes as a row without a message, and without a sender where not
        even that is known."""
        at = 0
        for first, last, root, made in self.known:
            if first != at + 1 or last < first or first % TILE != 1 or last % TILE:
                self._wrong(f"the segment of the places {first} to {last} does not follow the one before it")
            at = last
            folder = self._folder / f"{first}-{last}"
            manifest = self._manifest(folder, first, last, root, made)
            if manifest is None:
                yield from (lost(place) for place in range(first, last + 1))
            else:
                yield from self._of(folder, first, last, manifest)

    def _wrong(self, text: str) -> None:
        self._report.wrong("segment", text)

    def _manifest(
        self, folder: Path, first: int, last: int, root: str, made: str
    ) -> dict[str, Any] | None:  # Any: JSON
        """None if nothing can be read here."""
        try:
            raw = (folder / "manifest.json").read_bytes()
            manifest: dict[str, Any] = json.loads(raw)
            note = Checkpoint.parse((folder / "manifest.note").read_text(encoding="utf-8"))
            place = int(manifest["first"]), int(manifest["last"]), str(manifest["root"])
            origin, files = str(manifest["origin"]), dict(manifest["files"])
            parts = {str(name): (str(part["file"]), int(part["entries"])) for name, part in manifest["classes"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._wrong(f"the segment {folder.name} is not there or cannot be read: {error!r}")
            return None
        if sha256(raw).hexdigest() != made:
            self._wrong(f"the manifest of the segment {folder.name} is not the one that the trail has on record")
        if place != (first, last, root) or manifest.get("version") != 1 or not parts.keys() <= set(CLASSES):
            self._wrong(f"the manifest of the segment {folder.name} is of another one, or of a newer hub")
        lines = note.lines_of(self._keys)
        if not lines or not all(note.is_signed(key, line) for key, line in lines):
            self._wrong(f"the manifest of the segment {folder.name} is not signed with the key given")
        if (note.origin, note.size, note.root) != (f"{origin}/segment", last, sha256(raw).digest()):
            self._wrong(f"the manifest of the segment {folder.name} is not the one that was signed: it was altered")
        for name, digest in files.items():
            if not (folder / name).exists():
                if name not in {file for file, _ in parts.values()}:
                    self._wrong(f"{folder.name}/{name} is missing")
            elif file_digest(folder / name) != digest:
                self._wrong(f"{folder.name}/{name} was altered: it is not the file that the manifest names")
        return {"classes": parts}

    def _of(self, folder: Path, first: int, last: int, manifest: dict[str, Any]) -> Iterator[Row]:  # Any: JSON
        self._compare_tiles(folder, first, last)
        sources: dict[int, Iterator[Record]] = {}
        for name, (file, entries) in manifest["classes"].items():
            if (folder / file).exists():
                sources[CLASSES.index(name)] = self._records(folder / file)
            else:
                self.gone.append(Gone(first, last, name, entries, folder))
        heads = {number: next(source, None) for number, source in sources.items()}
        index, indexed = self._index(folder)
        if index is not None:
            self.unindexed += [(first, last, CLASSES[number]) for number in sources if number not in indexed]
        for place, (actor, life, n, number, is_letter) in self._numbers(folder, first, last):
            if number not in sources:
                yield (place, actor, life, n, "sent" if is_letter else "gone", None, *[None] * 9)
                continue
            head = heads[number]
            if head is None or head[0] != place:
                continue  # whoever compares with the tree names it
            heads[number] = next(sources[number], None)
            row = (place, *head[1])
            if row[1:4] != (actor, life, n):
                self._wrong(f"{folder.name}/numbers has another sender for the entry at place {place}")
            is_in = index is not None and number in indexed
            if is_in and index is not None and next(index, None) != tuple(row[at] for at in HEADER_AT):
                self._wrong(f"{folder.name}/index.db does not have the entry at place {place} as it is: make it anew")
                index = None
            yield row
        if any(head is not None for head in heads.values()):
            self._wrong(f"the segment {folder.name} has entries that are not its own, or in another order")
        if index is not None and next(index, None) is not None:
            self._wrong(f"{folder.name}/index.db has entries that the segment does not have: make it anew")

    def _compare_tiles(self, folder: Path, first: int, last: int) -> None:
        sql = "SELECT hashes FROM tiles WHERE level = 0 AND place >= ? AND place < ? ORDER BY place"
        kept = b"".join(bytes(hashes) for (hashes,) in self._db.execute(sql, ((first - 1) // TILE, last // TILE)))
        try:
            if (folder / "tiles").read_bytes() != kept:
                self._wrong(f"{folder.name}/tiles are not those of the tree")
        except OSError as error:
            self._wrong(f"{folder.name}/tiles cannot be read: {error}")

    def _numbers(self, folder: Path, first: int, last: int) -> Iterator[tuple[int, tuple[str, int, int, int, bool]]]:
        """By place: sender, incarnation, number, class, and whether it is a letter."""
        try:
            raw, parts = (folder / "numbers").read_bytes(), []
            while raw:
                (length,) = LENGTH.unpack_from(raw)
                parts.append(zlib.decompress(raw[LENGTH.size : LENGTH.size + length]))
                raw = raw[LENGTH.size + length :]
            head, who, what, step = parts
            names = [(str(actor), int(life)) for actor, life in json.loads(head)["senders"]]
            count = last - first + 1
            columns = zip(
                struct.unpack(f"<{count}I", who), what, struct.unpack(f"<{count}q", step), strict=True
            )  # fmt: skip
            known = [0] * len(names)
            for place, (at, kind, more) in enumerate(columns, first):
                known[at] += more
                yield place, (*names[at], known[at], kind & ~IS_LETTER, bool(kind & IS_LETTER))
        except (OSError, ValueError, KeyError, TypeError, IndexError, zlib.error, struct.error) as error:
            self._wrong(f"{folder.name}/numbers cannot be read: {error!r}")

    def _records(self, path: Path) -> Iterator[Record]:
        """What is in the bundles of a file, as far as it can be read."""
        try:
            with path.open("rb") as file:
                while head := file.read(LENGTH.size):
                    yield from records_in(zlib.decompress(file.read(LENGTH.unpack(head)[0])))
        except (OSError, ValueError, IndexError, zlib.error, struct.error) as error:
            self._wrong(f"{path.parent.name}/{path.name} cannot be read on: {error!r}")

    def _index(self, folder: Path) -> tuple[Iterator[Row] | None, set[int]]:
        """What it has of each entry, and of which classes."""
        path = folder / "index.db"
        if not path.exists():
            self._wrong(f"{folder.name}/index.db is missing: nobody can search there; make it anew")
            return None, set()
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as index:
                indexed = {number for (number,) in index.execute("SELECT number FROM classes")}
        except sqlite3.Error as error:
            self._wrong(f"{folder.name}/index.db cannot be read: {error}; make it anew")
            return None, set()
        return index_rows(path, self._wrong), indexed

    def letters_since(self) -> set[str]:
        """What was sealed since this was made, beside whoever verifies: the letters among it."""
        if not self._has_segments:
            return set()
        sql = "SELECT first, last FROM segments WHERE first > ? ORDER BY first"
        return {
            f"{actor}/{life}/{n}"
            for first, last in self._db.execute(sql, (self.through,)).fetchall()
            for _, (actor, life, n, _, is_letter) in self._numbers(self._folder / f"{first}-{last}", first, last)
            if is_letter
        }

    def judge(self, facts: Iterable[tuple[str, str, str]]) -> None:
        """What is gone against what is on record.  ``facts``: id, message and body."""
        sealed: dict[tuple[int, int], set[str]] = {}
        expired: dict[tuple[int, int, str], tuple[str, dict[str, Any]]] = {}
        for entry_id, message, body in facts:
            try:
                fact = json.loads(body)
                first, last = int(fact["first"]), int(fact["last"])
                if message == "Sealed":
                    sealed.setdefault((first, last), set()).add(str(fact["manifest"]))
                elif entry_id.startswith(f"{KEEPER}/"):
                    expired[first, last, str(fact["retention"])] = entry_id, fact
            except (ValueError, KeyError, TypeError):
                self._wrong(f"what {entry_id} says of a segment cannot be read")
        for first, last, _, made in self.known:
            if made not in sealed.get((first, last), {made}):
                self._wrong(f"the segment {first}-{last} is not the one that the trail says was sealed")
            if (first, last) not in sealed:
                self._report.told.append(f"that the segment {first}-{last} was sealed is not on record yet")
        for gone in self.gone:
            known = expired.get((gone.first, gone.last, gone.retention))
            if known is None:
                self._wrong(
                    f"the {gone.entries} entries of the class {gone.retention} are missing from {gone.where.name}, and"
                    " nobody on record had them expire: they were taken away"
                )
            else:
                self._report.told.append(f"{gone.entries} entries {expiry(gone.retention, *known)}")
        for first, last, retention in sorted(set(self.unindexed) - expired.keys()):
            self._wrong(f"{first}-{last}/index.db has nothing of the class {retention}: make it anew")
        there = {(gone.first, gone.last, gone.retention) for gone in self.gone}
        for first, last, retention in sorted(expired.keys() - there):
            if (first, last) in sealed:
                self._report.told.append(
                    f"entries of the class {retention} in {first}-{last} have expired, but are still there: the command"
                    " was cut short; `trail expire` goes on"
                )
        names = {f"{first}-{last}" for first, last, _, _ in self.known} | {"lock"}
        here = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        for name in sorted(set(here) - names):
            if not name.endswith(".partial"):
                self._report.told.append(f"segments/{name} is none that the store knows")
        (left,) = self._db.execute(
            "SELECT count(*) FROM entries WHERE leaf BETWEEN 1 AND ?", (self.through,)
        ).fetchone()  # fmt: skip
        if left:
            self._report.told.append(f"{left} rows of sealed entries are still in the database, and count for nothing")
        self._report.figures |= {"segments": len(self.known), "expired": sum(gone.entries for gone in self.gone)}


def expiry(retention: str, entry_id: str, fact: dict[str, Any]) -> str:  # Any: JSON
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(fact.get("expired_at", 0))))
    said = " ".join(str(fact.get("reason", "")).split())
    return (
        f"of the class {retention} between the places {fact['first']} and {fact['last']} expired at {at}: by"
        f" {fact.get('who', '')}, {said} ({entry_id})"
    )


def lost(place: int) -> Row:
    return (place, "", 0, 0, "", None, *[None] * 9)


def records_in(raw: bytes) -> Iterator[Record]:
    start = 0
    while start < len(raw):
        place, length = RECORD_HEAD.unpack_from(raw, start)
        start += RECORD_HEAD.size
        entry = raw[start : start + length]
        start += length
        version, power, form, life, n, at, wall, *lengths, size = ENTRY.unpack_from(entry)
        if version != 1 or form not in {0, 1, 2}:
            raise ValueError(f"an entry of form {version}.{form}, which this program does not know")
        cut, texts = ENTRY.size, []
        for each in lengths:
            texts.append(entry[cut : cut + each].decode())
            cut += each
        body = None
        if form == 1:
            body = entry[cut : cut + size].decode()
        elif form == 2:
            (length,) = LENGTH.unpack_from(raw, start)
            body = raw[start + LENGTH.size : start + LENGTH.size + length].decode()
            start += LENGTH.size + length
        actor, kind, message, peer, letter, cause, correlation, subject = texts
        made = (actor, life, n, kind, message, peer, letter, cause, correlation, at, wall, power, subject, body)
        yield place, made


def index_rows(path: Path, wrong: Callable[[str], None]) -> Iterator[Row]:
    """What the index of a segment has of each entry, but for what it takes from the bundles."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as index:
            yield from index.execute(f"SELECT {HEADER} FROM entries ORDER BY leaf")  # noqa: S608  # no value in it
    except sqlite3.Error as error:
        wrong(f"{path.parent.name}/{path.name} cannot be read: {error}")


# --- spools -----------------------------------------------------------------------------------------------------------

FRAME = struct.Struct("<4sBBBIQI")  # magic, version, kind, flags, length of the JSON, number, CRC-32 of the rest
KINDS = {1: "heard", 2: "fact", 3: "sent", 4: "did"}
SPOOL = re.compile(r"(?P<actor>[a-z][a-z0-9_.-]{0,47})@(?P<life>[1-9][0-9]{0,17})\.spool")
FRAME_BYTES_MAX = 20_000_000


def spools_in(folder: Path) -> dict[Name, Path]:
    found = ((SPOOL.fullmatch(path.name), path) for path in folder.iterdir()) if folder.is_dir() else ()
    return {(match["actor"], int(match["life"])): path for match, path in found if match}


def frames(path: Path, offset: int, n: int, report: Report) -> Iterator[tuple[int, str, dict[str, Any]]]:  # Any: JSON
    """Entries behind the ``n``-th: number, kind, JSON.  Raises ValueError, with the place, where damage begins."""
    with path.open("rb") as file:
        file.seek(offset)
        while head := file.read(FRAME.size):
            n += 1
            if len(head) < FRAME.size:
                report.told.append(torn(path, n - 1, len(head)))
                return
            magic, version, kind, _, length, number, crc = FRAME.unpack(head)
            is_frame = (magic, version, number) == (b"HUBt", 1, n) and kind in KINDS and 0 < length <= FRAME_BYTES_MAX
            raw = file.read(length) if is_frame else b""
            if is_frame and len(raw) < length:
                report.told.append(torn(path, n - 1, len(head) + len(raw)))
                return
            if not is_frame or zlib.crc32(raw, zlib.crc32(head[:-4])) != crc:
                raise ValueError(f"behind entry {n - 1}, at byte {offset}, are bytes that never were an entry")
            offset += FRAME.size + length
            yield n, KINDS[kind], json.loads(raw)


def torn(path: Path, n: int, count: int) -> str:
    return f"{path.name}: the last {count} bytes, behind entry {n}, are no whole entry: a write under way or cut short"


def verify_spools(
    spools: dict[Name, Path], places: dict[Name, tuple[int, int]], report: Report, senders: Senders
) -> int:
    """What is not stored yet, counted on from where the store is; how many entries."""
    total = 0
    for (actor, life), path in sorted(spools.items()):
        entries = []
        try:
            for n, kind, entry in frames(path, *places.get((actor, life), (0, 0)), report):
                body = json.dumps(entry["body"]) if "body" in entry and kind == "fact" else None
                entries.append((actor, life, n, kind, entry["message"], entry["letter"], body))
        except FileNotFoundError:
            continue  # stored meanwhile, and then deleted
        except (ValueError, KeyError) as error:
            report.wrong("spool", f"{path.name}: {error}")
        senders.take(entries)
        total += len(entries)
    return total


# --- an export --------------------------------------------------------------------------------------------------------

EXPORT = "alluse-hub/export"
EXPORT_COLUMNS = ("leaf", *COLUMNS.split(", "))
WHOLE_NUMBERS = frozenset({"leaf", "incarnation", "n", "power"})
REALS = frozenset({"at", "wall"})
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
RECORD = struct.Struct(">Q32s")  # of the file of leaves: place, hash
ROWS_AT_A_TIME = 5_000

ExportRow = tuple[Any, ...]  # Any: a place and the columns of an entry


def is_export(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "manifest.json").read_text(encoding="utf-8")).get("schema") == EXPORT)
    except (OSError, ValueError, AttributeError):
        return False


class Pieces:
    """A tree put together from complete subtrees in their order; ``stack``: those without a neighbour."""

    def __init__(self) -> None:
        self.at = 0
        self.stack: list[tuple[int, bytes]] = []

    def add(self, level: int, node: bytes) -> None:
        self.at += 1 << level
        while self.stack and self.stack[-1][0] == level:
            node = sha256(b"\x01" + self.stack.pop()[1] + node).digest()
            level += 1
        self.stack.append((level, node))

    def root(self) -> bytes:
        found = b""
        for _, node in reversed(self.stack):
            found = sha256(b"\x01" + node + found).digest() if found else node
        return found or EMPTY_ROOT


def verify_export(
    folder: Path, keys: Sequence[Key], witnesses: Sequence[Key], kept: Sequence[Path], *, every: bool
) -> Report:
    """Raises UsageError and CannotVerifyError."""
    report = Report()
    raw = (folder / "manifest.json").read_bytes()
    try:
        manifest = json.loads(raw)
        origin, form, size = str(manifest["origin"]), str(manifest["form"]), int(manifest["size"])
        files = {str(name): str(made) for name, made in manifest["files"].items()}
        first, last, count = int(manifest["first"]), int(manifest["last"]), int(manifest["rows"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotVerifyError(f"the manifest of {folder} cannot be read: {error!r}; export anew") from error
    if manifest.get("version") != 1 or form not in ROWS_OF or set(files) != {f"entries.{form}", *PROOF_FILES}:
        raise CannotVerifyError(f"the manifest of {folder} is of no export that this program knows; use a newer one")
    keys = list(keys) or export_keys(folder, report)
    verify_manifest(folder, raw, origin, count, keys, report)
    for name, made in files.items():
        if file_digest(folder / name) != made:
            report.wrong("file", f"{name} is not the file that the manifest names: it was altered")
    notes = Notes()
    for path in (folder / "checkpoint", *kept):
        where = "its checkpoint" if path.parent == folder else f"{path}, kept elsewhere,"
        checkpoint = parsed(where, path.read_text(encoding="utf-8"), report)
        if checkpoint is not None:
            (notes.others if path.parent != folder else notes.stored).append((where, checkpoint))
    verify_signatures(notes, keys, witnesses, report, every=every)
    leaves, root = verify_pieces(folder, size, report)
    for where, checkpoint in notes.all:
        if checkpoint.origin != origin:
            report.wrong("checkpoint", f"{where} is of the log {checkpoint.origin}, not of {origin}")
        elif checkpoint.size == size and checkpoint.root != root:
            report.wrong("checkpoint", f"{where} vouches for another tree: leaves and gaps do not add up to its root")
        elif checkpoint.size != size and path_is_own(where):
            report.wrong("checkpoint", f"{where} vouches for {checkpoint.size} entries, the manifest says {size}")
        elif checkpoint.size != size:
            report.told.append(f"{where} is of {checkpoint.size} entries and cannot be compared with an export")
    rows = verify_export_rows(folder, form, first, last, report)
    if rows is not None and not rows == count == leaves:
        report.wrong("count", f"there are {rows} rows and the hashes of {leaves}, where the manifest says {count}")
    report.figures |= {"export": form, "entries": rows, "first": first, "last": last, "origin": origin}
    report.figures |= {"root": root.hex(), "size": size, "filters": manifest.get("filters", {})}
    return report


PROOF_FILES = ("leaves", "gaps", "checkpoint")


def path_is_own(where: str) -> bool:
    return where == "its checkpoint"


def export_keys(folder: Path, report: Report) -> list[Key]:
    try:
        key = Key.parse((folder / "vkey").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"no key to verify with: give --vkey ({error})") from error
    report.told.append("the key came with the export: whoever altered it could have put another there; give --vkey")
    return [key]


def verify_manifest(folder: Path, raw: bytes, origin: str, count: int, keys: Sequence[Key], report: Report) -> None:
    """Its signature has the form of a checkpoint of a log that is none: origin/export, rows, its SHA-256."""
    path = folder / "manifest.note"
    if not path.exists():
        report.told.append(
            "the manifest is not signed: rows cannot have been altered or added, but that all are there which fit the"
            " filters is only its word"
        )
        return
    note = parsed("the manifest's signature", path.read_text(encoding="utf-8"), report)
    if note is None:
        return
    lines = note.lines_of(keys)
    if not lines or not all(note.is_signed(key, line) for key, line in lines):
        report.wrong("signature", "the manifest is not signed with the key given")
    if (note.origin, note.size, note.root) != (f"{origin}/export", count, sha256(raw).digest()):
        report.wrong("manifest", "the manifest is not the one that was signed: it was altered")


def file_digest(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def subtrees(start: int, end: int) -> Iterator[int]:
    """Levels of the largest complete subtrees that lie side by side from ``start`` to before ``end``."""
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        yield level
        start += 1 << level


def records(folder: Path) -> Iterator[tuple[int, bytes]]:
    with (folder / "leaves").open("rb") as file:
        while raw := file.read(RECORD.size):
            if len(raw) == RECORD.size:
                yield RECORD.unpack(raw)


def verify_pieces(folder: Path, size: int, report: Report) -> tuple[int, bytes]:
    """How many leaves there are, and the root that leaves and gaps add up to."""
    tree, count = Pieces(), 0
    with (folder / "gaps").open("rb") as gaps:
        for place, leaf in records(folder):
            if not tree.at < place <= size:
                report.wrong("proof", f"the hashes of the rows are not in their order behind place {tree.at}")
                return count, b""
            for level in subtrees(tree.at, place - 1):
                tree.add(level, gaps.read(HASH))
            tree.add(0, leaf)
            count += 1
        for level in subtrees(tree.at, size):
            tree.add(level, gaps.read(HASH))
        if gaps.read(1):
            report.wrong("proof", "there are more hashes of gaps than gaps")
    return count, tree.root()


def verify_export_rows(folder: Path, form: str, first: int, last: int, report: Report) -> int | None:
    """Every row against the hash of its leaf; how many there are, None if they cannot be read here."""
    expected = records(folder)
    place, leaf = next(expected, (sys.maxsize, b""))
    count = 0
    rows = ROWS_OF[form](folder / f"entries.{form}", report)
    if rows is None:
        report.told.append("the rows were not read, as pyarrow is not installed: only the SHA-256 of their file was")
        return None
    while some := list(itertools.islice(rows, ROWS_AT_A_TIME)):
        count += len(some)
        for row, made in zip(some, leaf_hashes(some), strict=True):
            name = f"the row of place {row[0]}, {row[1]}/{row[2]}/{row[3]},"
            while place < row[0]:
                report.wrong("missing", f"the row of place {place} is missing")
                place, leaf = next(expected, (sys.maxsize, b""))
            if place > row[0]:
                report.wrong("added", f"{name} is not in the proof: it was added, or stands in a wrong place")
                continue
            if made != leaf:
                report.wrong("altered", f"{name} is not the entry that was there: it was altered")
            if not first <= row[0] <= last:
                report.wrong("range", f"{name} is not one of the places {first} to {last} of the manifest")
            place, leaf = next(expected, (sys.maxsize, b""))
    while place < sys.maxsize:
        report.wrong("missing", f"the row of place {place} is missing")
        place, leaf = next(expected, (sys.maxsize, b""))
    return count


def csv_rows(path: Path, report: Report) -> Iterator[ExportRow]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        if next(reader, None) != list(EXPORT_COLUMNS):
            report.wrong("row", f"{path.name} does not begin with the names of the columns")
        try:
            for cells in reader:
                try:
                    row = [typed(name, plain(cell)) for name, cell in zip(EXPORT_COLUMNS, cells, strict=True)]
                except ValueError as error:
                    report.wrong("row", f"line {reader.line_num} of {path.name} is no row of an export: {error}")
                    continue
                yield (*row[:-1], row[-1] or None)
        except (csv.Error, UnicodeDecodeError) as error:
            report.wrong("row", f"{path.name} cannot be read behind its line {reader.line_num}: {error}")


def plain(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from computing it.  Raises ValueError if that is not right."""
    if cell.startswith("'") and cell[1:].startswith(FORMULA):
        return cell[1:]
    if cell.startswith(FORMULA) and not re.fullmatch(r"-[0-9][-+.e0-9]*", cell):
        raise ValueError(f"{cell[:40]!r} is a formula to a spreadsheet")
    return cell


def typed(name: str, text: str) -> Any:  # Any: as the column has it
    if name in WHOLE_NUMBERS:
        number = int(text)
        if not 0 <= number < 2**63:
            raise ValueError(f"{name} is {number}")
        return number
    return float(text) if name in REALS else text


def jsonl_rows(path: Path, report: Report) -> Iterator[ExportRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json_row(line.decode())
            except (ValueError, TypeError) as error:
                report.wrong("row", f"line {number} of {path.name} is no row of an export: {error}")


def json_row(line: str) -> ExportRow:
    """The body as it stands there, to the byte.  Raises ValueError."""
    pairs = json.loads(line, object_pairs_hook=list)
    *known, last = pairs
    if [name for name, _ in known] != list(EXPORT_COLUMNS[:-1]) or last[0] not in {"body", "body_text"}:
        raise ValueError("its columns are others")
    values = sound([value for _, value in known])
    if last[0] == "body_text":
        return (*values, str(last[1]))
    # A quote inside a text has a backslash before it, so this is the key itself.
    body = line.rstrip("\n").partition(',"body":')[2][:-1]
    return (*values, None if body == "null" else body)


def sound(values: list[Any]) -> list[Any]:  # Any: columns as a file had them, of whatever type
    """Columns but the body.  Raises ValueError for a type that no entry has there."""
    for name, value in zip(EXPORT_COLUMNS, values, strict=False):
        if name in WHOLE_NUMBERS:
            is_right = type(value) is int and 0 <= value < 2**63
        else:
            is_right = type(value) is (float if name in REALS else str)
        if not is_right:
            raise ValueError(f"{name} is {value!r}")
        str(value).encode()  # half of a surrogate pair is no text
    return values


def parquet_rows(path: Path, report: Report) -> Iterator[ExportRow] | None:
    """None without pyarrow, the one thing here that is not in the standard library."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return None
    return arrow_rows(parquet, path, report)


def arrow_rows(parquet: Any, path: Path, report: Report) -> Iterator[ExportRow]:  # Any: a module that may be missing
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=ROWS_AT_A_TIME, columns=list(EXPORT_COLUMNS)):
            for row in zip(*(batch.column(name).to_pylist() for name in EXPORT_COLUMNS), strict=True):
                yield (*sound(list(row[:-1])), row[-1])
    except (OSError, ValueError, KeyError) as error:
        report.wrong("row", f"{path.name} cannot be read: {error}")


ROWS_OF: dict[str, Callable[[Path, Report], Iterator[ExportRow] | None]] = {
    "csv": csv_rows,
    "jsonl": jsonl_rows,
    "parquet": parquet_rows,
}


# --- all of it --------------------------------------------------------------------------------------------------------


def verify(
    folder: Path,
    keys: Sequence[Key] = (),
    witnesses: Sequence[Key] = (),
    kept: Sequence[Path] = (),
    *,
    every: bool = False,
) -> Report:
    """Raises UsageError and CannotVerifyError."""
    trail = folder if (folder / "trail.db").exists() else folder / "trail"
    path = trail / "trail.db"
    if not path.exists():
        raise NoTrailError(f"there is no trail.db in {folder} or {trail}")
    report = Report()
    keys = list(keys) or near_keys(trail, report)
    senders = Senders(report)
    spools = spools_in(trail / "spool")
    was = path.stat()
    db, alone = connect(path)
    try:
        look(db, path, trail, kept, spools, keys, witnesses, report, senders, every=every)
    except (sqlite3.DatabaseError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
        report.wrong("database", f"{path} cannot be read through: {error}")
    finally:
        db.close()
    now = path.stat()
    if alone and (was.st_size, was.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
        raise CannotVerifyError(f"{path} was written while it was read: a hub was started; verify again")
    if report.findings and not alone:
        report.told.append(f"{path.name}-wal was read as well; is it the log of this very database?")
    return report


def near_keys(trail: Path, report: Report) -> list[Key]:
    path = trail.parent / "keys" / "trail.vkey"
    try:
        keys = [Key.parse(file.read_text(encoding="utf-8")) for file in (path, *path.parent.glob("trail.until-*.vkey"))]
    except (OSError, ValueError) as error:
        raise UsageError(f"no key to verify with: give --vkey, or put it at {path} ({error})") from error
    report.told.append(
        f"the key is from {path}: whoever could alter the trail could alter it as well; --vkey is better"
    )
    return keys


def look(
    db: sqlite3.Connection,
    path: Path,
    trail: Path,
    kept: Sequence[Path],
    spools: dict[Name, Path],
    keys: Sequence[Key],
    witnesses: Sequence[Key],
    report: Report,
    senders: Senders,
    *,
    every: bool,
) -> None:
    db.execute("BEGIN")
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"entries", "spools", "tiles", "checkpoints"} <= tables:
        raise CannotVerifyError(f"{path} has no tree yet: an older hub wrote it; start this version on it once")
    notes = collect(db, trail, kept, report)
    sealed = Sealed(db, trail, keys, report)
    stops = {checkpoint.size for _, checkpoint in notes.all} | {last for _, last, _, _ in sealed.known}
    roots = verify_rows(db, report, senders, sorted(stops), sealed)
    size = report.figures["size"]
    for first, last, root, _ in sealed.known:
        if roots.get(last, b"").hex() != root:
            report.wrong("segment", f"the segment {first}-{last} vouches for another tree of {last} entries")
    origins = sorted({checkpoint.origin for _, checkpoint in notes.all})
    if len(origins) > 1:
        report.wrong("checkpoint", f"checkpoints of more than one log: {', '.join(origins)}")
    for where, checkpoint in notes.all:
        if wrong := verify_checkpoint(where, checkpoint, roots, size):
            report.wrong("checkpoint", wrong)
    verify_signatures(notes, keys, witnesses, report, every=every)
    signed = max((checkpoint.size for _, checkpoint in notes.all), default=0)
    if size > signed:
        report.told.append(f"the last {size - signed} entries are under no signature yet")
    rows = db.execute("SELECT actor, incarnation, offset, n FROM spools").fetchall()
    places = {(actor, life): (offset, n) for actor, life, offset, n in rows}
    for name in sorted({*places, *senders.sent}):
        _, n = places.get(name, (0, 0))
        if senders.last(name) != n:
            label = f"{name[0]}/{name[1]}"
            report.wrong("end", f"{label} has {senders.last(name)} entries, but {n} were taken from its spool")
    report.figures["spooled"] = verify_spools(spools, places, report, senders)
    sealed.judge(senders.keeping)
    missing = {letter: receipt for letter, receipt in senders.heard.items() if not senders.is_sent(letter)}
    db.execute("COMMIT")
    # A hub writes meanwhile, and on record is what it has said before anybody hears it: in its spool, or stored by now.
    spooled, lasts = spooled_since(trail, places) if missing or senders.ends else (set(), {})
    db.execute("BEGIN")
    for name, n in senders.ends.items():
        _, taken = places.get(name, (0, 0))
        if senders.last(name) != n and (taken == n or n not in {taken_of(db, name), lasts.get(name)}):
            label = f"{name[0]}/{name[1]}"
            report.wrong(
                "end", f"{label} ended with its entry {n} on record, but its last one here is {senders.last(name)}"
            )
    since = sealed.letters_since() if missing else set()
    for letter, receipt in missing.items():
        if letter not in spooled and letter not in since and not is_stored(db, letter):
            report.wrong("letter", f"{letter} was heard ({receipt}), but nobody sent it")
    db.execute("COMMIT")
    report.figures |= {"origin": ", ".join(origins), "signed": signed, "incarnations": len(senders.sent)}


def spooled_since(trail: Path, places: dict[Name, tuple[int, int]]) -> tuple[set[str], dict[Name, int]]:
    """The letters in all spools as they are now, behind what is stored, and by incarnation the last number there."""
    letters, lasts = set(), dict[Name, int]()
    for name, path in spools_in(trail / "spool").items():
        with suppress(FileNotFoundError, ValueError, KeyError):  # stored and deleted, or damage that is told already
            for n, kind, _ in frames(path, *places.get(name, (0, 0)), Report()):
                lasts[name] = n
                if kind == "sent":
                    letters.add(f"{name[0]}/{name[1]}/{n}")
    return letters, lasts


def taken_of(db: sqlite3.Connection, name: Name) -> int:
    """How many entries of an incarnation are stored now."""
    row = db.execute("SELECT n FROM spools WHERE actor = ? AND incarnation = ?", name).fetchone()
    return int(row[0]) if row else 0


def is_stored(db: sqlite3.Connection, letter: str) -> bool:
    named = LETTER.fullmatch(letter)
    sql = "SELECT 1 FROM entries WHERE actor = ? AND incarnation = ? AND n = ? AND kind = 'sent'"
    return named is not None and db.execute(sql, (named[1], int(named[2]), int(named[3]))).fetchone() is not None


def lines_of(report: Report) -> list[str]:
    figures = report.figures
    if "export" in figures:
        rows = "rows not read" if figures["entries"] is None else f"{figures['entries']} rows"
        word = "broken" if report.findings else "whole"
        said = [f"the export is {word}: {rows} of the places {figures['first']} to {figures['last']}"]
        said.append(f"log {figures['origin']}, root {figures['root']} at {figures['size']}")
        said += [f"  wrong: {text}" for text in (*report.findings, *report.more())]
        return said + [f"  note: {text}" for text in report.told]
    head = "the trail is broken" if report.findings else "the trail is whole"
    counts = (
        f"{figures.get('entries', 0)} entries of {figures.get('incarnations', 0)} incarnations,"
        f" {figures.get('spooled', 0)} more in spools, {figures.get('checkpoints', 0)} checkpoints"
    )
    if figures.get("segments"):
        counts += f", {figures['segments']} segments"
    said = [f"{head}: {counts}"]
    if figures.get("origin"):
        said.append(
            f"log {figures['origin']}, root {figures['root']} at {figures['size']}, signed to {figures['signed']}"
        )
    said += [f"  wrong: {text}" for text in (*report.findings, *report.more())]
    return said + [f"  note: {text}" for text in report.told]


def document(report: Report) -> dict[str, Any]:  # Any: JSON
    whole = {"whole": not report.findings, **report.figures}
    return whole | {"findings": report.findings + report.more(), "told": report.told}


def run(arguments: argparse.Namespace, folder: Path) -> Report:
    """As the arguments of ``main`` have it.  Raises UsageError and CannotVerifyError."""
    try:
        keys = [Key.parse(text) for text in arguments.vkey]
        witnesses = [Key.parse(text) for text in arguments.witness_vkey]
    except ValueError as error:
        raise UsageError(str(error)) from error
    kept = [Path(file) for file in arguments.checkpoint]
    for path in kept:
        refuse_other_than_checkpoint(path)
    if is_export(folder):
        return verify_export(folder, keys, witnesses, kept, every=arguments.all)
    return verify(folder, keys, witnesses, kept, every=arguments.all)


def refuse_other_than_checkpoint(path: Path) -> None:
    """Raises UsageError: a file that never was a checkpoint says nothing against the trail."""
    try:
        Checkpoint.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} is no checkpoint ({error}); give a copy of the trail's `head`, or what a search or an export gave"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="hub_verify.py", description="Verify the trail of an ALL-USE Hub.")
    parser.add_argument("dir", metavar="DIR", type=Path, help="the hub's home, its trail folder, a copy, or an export")
    for flag, metavar, what in (
        ("--vkey", "KEY", "public key of the hub, name+hash+key"),
        ("--witness-vkey", "KEY", "of a witness, who must have cosigned"),
        ("--checkpoint", "FILE", "a checkpoint that was kept elsewhere"),
    ):
        parser.add_argument(flag, action="append", default=[], metavar=metavar, help=f"{what}; may be given again")
    parser.add_argument("--all", action="store_true", help="the signature of every checkpoint, however many")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    arguments = parser.parse_args(argv)
    try:
        report = run(arguments, arguments.dir)
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    except (CannotVerifyError, OSError, sqlite3.Error) as error:
        sys.stderr.write(f"error: {error}\n")
        return UNVERIFIED
    lines = [json.dumps(document(report), ensure_ascii=False)] if arguments.json else lines_of(report)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return BROKEN if report.findings else WHOLE


if __name__ == "__main__":
    sys.exit(main())
