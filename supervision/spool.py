"""The spool: what an actor says goes into a file of its own before it goes anywhere else.

One append-only file per incarnation of an actor, ``<actor>@<incarnation>.spool``, written with one ``write(2)`` a turn.
When ``write`` has returned, the entries survive the death of any process (*process-safe*); against a power cut the
auditor makes them safe, or ``sync`` does while no auditor lives.  The rule is the write-ahead log's: record, then act.

A frame is a header (magic, version, kind, flags, length, number, CRC-32) and a JSON object.  The checksum covers all
but itself, a frame is never empty, and its number is that of the frame before it plus one; so a cut, a zero-filled
tail or a flipped bit ends the reading and is never taken for an entry.  Frames once whole are never taken back, since
the auditor may have read them.

Whoever waits for an entry to be power-safe also touches ``BELL``, so that the auditor may take its time otherwise.

Space is taken from the disk ahead of what is written, so that a full disk never cuts a turn in two: ``SpoolFullError``
comes before the first byte, while ``RESERVE_BYTES`` are still there for what must be written all the same.

A file may grow to ``FILE_BYTES_MAX``; parts of one incarnation would be named ``<actor>@<incarnation>.<part>.spool``.
"""

import contextlib
import ctypes
import errno
import json
import os
import re
import struct
import zlib
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quote
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.trail import EntryKind

FILE_BYTES_MAX = 4_000_000_000
"""A full file refuses further entries; the actor fails, and its next incarnation begins a new one."""

FRAME_BYTES_MAX = 20_000_000
"""Above ``wire.MESSAGE_BYTES_MAX`` and its envelope; a length beyond it is damage, not an entry."""

CHUNK_BYTES = 1 << 20
"""Read at a time: large enough that system calls do not count, small enough to hold for every spool."""

RESERVE_BYTES = 64 * 1024
"""Kept free behind the end of each spool: some hundred entries of what restricts, or says that something ended."""

AHEAD_BYTES = 64 * 1024
"""Taken at once beyond the reserve, so that most turns cost no second call of the system."""

SUFFIX = ".spool"

BELL = "power.bell"
"""In the folder of the spools: written to when an entry that somebody waits for has been written."""

OPEN_TRIES_MAX = 100
"""Incarnations that may be taken by others between our look at the directory and our create."""

_NAME = re.compile(r"(?P<actor>[a-z][a-z0-9_.-]{0,47})@(?P<incarnation>[1-9][0-9]{0,17})\.spool")
_HEAD = struct.Struct("<4sBBBIQ")  # magic, version, kind, flags, length of the JSON, number
_SUM = struct.Struct("<I")
_HEADER_BYTES = _HEAD.size + _SUM.size
_MAGIC = b"HUBt"
_VERSION = 1
_POWER = 1  # flag: the actor waits for this entry to be safe against a power cut
_BODY = b',"body":'
_ENVELOPE = json.JSONDecoder()

_CODES = {EntryKind.HEARD: 1, EntryKind.FACT: 2, EntryKind.SENT: 3, EntryKind.DID: 4}
_KINDS = {code: kind.value for kind, code in _CODES.items()}


_KEEP_SIZE = 1  # of fallocate(2)
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class SpoolFullError(TrailError):
    """There is no space for this turn.  Nothing of it was written; the same may be written later."""


class Frame(NamedTuple):
    """One entry as its actor hands it over.  ``body``: canonical JSON of the message, or nothing."""

    kind: EntryKind
    message: str
    body: bytes
    to: str = ""
    letter: str = ""
    cause: str = ""
    correlation: str = ""
    power: bool = False


class Veiling(Protocol):
    """What stands between an actor and the disk, where something is declared personal: ``veil`` has it."""

    def sealed(self, frames: Sequence[Frame], actor: str, incarnation: int, n: int) -> Sequence[Frame]:
        """As they may be written; the first of them becomes entry ``n``.  Raises SpoolFullError, TrailError."""

    def shadow(self, kind: str, body: bytes) -> bytes:
        """What a letter in hand may be known by on the disk."""


class SpoolEntry(NamedTuple):
    """One entry as read back, cheaply: ``kind`` is the value of an ``EntryKind``, ``body`` JSON text or empty."""

    n: int
    kind: str
    message: str
    to: str
    letter: str
    cause: str
    correlation: str
    at: float
    wall: float
    power: bool
    body: str


class ReadResult(NamedTuple):
    """``offset``: the end of the last whole frame; read on from there.  ``torn``: bytes behind it that are no frame.

    ``damaged``: those bytes cannot become a frame by waiting for more; else it may be a write under way.
    """

    entries: list[SpoolEntry]
    offset: int
    torn: int
    damaged: bool = False


