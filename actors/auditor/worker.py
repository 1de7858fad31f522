"""The auditor's worker: a thread that tails the spools, so that the mailbox stays free.

The store belongs to that thread.  Whatever ends it, other than ``close``, is told to the core, which fails the actor:
a supervisor that starts it anew is the one remedy, and nothing is lost by it.
"""

import contextlib
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from alluse_hub.actors.auditor import bindings, keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.indexer import Indexer, index_of, remove
from alluse_hub.actors.auditor.ingest import FAREWELL_S, SPACE_RETRY_S, Ingest
from alluse_hub.actors.auditor.notes import NoteError, Signer, Vkey
from alluse_hub.actors.auditor.store import Store, StoreFullError
from alluse_hub.protocols.ending import Flush
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import AuditorSpec, TailBegun, TailFailed, TailSpools, TailStuck
from alluse_hub.supervision.workshop import Context

if TYPE_CHECKING:  # as below
    from alluse_hub.actors.auditor.cosigning import Cosigner

CLOSE_S = FAREWELL_S + 0.4
"""Waited for the thread's last round; the leaf itself waits 2 s."""

ERROR_CHARS_MAX = 4_000


class AuditorWorker:
    def __init__(self, context: Context) -> None:
        assert isinstance(context.spec, AuditorSpec), "the leaf validates the role's own specification"
        self._context = context
        self._spec = context.spec
        self._thread = threading.Thread(target=self._tail, name="ingest", daemon=True)
        self._ingest: Ingest | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._closing = threading.Event()

    def do(self, job: Message) -> None:
        match job:
            case TailSpools():
                self._thread.start()
            case Flush():
                self._flush()
            case other:
                raise TypeError(f"an auditor's worker does not do {type(other).__name__}")

    def close(self) -> None:
        """Stores what has been said until now, if that takes no more than ``FAREWELL_S``."""
        self._closing.set()
        with self._starting:
            self._closed = True
            if self._ingest:
                self._ingest.stop()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        if self._ingest and not self._thread.is_alive():
            self._ingest.close()

    def _flush(self) -> None:
        with self._starting:
            if self._ingest:
                self._ingest.flush()  # else the store is not open yet: it is asked for again

    def _cosigner(self, store: Store) -> "Cosigner | None":
        """Raises TrailError for a key that is none."""
        spec = self._spec
        if not spec.witness:
            return None
        try:
            key = Vkey.parse(spec.witness_key) if spec.witness_key else None
        except NoteError as error:
            raise TrailError(f"trail.witness_key: {error}") from error
        from alluse_hub.actors.auditor.cosigning import Cosigner  # noqa: PLC0415  # brings http and ssl: 60 ms of a start

        return Cosigner(store, spec.witness, key, self._context.deliver)

    @contextlib.contextmanager
    def _indexed(self, store: Store) -> Iterator[None]:
        """With an index of words kept beside, unless it is switched off; then none is left that would grow old."""
        index = index_of(self._context.home)
        if not self._spec.index:
            with contextlib.suppress(OSError):  # it is of no use to anybody, and no reason to fail
                remove(index)
            yield
            return
        indexer = Indexer(store.path, index)
        store.grown.append(indexer.behind)
        indexer.start()
        try:
            yield
        finally:
            indexer.close()

    @contextlib.contextmanager
    def _sealed(self, store: Store, signer: Signer) -> Iterator[None]:
        """With old entries moved into segments beside, unless it is switched off."""
        if not self._spec.seal_after_s:
            yield
            return
        from alluse_hub.actors.auditor.sealer import Sealer  # noqa: PLC0415  # 20 ms of a start

        sealer = Sealer(self._context.home, store, signer, self._spec, self._context.deliver)
        store.grown.append(sealer.behind)
        sealer.start()
        try:
            yield
        finally:
            sealer.close()

    def _opened(self, path: Path) -> Store | None:
        """Waits for space if there is none; None if it is closed meanwhile.  Raises TrailError."""
        since = time.monotonic()
        is_told = False
        while not self._closing.is_set():
            try:
                store = Store.open(path)
            except StoreFullError as full:
                if not is_told:
                    self._context.deliver(TailStuck(why=str(full)))
                is_told = True
                self._closing.wait(SPACE_RETRY_S)
                continue
            if is_told:
                self._context.deliver(TailStuck(waited_s=round(time.monotonic() - since, 3)))
            return store
        return None

    def _tail(self) -> None:
        trail = self._context.home / "trail"
        try:
            store = self._opened(trail / "trail.db")
            if store is None:
                return
            try:
                head = Head(trail / "head")
                signer = keys.for_trail(
                    self._context.home, self._spec.hub, is_new=not head.read() and not store.newest_checkpoint()
                )
                notary = Notary(store, head, signer, cosigner=self._cosigner(store))
                notary.begin()
                with self._starting:
                    if self._closed:
                        return
                    self._ingest = Ingest(
                        trail / "spool", store, self._context.name, self._spec, self._context.deliver, notary
                    )
                self._context.deliver(
                    TailBegun(
                        sqlite=bindings.version_text(),
                        journal=store.journal,
                        migrations=store.migrations,
                        warning=store.warning,
                        key=str(signer.vkey),
                    )
                )
                with self._indexed(store), self._sealed(store, signer):
                    self._ingest.run()
            finally:
                store.close()
        except TrailError as error:
            self._context.deliver(TailFailed(error=str(error)))
        except Exception:  # noqa: BLE001  # the top of a thread: the core has to hear of it, whatever it is
            self._context.deliver(TailFailed(error=traceback.format_exc()[-ERROR_CHARS_MAX:]))
