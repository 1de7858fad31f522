"""The files of a segment: entries in bundles, and who wrote which number.

A *bundle* has up to 256 entries of one class, in the order of their places, compressed with zlib.  What is compressed:

| bytes | what |
|---|---|
| 8 | the place, big-endian |
| 2 | length of the entry, as in the bundles of C2SP tlog-tiles |
| as said | the entry: the very bytes that its leaf hashes, see ``leaves`` |
| 4, as said | only where that has its body by digest: length of the body, and the body |

A file of bundles is one after the other, each with the length of its compressed bytes (4 bytes) in front.  C2SP's own
bundles have all 256 neighbours; these have only those of one class, so that a class can expire as one file.

``numbers`` says for each place of the segment which class the entry is of, who wrote it as which number, and whether it
was a letter sent: what it takes to find a gap or a letter without a sender when the entry itself has expired.  It has
nothing that was said.  A JSON object of the senders, then three columns, each compressed with its length in front: the
sender's position (4 bytes), class and letter (1 byte: the class's position, plus 128 for a letter), and by how much the
number is above the sender's last one in this segment (8 bytes, signed).  All little-endian, as ``array`` writes here.

Pure.
"""

import json
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from struct import Struct
from struct import error as StructError  # noqa: N812  # a class, whatever it is called
from typing import Any, AnyStr, NamedTuple

from alluse_hub.actors.auditor.leaves import JSON_DIGEST, NO_BODY, VERSION, encoded

BUNDLE_ENTRIES = 256

LEVEL = 6
"""Of zlib: 9 takes twice as long for a hundredth."""

BUNDLE_BYTES_MAX = 1 << 31
"""Of a bundle as it was before: no more is unpacked, whatever a file says."""

LETTER = 128

IS_LITTLE = array("H", [1]).tobytes() == b"\x01\x00"
"""This machine, whose order ``array`` has."""

_HEAD = Struct(">BBBQQdd9I")
_PLACE = Struct(">QH")
_LENGTH = Struct(">I")

Row = tuple[Any, ...]  # Any: the columns of ENTRY_COLUMNS, of four types
Record = tuple[int, Row]
"""A place, and the entry there."""


class BundleError(ValueError):
    """Not as it was written; the text says what."""


def decoded(entry: bytes, long_body: bytes | None = None) -> Row:
    """The columns of an entry.  Raises BundleError."""
    version, power, form, incarnation, n, at, wall, *lengths, size = _HEAD.unpack_from(entry)
    if version != VERSION or form > JSON_DIGEST:
        raise BundleError(f"an entry of form {version}.{form}, which this version of the hub does not know")
    start = _HEAD.size + sum(lengths)
    raw = entry[_HEAD.size : start]
    text = raw.decode()
    texts = _cut(text, lengths) if len(text) == len(raw) else [part.decode() for part in _cut(raw, lengths)]
    if form == NO_BODY:
        body = None
    elif form == JSON_DIGEST:
        if long_body is None or len(long_body) != size or sha256(long_body).digest() != entry[start:]:
            raise BundleError("a body that is not the one of its entry")
        body = long_body.decode()
    else:
        body = entry[start : start + size].decode()
    actor, kind, message, peer, letter, cause, correlation, subject = texts
    return (actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, subject, body)


def _cut(text: AnyStr, lengths: Sequence[int]) -> list[AnyStr]:
    found, start = [], 0
    for length in lengths:
        found.append(text[start : start + length])
        start += length
    return found


def packed(records: Sequence[Record]) -> bytes:
    """One bundle as it stands in the file, with its length in front."""
    parts = []
    for (place, row), entry in zip(records, encoded(row for _, row in records), strict=True):
        parts += [_PLACE.pack(place, len(entry)), entry]
        if entry[2] == JSON_DIGEST:
            body = row[-1].encode()
            parts += [_LENGTH.pack(len(body)), body]
    made = zlib.compress(b"".join(parts), LEVEL)
    return _LENGTH.pack(len(made)) + made


