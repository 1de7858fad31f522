"""A link: one connection with one peer, used in both directions.

Letters wait in a queue, leave in as few writes as possible, and are kept until the peer has counted them as handled;
what is neither handled nor refused when the link is lost is known exactly.  A short write freezes what was already put
into frames; the count of handled messages in a header is the one at that moment.
"""

import socket
from collections import deque
from itertools import islice

from alluse_hub.supervision.engine.frames import (
    COUNT_MASK,
    LARGE_BYTES,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    distance,
    header,
)
from alluse_hub.supervision.engine.inbox import Source
from alluse_hub.supervision.engine.letters import Letter

WRITE_FRAMES_MAX = 400
WRITE_BYTES_MAX = 256 * 1024
"""One write takes up to this many frames and bytes: enough that the system call no longer counts."""

CHUNKS_MAX = 64
"""Pieces in one sendmsg(2); far below the kernel's IOV_MAX of 1,024."""

HELLO_BYTES_MAX = 128
"""All that a peer may say before it is proved: its address."""


class LinkLostError(Exception):
    """The peer has closed the connection, or is gone."""


class Note:
    """A frame of the transport's own: never counted, never handed to an actor."""

    __slots__ = ("answers", "asked", "kind", "payload")

    def __init__(self, kind: Kind, payload: bytes = b"", asked: int = 0) -> None:
        self.kind = kind
        self.payload = payload
        self.asked = asked
        self.answers = 0