class SpoolName(NamedTuple):
    actor: str
    incarnation: int

    def __str__(self) -> str:
        return f"{self.actor}@{self.incarnation}{SUFFIX}"

    @classmethod
    def parse(cls, file_name: str) -> Self | None:
        """None for a file that is no spool."""
        match = _NAME.fullmatch(file_name)
        return cls(match["actor"], int(match["incarnation"])) if match else None


def spools_in(directory: Path) -> list[SpoolName]:
    """All spools of the directory, by actor and incarnation; none where there is no directory yet."""
    try:
        files = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(name for name in map(SpoolName.parse, files) if name)


def latest_incarnation(directory: Path, actor: str) -> int:
    """The highest incarnation of the actor that has a spool, 0 if none has."""
    return max((name.incarnation for name in spools_in(directory) if name.actor == actor), default=0)


class Spool:
    """The writing end: one owner, one thread.  ``n`` is the number of the last frame written, 0 before the first."""

    def __init__(self, path: Path, name: SpoolName, fd: int, veil: Veiling | None = None) -> None:
        self.path = path
        self.veil = veil
        self.actor = name.actor
        self.incarnation = name.incarnation
        self.n = 0
        self._fd = fd
        self._bell_fd = -1
        self._size_bytes = 0
        self._taken_bytes = 0  # from the disk, from the beginning of the file on
        self._takes_ahead = True  # as far as the file system can

    @classmethod
    def open(cls, directory: Path, actor: str, veil: Veiling | None = None) -> Self:
        """A new incarnation's spool, numbered one above the highest there; no two callers get the same.

        Makes the directory if need be.  Raises CallerError for a name no actor may have, TrailError if it cannot write.
        """
        if SpoolName.parse(f"{actor}@1{SUFFIX}") is None:
            raise CallerError(f"{actor!r} is no name for an actor: a letter, then up to 47 of a-z, 0-9, '_', '.', '-'")
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for _ in range(OPEN_TRIES_MAX):
                name = SpoolName(actor, latest_incarnation(directory, actor) + 1)
                path = directory / str(name)
                with contextlib.suppress(FileExistsError):
                    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
                    sync_directory(directory)  # else a power cut could let the number come again
                    return cls(path, name, fd, veil)
        except OSError as error:
            raise TrailError(
                f"no spool for {actor} in {directory}: {error}; is it writable, with space left?"
            ) from error
        raise TrailError(
            f"{OPEN_TRIES_MAX} incarnations of {actor} were taken in {directory}; does it start in a loop?"
        )

    def write(self, frames: Sequence[Frame], at: float, wall: float, *, urgent: bool = False) -> int:
        """Number the frames on from ``n`` and write them at once; the number of the last.

        ``at``: hub time, ``wall``: seconds since 1970, both of the turn; ``urgent``: also from the reserve.  Raises
        SpoolFullError if there is no space, and then nothing is written; TrailError if not all is written; then ``n``
        counts the whole frames that are in the file, and nothing stands behind them.
        """
        if self.veil is not None:
            frames = self.veil.sealed(frames, self.actor, self.incarnation, self.n + 1)
        times = f'"at":{at!r},"wall":{wall!r}'
        packed = [_pack(frame, n, times) for n, frame in enumerate(frames, start=self.n + 1)]
        data = b"".join(packed)
        if self._size_bytes + len(data) > FILE_BYTES_MAX:
            raise TrailError(
                f"{self.path} is full at {FILE_BYTES_MAX} bytes; restart {self.actor} to begin a new spool"
            )
        if self._size_bytes + len(data) + RESERVE_BYTES > self._taken_bytes and not urgent:
            self._take_space(self._size_bytes + len(data) + RESERVE_BYTES)
        try:
            if not os.fstat(self._fd).st_nlink:
                raise self._failed("somebody deleted it; what is written there is lost")
            written = os.write(self._fd, data)
        except OSError as error:
            raise self._full() if error.errno in _NO_SPACE else self._failed(str(error)) from error
        if written < len(data):
            self._keep_whole(packed, written)
            raise self._failed(f"{written} of {len(data)} bytes written")
        self._size_bytes += written
        self.n += len(packed)
        for frame in frames:
            if frame.power:
                self._ring()
                break
        return self.n

    def _take_space(self, wanted_bytes: int) -> None:
        """Up to that place and some more, without changing what the file holds.  Raises SpoolFullError."""
        for end in (wanted_bytes + AHEAD_BYTES, wanted_bytes):
            if not self._takes_ahead:
                return  # then a full disk shows at the write itself, and there is no reserve
            number = _take(self._fd, end)
            if not number:
                self._taken_bytes = end
                return
            self._takes_ahead = number in _NO_SPACE or number == errno.EINTR
        raise self._full()

    def _full(self) -> SpoolFullError:
        return SpoolFullError(f"disk full: free some space ({self.path.parent})")

    def _ring(self) -> None:
        """Hurry the auditor; where that cannot be, it comes by itself within its time."""
        with contextlib.suppress(OSError):
            if self._bell_fd < 0:
                self._bell_fd = os.open(self.path.parent / BELL, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._bell_fd, b"!", 0)

    def sync(self) -> None:
        """Make all written frames power-safe by our own means: milliseconds.  Raises TrailError."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise self._failed(str(error)) from error

    def close(self) -> None:
        """May be said twice; the file stays for the auditor."""
        for fd in (self._fd, self._bell_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._bell_fd = -1

    def _keep_whole(self, packed: list[bytes], written: int) -> None:
        """After a short write: count the frames that got in whole, and cut off the one that did not."""
        for frame in packed:
            if written < len(frame):
                break
            written -= len(frame)
            self._size_bytes += len(frame)
            self.n += 1
        try:
            os.ftruncate(self._fd, self._size_bytes)
        except OSError as error:
            self.close()  # a frame behind a torn one would never be read
            raise self._failed(f"a torn entry could not be cut off: {error}") from error

    def _failed(self, why: str) -> TrailError:
        return TrailError(f"cannot write {self.path} after entry {self.n}: {why}; free or mend the disk, then restart")


def read(path: Path, offset: int = 0, after_n: int = 0, *, entries_max: int | None = None) -> ReadResult:
    """The whole frames from ``offset`` on, the first of them numbered ``after_n + 1``, at most ``entries_max``.

    Stops at a torn or damaged tail.  A file shorter than ``offset`` holds nothing new: after a power cut the store may
    know more than the spool.  Raises FileNotFoundError, and OSError as the disk does.
    """
    entries: list[SpoolEntry] = []
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        buffer = b""
        start = 0  # of the next frame, in the buffer
        while entries_max is None or len(entries) < entries_max:
            need, entry = _unpack(buffer, start, after_n + 1)
            if entry is not None:
                entries.append(entry)
                after_n += 1
                start += need
                offset += need
                continue
            if not need:
                return ReadResult(entries, offset, os.fstat(file.fileno()).st_size - offset, damaged=True)
            missing = need - (len(buffer) - start)
            more = file.read(max(CHUNK_BYTES, missing))
            if not more:
                return ReadResult(entries, offset, len(buffer) - start)
            buffer = buffer[start:] + more
            start = 0
    return ReadResult(entries, offset, 0)


def _take(fd: int, end: int) -> int:
    """fallocate(2) from the beginning of the file to ``end``; 0, or the number of the error."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.fallocate(fd, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(end))
    return ctypes.get_errno() if found else 0


