"""The hub's side of a witness: each new head is shown to it, and its cosignature kept beside ours.

A thread of its own asks, so that a witness that is slow or gone stops nobody; the newest head only, one at a time.
After a failure it is asked again after ``RETRY_S``, doubling to ``RETRY_MAX_S``, as long as there is a head that it has
not signed.  What a witness refuses is told as a fact, once for each reason.
"""

import http.client
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from alluse_hub.actors.auditor.merkle import consistency
from alluse_hub.actors.auditor.notes import Checkpoint, Note, NoteError, Signature, Vkey
from alluse_hub.actors.auditor.store import Store
from alluse_hub.actors.auditor.witnessing import Request
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import WitnessHeard

TIMEOUT_S = 5.0
RETRY_S = 5.0
RETRY_MAX_S = 300.0
ANSWER_BYTES_MAX = 64_000

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """``status`` 0: there was none, and ``text`` says why."""

    status: int
    text: str


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def ask(address: str, request: str) -> Answer:
    """``address``: ``unix:`` and the path of a socket."""
    connection = UnixConnection(address.removeprefix("unix:"))
    try:
        connection.request("POST", "/add-checkpoint", request.encode())
        response = connection.getresponse()
        return Answer(response.status, response.read(ANSWER_BYTES_MAX).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, str(error) or type(error).__name__)
    finally:
        connection.close()


class Cosigner:
    """Belongs to the thread of the store, but for the one thread that asks.  ``ring`` wakes the former."""

    def __init__(
        self,
        store: Store,
        address: str,
        key: Vkey | None,
        tell: Callable[[Message], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ring: Callable[[], None] = lambda: None
        self._ringing = threading.Lock()
        self._store = store
        self._address = address
        self._key = key
        self._tell = tell
        self._clock = clock
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._asked: Note | None = None
        self._newest: Note | None = None  # not cosigned yet
        self._old = 0  # how far the witness is, as far as we know
        self._again_at = 0.0
        self._failures = 0
        self._told: str | None = None  # the reason of its last refusal, empty after a cosignature

    def close(self) -> None:
        """Whatever is answered from now on wakes nobody."""
        with self._ringing:
            self.ring = lambda: None

    def show(self, note: Note) -> None:
        self._newest = note

    def due_s(self) -> float | None:
        """How long until it has to be asked; None if there is nothing to ask, or it has not answered yet."""
        if self._newest is None or self._asked is not None:
            return None
        return max(0.0, self._again_at - self._clock())

    def turn(self) -> None:
        while self._asked is not None and not self._answers.empty():
            self._hear(self._asked, self._answers.get())
        if self._newest is not None and self.due_s() == 0.0:
            self._ask(self._newest)

    def _ask(self, note: Note) -> None:
        size = Checkpoint.parse(note.text).size
        proof = consistency(self._old, size, self._store.tree.nodes)
        request = str(Request(self._old, tuple(proof), note))
        self._asked = note

        def wait() -> None:
            self._answers.put(ask(self._address, request))
            with self._ringing:
                self.ring()

        threading.Thread(target=wait, name="witness", daemon=True).start()

    def _hear(self, asked: Note, answer: Answer) -> None:
        self._asked = None
        checkpoint = Checkpoint.parse(asked.text)
        if answer.status == 200:
            self._cosigned(asked, checkpoint, answer.text)
        elif answer.status == 409 and (known := answer.text.strip()).isdecimal() and len(known) < 19:
            self._elsewhere(int(known), checkpoint.size)
        elif answer.status == 0:
            self._failed(f"it does not answer: {answer.text}")
        else:
            self._failed(f"it refused with {answer.status}: {answer.text.strip()[:200]}")

    def _cosigned(self, asked: Note, checkpoint: Checkpoint, text: str) -> None:
        try:
            lines = [Signature.parse(line) for line in text.splitlines()]
            if self._key is not None:
                lines = Note(asked.text, tuple(lines)).signed_by(self._key)
        except NoteError as error:
            self._failed(f"its answer is no cosignature: {error}")
            return
        if not lines:
            self._failed("it did not sign with the key that is configured")
            return
        self._store.keep_checkpoint(checkpoint.size, str(asked.with_more(lines)))
        self._old = checkpoint.size
        self._failures = 0
        if self._newest == asked:
            self._newest = None
        self._say(checkpoint.size, "")

    def _elsewhere(self, known: int, size: int) -> None:
        """It is at another size than we thought: at our start, or after it was set back."""
        if known > size:
            self._failed(
                f"it has seen {known} entries of this log, where there are {size}: the trail was rolled back, or"
                " somebody else signs with its key"
            )
        elif known == self._old:
            self._failed(f"it knows another tree of {known} entries: the trail was altered before that, or has forked")
        else:
            self._old = known

    def _failed(self, reason: str) -> None:
        self._again_at = self._clock() + min(RETRY_S * 2**self._failures, RETRY_MAX_S)
        self._failures = min(self._failures + 1, 10)
        self._say(self._old, reason)

    def _say(self, size: int, reason: str) -> None:
        if reason != self._told:
            if reason:
                log.warning("the witness at %s did not cosign: %s", self._address, reason)
            self._told = reason
            self._tell(WitnessHeard(size=size, refusal=reason))