class Link(Source):
    """``path``: the peer's address, empty until it is proved.  ``pid``: the peer's process, from the kernel.

    Without a socket (``sock`` None) it is still being dialled, and letters wait.
    """

    __slots__ = (
        "_reader",
        "acked",
        "handled",
        "is_behind",
        "is_lost",
        "is_mute",
        "is_parting",
        "path",
        "pid",
        "queue",
        "queued_bytes",
        "received",
        "sender",
        "sock",
        "told",
        "turn",
        "turn_writes",
        "unacked",
        "wants_write",
        "wire",
    )

    def __init__(self, sock: socket.socket | None, path: str, pid: int) -> None:
        super().__init__()
        self.sock = sock
        self.path = path
        self.pid = pid
        self.queue: deque[Letter | Note] = deque()
        self.queued_bytes = 0
        self.unacked: deque[Letter | None] = deque()  # None: refused by the peer, but still to be counted
        self.sender: object = None  # the peer's address as actors see it, made by the loop
        self.received = 0
        self.handled = 0
        self.told = 0
        self.is_behind = False  # the peer was given time to catch up, in vain
        self.is_lost = False
        self.is_mute = False  # the peer takes no more; what it wrote is still to be read
        self.is_parting = False
        self.wants_write = False
        self.turn = 0
        self.turn_writes = 0
        self.acked = 0  # the last count of the peer's
        self._reader = FrameReader(HELLO_BYTES_MAX)
        self.wire: deque[bytes | memoryview] = deque()  # frames that the kernel has not taken yet

    def trust(self, frame_max: int) -> None:
        """The peer is proved: take frames of full size from it."""
        self._reader.trust(frame_max)

    # --- out ---------------------------------------------------------------------------------------------------------

    @property
    def is_held_up(self) -> bool:
        """Something waits to be written, and can be."""
        return bool(self.wire or self.queue) and not (self.is_lost or self.is_mute)

    @property
    def is_idle(self) -> bool:
        """Nothing is under way in either direction."""
        return not (self.wire or self.queue or self.unacked or self.mail) and self.handled == self.received == self.told

    def put(self, item: Letter | Note) -> None:
        self.queue.append(item)
        self.queued_bytes += len(item.payload)

    def put_first(self, note: Note) -> None:
        """Ahead of everything not yet in frames: a NAK must arrive before a count that includes its message."""
        self.queue.appendleft(note)
        self.queued_bytes += len(note.payload)

    def write(self, letter: Letter) -> bool:
        """The plain case, one small letter and nothing that waits: one frame, one system call, no queue.  False, and
        nothing is done, if the letter has to be queued.  What the kernel did not take of it is left to ``flush``."""
        if self.wire or self.queue or self.sock is None or self.is_mute or self.is_lost or self.is_parting:
            return False
        payload = letter.payload
        length = len(payload)
        if length >= LARGE_BYTES:
            return False
        told = self.handled
        frame = header(letter.kind, length, told, letter.asked, letter.answers) + payload
        try:
            sent = self.sock.send(frame)
        except OSError:
            return False  # flush meets it again, and deals with it
        self.told = told
        self.unacked.append(letter)
        if sent < len(frame):
            self.wire.append(memoryview(frame)[sent:])
        return True

    def flush(self) -> bool:
        """Write what the kernel takes; whether there is nothing left to wait for."""
        if self.sock is None or self.is_mute or self.is_lost:
            return True
        while self.wire or self._gather():
            try:
                if len(self.wire) == 1:
                    sent = self.sock.send(self.wire[0])
                else:
                    sent = self.sock.sendmsg(list(islice(self.wire, CHUNKS_MAX)))
            except BlockingIOError:
                return False
            except OSError:
                self.is_mute = True
                return True
            self._written(sent)
        return True

    def _gather(self) -> bool:
        """Put letters into frames, up to one write's worth; whether there were any."""
        if not self.queue or self.is_parting:
            return False
        told = self.handled
        parts: list[bytes] = []
        size = 0
        for _ in range(min(len(self.queue), WRITE_FRAMES_MAX)):
            item = self.queue.popleft()
            payload = item.payload
            length = len(payload)
            if isinstance(item, Letter):
                self.unacked.append(item)
            parts.append(header(item.kind, length, told, item.asked, item.answers))
            if length < LARGE_BYTES:
                parts.append(payload)
            else:
                self.wire.append(b"".join(parts))
                self.wire.append(memoryview(payload))
                parts = []
            self.queued_bytes -= length
            size += length
            if size >= WRITE_BYTES_MAX:
                break
        if parts:
            self.wire.append(b"".join(parts))
        self.told = told
        return True

    def _written(self, sent: int) -> None:
        wire = self.wire
        while wire and sent >= len(wire[0]):
            sent -= len(wire.popleft())
        if sent:
            wire[0] = memoryview(wire[0])[sent:]

    def acknowledge(self, handled: int) -> list[Letter]:
        """The peer has handled this many by now; those letters that wanted to know.  Raises FrameError."""
        unacked = self.unacked
        count = (handled - self.acked) & COUNT_MASK
        if count > len(unacked):
            raise FrameError(f"{count} messages were acknowledged of {len(unacked)} that were sent")
        self.acked = handled
        receipts = []
        for _ in range(count):
            letter = unacked.popleft()
            if letter is not None and letter.wants_receipt:
                receipts.append(letter)
        return receipts

    def refused(self, number: int) -> Letter | None:
        """The letter that the peer could not make sense of.  Raises FrameError."""
        at = distance(number, self.acked) - 1
        if not 0 <= at < len(self.unacked):
            raise FrameError(f"message {number} was refused, but is not waiting to be handled")
        letter, self.unacked[at] = self.unacked[at], None
        return letter

    def undelivered(self) -> list[Letter]:
        """Take back all letters not known to be handled, in the order they were sent."""
        left = [letter for letter in self.unacked if letter is not None]
        left += [item for item in self.queue if isinstance(item, Letter)]
        self.unacked.clear()
        self.queue.clear()
        self.wire.clear()
        self.queued_bytes = 0
        return left

    # --- in ----------------------------------------------------------------------------------------------------------

    def read_on(self) -> list[Frame]:
        """What came along with the greeting.  Raises FrameError."""
        return self._reader.feed(b"")

    def read(self, buffer: memoryview) -> list[Frame]:
        """One read's worth of frames.  Raises LinkLostError, FrameError."""
        assert self.sock is not None, "only a connected link is read"
        reader = self._reader
        room = reader.room() if reader.is_midway else None
        try:
            count = self.sock.recv_into(buffer if room is None else room)
        except BlockingIOError:
            return []
        except OSError as error:
            raise LinkLostError(str(error)) from error
        if count == 0:
            raise LinkLostError("closed by the peer")
        return reader.feed(buffer[:count]) if room is None else reader.filled(count)