class Bundle:
    """One bundle unpacked; its entries are decoded when they are asked for."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at: dict[int, tuple[int, int, int]] = {}  # by place: begin and end of the entry, end of its body
        start = 0
        while start < len(raw):
            place, length = _PLACE.unpack_from(raw, start)
            begin = start + _PLACE.size
            start = end = begin + length
            if raw[begin + 2] == JSON_DIGEST:
                start += _LENGTH.size + _LENGTH.unpack_from(raw, end)[0]
            self._at[place] = begin, end, start

    @property
    def places(self) -> list[int]:
        return list(self._at)

    def row(self, place: int) -> Row:
        """Raises BundleError, KeyError."""
        begin, end, beyond = self._at[place]
        return decoded(self._raw[begin:end], self._raw[end + _LENGTH.size : beyond] if beyond > end else None)

    def rows(self) -> Iterator[Record]:
        for place in self._at:
            yield place, self.row(place)


def unpacked(made: bytes) -> Bundle:
    """``made``: without its length.  Raises BundleError."""
    try:
        reader = zlib.decompressobj()
        raw = reader.decompress(made, BUNDLE_BYTES_MAX)
        if not reader.eof or reader.unused_data:
            raise BundleError("a bundle that does not end where it should")
        return Bundle(raw)
    except (zlib.error, StructError, ValueError, IndexError) as error:
        raise BundleError(f"a bundle that cannot be unpacked: {error}") from error


def lengths(raw: bytes) -> int:
    """Of the bundle that follows."""
    return int(_LENGTH.unpack(raw)[0])


LENGTH_BYTES = _LENGTH.size


# --- numbers --------------------------------------------------------------------------------------------------------


class Number(NamedTuple):
    """Of one place.  ``retention``: position of the class."""

    actor: str
    incarnation: int
    n: int
    retention: int
    is_letter: bool


class Numbers:
    """The columns as they grow, or as they were read."""

    def __init__(self) -> None:
        self.senders: dict[tuple[str, int], int] = {}
        self._who = array("I")
        self._what = array("B")
        self._step = array("q")
        self._last: list[int] = []

    def __len__(self) -> int:
        return len(self._who)

    def add(self, rows: Iterable[Row], retentions: Iterable[int]) -> None:
        for row, retention in zip(rows, retentions, strict=True):
            name = row[0], row[1]
            who = self.senders.get(name)
            if who is None:
                who = self.senders[name] = len(self.senders)
                self._last.append(0)
            self._who.append(who)
            self._what.append(retention | (LETTER if row[3] == "sent" else 0))
            self._step.append(row[2] - self._last[who])
            self._last[who] = row[2]

    def packed(self) -> bytes:
        head = json.dumps({"senders": list(self.senders)}).encode()
        columns = (head, *(_little(column).tobytes() for column in (self._who, self._what, self._step)))
        made = [zlib.compress(column, LEVEL) for column in columns]
        return b"".join(part for one in made for part in (_LENGTH.pack(len(one)), one))

    @classmethod
    def parse(cls, raw: bytes) -> "Numbers":
        """Raises BundleError."""
        made = cls()
        try:
            parts = []
            while raw:
                length = lengths(raw[:LENGTH_BYTES])
                parts.append(zlib.decompress(raw[LENGTH_BYTES : LENGTH_BYTES + length]))
                raw = raw[LENGTH_BYTES + length :]
            head, who, what, step = parts
            made.senders = {(str(a), int(i)): at for at, (a, i) in enumerate(json.loads(head)["senders"])}
            for column, part in ((made._who, who), (made._what, what), (made._step, step)):  # its own
                column.frombytes(part)
                if not IS_LITTLE:
                    column.byteswap()
            if not len(made._who) == len(made._what) == len(made._step):  # its own
                raise BundleError("the columns of the numbers are not of one length")
        except (ValueError, KeyError, TypeError, StructError, zlib.error) as error:
            raise BundleError(f"numbers that cannot be read: {error}") from error
        return made

    def __iter__(self) -> Iterator[Number]:
        names = list(self.senders)
        last = [0] * len(names)
        for who, what, step in zip(self._who, self._what, self._step, strict=True):
            last[who] += step
            actor, incarnation = names[who]
            yield Number(actor, incarnation, last[who], what & ~LETTER, bool(what & LETTER))


def _little(column: "array[int]") -> "array[int]":
    if IS_LITTLE:
        return column
    swapped = array(column.typecode, column)
    swapped.byteswap()
    return swapped
