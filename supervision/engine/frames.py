"""Frames: how a byte stream between two peers is cut into messages.

A frame is a header and a payload.  Every header carries the cumulative count of the peer's messages *handled* on this
connection, so acknowledgements ride on whatever is sent anyway.  Counts are unsigned 32 bit and wrap round.

Lengths are checked before anything is allocated: a frame above the limit ends the connection.  Nothing is unpickled
here.

Pure.
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

HEADER = Struct("<IIBII")
"""Payload length, handled count, kind, number of the sender's request, number of the request that this answers."""

HEADER_BYTES = HEADER.size

COUNT_MASK = 0xFFFF_FFFF

LARGE_BYTES = 64 * 1024
"""From here on a payload is read straight into a buffer of its own."""


class Kind(IntEnum):
    """MESSAGE and CONTROL are handled by an actor and counted in acknowledgements; CONTROL goes ahead of other peers'
    backlog.  NAK returns the message whose number is in
    ``asked``; its payload says why.  PART asks to close an idle connection; the other side agrees with PARTED or
    refuses with STAY."""

    MESSAGE = 1
    CONTROL = 2
    ACK = 3
    NAK = 4
    HELLO = 5
    PART = 6
    PARTED = 7
    STAY = 8


_KINDS = {int(kind): kind for kind in Kind}

_pack = HEADER.pack
_unpack = HEADER.unpack_from
_new = tuple.__new__


class FrameError(Exception):
    """The stream is not ours to read: an unknown kind, or a length above the limit."""


class Frame(NamedTuple):
    kind: Kind
    handled: int
    asked: int
    answers: int
    payload: bytes | bytearray


def header(kind: Kind, length: int, handled: int, asked: int = 0, answers: int = 0) -> bytes:
    return _pack(length, handled & COUNT_MASK, kind, asked, answers)


def distance(later: int, earlier: int) -> int:
    """How many counts lie between two wrapped counts."""
    return (later - earlier) & COUNT_MASK


class FrameReader:
    """Puts frames together from whatever pieces the kernel hands out.

    ``limit``: largest payload accepted, in bytes.  Until the peer is trusted, one frame is given out and the rest kept.
    """

    __slots__ = ("_filled", "_head", "_is_trusting", "_large", "_limit", "_rest", "is_midway")

    def __init__(self, limit: int) -> None:
        self.is_midway = False  # a large payload is being read
        self._limit = limit
        self._is_trusting = False
        self._rest = b""
        self._head: Frame | None = None  # of the large frame being read
        self._large = bytearray()
        self._filled = 0

    def trust(self, limit: int) -> None:
        self._limit = limit
        self._is_trusting = True

    def room(self) -> memoryview | None:
        """Where the next bytes belong while a large payload is being read; None otherwise."""
        return memoryview(self._large)[self._filled :] if self.is_midway else None

    def filled(self, count: int) -> list[Frame]:
        """Take note of ``count`` bytes written to ``room()``; the large frame, once it is whole."""
        assert self._head is not None, "room() was given out"
        self._filled += count
        if self._filled < len(self._large):
            return []
        frame = self._head._replace(payload=self._large)
        self._head, self._large, self._filled = None, bytearray(), 0
        self.is_midway = False
        return [frame]

    def feed(self, data: bytes | memoryview) -> list[Frame]:
        """The frames completed by ``data``.  Raises FrameError; nothing may be fed after that."""
        assert self._head is None, "a large payload is read through room()"
        if self._rest:
            data = self._rest + bytes(data)
        frames: list[Frame] = []
        at, end = 0, len(data)
        while end - at >= HEADER_BYTES:
            length, handled, number, asked, answers = _unpack(data, at)
            kind = _KINDS.get(number)
            if kind is None:
                raise FrameError(f"no kind of frame has the number {number}")
            if length > self._limit:
                raise FrameError(f"a frame of {length} bytes was announced; at most {self._limit} are taken")
            start = at + HEADER_BYTES
            stop = start + length
            if stop > end:
                if length < LARGE_BYTES:
                    break
                self.is_midway = True
                self._head = Frame(kind, handled, asked, answers, b"")
                self._large = bytearray(length)
                self._filled = end - start
                self._large[: self._filled] = data[start:end]
                at = end
                break
            # As Frame(...), without the Python code that a named tuple has for that.
            frames.append(_new(Frame, (kind, handled, asked, answers, bytes(data[start:stop]))))
            at = stop
            if not self._is_trusting:
                break
        self._rest = bytes(data[at:]) if at < end else b""
        return frames
