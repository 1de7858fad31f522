"""When the auditor signs the head of its log, and what it checks before it ever does.

A checkpoint each second, or every 10,000 entries, whichever is first, and only if something is new: an idle hub sets
no timer.  Who waits for ``Stored`` is told before anything is signed.  What was stored since the last checkpoint is the
window in which somebody with the disk in hand could still alter it unseen.

A log must never sign two heads of which neither begins with the other.  So a head is first swapped in at ``Head``, then
stored; and at the start the tree must begin with both last ones.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.notes import Checkpoint, Note, NoteError, Signer
from alluse_hub.actors.auditor.store import Store
from alluse_hub.protocols.errors import TrailError

if TYPE_CHECKING:  # it is imported where there is a witness
    from alluse_hub.actors.auditor.cosigning import Cosigner

INTERVAL_S = 1.0
ENTRIES_MAX = 10_000

log = logging.getLogger(__name__)


class Notary:
    """Belongs to the thread of the store."""

    def __init__(
        self,
        store: Store,
        head: Head,
        signer: Signer,
        clock: Callable[[], float] = time.monotonic,
        cosigner: "Cosigner | None" = None,
    ) -> None:
        self.cosigner = cosigner
        self._store = store
        self._head = head
        self._signer = signer
        self._clock = clock
        self._expected = ""
        self._size = 0  # of the last checkpoint
        self._signed_at = clock() - INTERVAL_S

    @property
    def origin(self) -> str:
        return self._signer.vkey.name

    def begin(self) -> None:
        """Compare the tree with the last words about it.  What is new is due at once, and not signed here: entries that
        somebody waits for come first.  Raises TrailError."""
        self._expected = self._head.read()
        kept = self._checked(self._expected, str(self._head.path))
        stored = self._store.newest_checkpoint()
        last = self._checked(stored, "its own last checkpoint")
        if kept > last:  # the last auditor died between the two
            self._store.keep_checkpoint(kept, self._expected)
        elif last > kept:
            log.warning("%s was not the newest; it is now", self._head.path)
            self._head.swap(self._expected, stored)
            self._expected = stored
        self._size = max(kept, last)
        if self._expected and self.cosigner:
            self.cosigner.show(Note.parse(self._expected))

    def wait_s(self) -> float | None:
        """How long until there is anything to do here; None while nothing is new."""
        times = [due for due in (self.due_s(), self.cosigner.due_s() if self.cosigner else None) if due is not None]
        return min(times, default=None)

    def turn(self) -> None:
        """Whatever is due.  Raises TrailError."""
        self.seal_if_due()
        if self.cosigner:
            self.cosigner.turn()

    def due_s(self) -> float | None:
        """How long until a checkpoint is wanted; None if nothing is new."""
        new = self._store.tree.now.size - self._size
        if not new:
            return None
        return 0.0 if new >= ENTRIES_MAX else max(0.0, self._signed_at + INTERVAL_S - self._clock())

    def seal_if_due(self) -> bool:
        return self.due_s() == 0.0 and self.seal()

    def seal(self) -> bool:
        """A checkpoint over all that is stored, unless there is one.  Raises TrailError."""
        tree = self._store.tree.now
        if tree.size == self._size:
            return False
        text = Checkpoint(self.origin, tree.size, tree.root()).text
        signed = Note(text, (self._signer.sign(text),))
        note = str(signed)
        self._head.swap(self._expected, note)
        self._expected = note
        self._store.keep_checkpoint(tree.size, note)
        self._size = tree.size
        self._signed_at = self._clock()
        if self.cosigner:
            self.cosigner.show(signed)
        return True

    def _checked(self, note: str, where: str) -> int:
        """The size that this note vouches for, 0 without a note.  Raises TrailError if the tree is another."""
        if not note:
            return 0
        path, tree = self._store.path, self._store.tree
        try:
            parsed = Note.parse(note)
            checkpoint = Checkpoint.parse(parsed.text)
            parsed.signed_by(self._signer.vkey)
        except NoteError as error:
            raise TrailError(f"{where} is no checkpoint of this hub ({error}); bring home/trail back whole") from error
        if checkpoint.origin != self.origin:
            raise TrailError(
                f"{where} is of the log {checkpoint.origin}, but the key in home/keys signs for {self.origin};"
                " bring back home/trail and home/keys from one backup"
            )
        if checkpoint.size > tree.now.size:
            raise TrailError(
                f"{path} is older than {where} says: {tree.now.size} entries where there have been {checkpoint.size};"
                " bring back the newer database; if it is lost for good, move home/trail and home/keys aside"
                " to begin a new log, and keep both as evidence"
            )
        if tree.root_at(checkpoint.size) != checkpoint.root:
            raise TrailError(
                f"{path} was altered, or is another log's: its first {checkpoint.size} entries are not those that"
                f" {where} vouches for; keep it as evidence, look with `trail verify`, and bring back a backup"
            )
        return checkpoint.size