def _pack(frame: Frame, n: int, times: str) -> bytes:
    """Joined from ready pieces, ``times`` among them: the body is never parsed here."""
    kind, message, content, to, letter, cause, correlation, power = frame
    text = (
        f'{{"message":{quote(message)},"to":{quote(to)},"letter":{quote(letter)},'
        f'"cause":{quote(cause)},"correlation":{quote(correlation)},{times}'
    ).encode()
    body = b"".join((text, _BODY, content, b"}")) if content else text + b"}"
    if len(body) > FRAME_BYTES_MAX:
        raise CallerError(f"a {message} of {len(body)} bytes; an entry takes {FRAME_BYTES_MAX}")
    head = _HEAD.pack(_MAGIC, _VERSION, _CODES[kind], _POWER if power else 0, len(body), n)
    return b"".join((head, _SUM.pack(zlib.crc32(body, zlib.crc32(head))), body))


def _unpack(buffer: bytes, start: int, n: int) -> tuple[int, SpoolEntry | None]:
    """The frame at ``start`` and its size; without a frame, the bytes it takes to tell, or 0 if there can be none."""
    if len(buffer) - start < _HEADER_BYTES:
        return _HEADER_BYTES, None
    magic, version, code, flags, length, number = _HEAD.unpack_from(buffer, start)
    if magic != _MAGIC or version != _VERSION or code not in _KINDS or not 0 < length <= FRAME_BYTES_MAX or number != n:
        return 0, None
    size = _HEADER_BYTES + length
    if len(buffer) - start < size:
        return size, None
    head_end = start + _HEAD.size
    json_text = buffer[start + _HEADER_BYTES : start + size]
    if _SUM.unpack_from(buffer, head_end)[0] != zlib.crc32(json_text, zlib.crc32(buffer[start:head_end])):
        return 0, None
    envelope, _, body = json_text.partition(_BODY)  # the envelope's texts are quoted, so the first match is the border
    fields, _ = _ENVELOPE.raw_decode((envelope + b"}" if body else envelope).decode())
    return size, SpoolEntry(
        n,
        _KINDS[code],
        fields["message"],
        fields["to"],
        fields["letter"],
        fields["cause"],
        fields["correlation"],
        fields["at"],
        fields["wall"],
        bool(flags & _POWER),
        body[:-1].decode(),
    )


def sync_directory(directory: Path) -> None:
    """Make the names in it power-safe.  Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have nothing to sync here
            raise
    finally:
        os.close(fd)
