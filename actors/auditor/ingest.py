"""From the spools into the store: exactly once, in groups, and never asking while nothing happens.

A round reads what has grown, stores it in one transaction with the offsets behind it, and tells those who wait.  Only
then comes what follows from the ends of incarnations: a newer incarnation's spool proves that the writer of an older
one is gone, so what stands in the older one is all there will ever be.  That end is told once and becomes a fact of the
auditor; when the fact itself is stored, the spool is marked closed in the same transaction, and after it deleted.
So a spool goes only when its entries are safe and a newer one keeps the count of incarnations.

Damage in a spool stops that spool and no other.
"""

import contextlib
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.receipts import Receipts
from alluse_hub.actors.auditor.steps import Steps
from alluse_hub.actors.auditor.store import Place, Row, Store, StoreFullError, spoken
from alluse_hub.actors.auditor.strain import Strain
from alluse_hub.actors.auditor.watch import Watch, watch
from alluse_hub.protocols.ending import Flushed
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import (
    AuditorSpec,
    ClockStepped,
    Closed,
    DamageFound,
    EntryKind,
    Ingested,
    LetterMissed,
    LetterUnrecorded,
    Mark,
    SpoolEnded,
    TailStrained,
    TailStuck,
)
from alluse_hub.supervision.spool import SpoolEntry, SpoolName, read, spools_in

FAREWELL_S = 1.5
"""Of work after ``stop``: what the others said last; the rest waits in the spools for the next start."""

SPACE_RETRY_S = 1.0
"""Between two tries to store on a disk that is full."""

SUBJECT_CHARS = 2_000
"""How far into a body the workstream's name is looked for; it stands at the front."""

_SUBJECT = re.compile(r'"(?:workstream|ws)":"([^"\\]{1,48})"')


@dataclass(slots=True)
class Tail:
    """One spool as far as it is read."""

    name: SpoolName
    place: Place
    is_suspect: bool = False  # looked like damage once; a second look decides, since a failed write is cut off again
    is_damaged: bool = False
    is_told: bool = False  # its end has been told in this incarnation of the auditor


class Ingest:
    """Runs in one thread; ``stop`` may be called from another.  ``own``: the auditor's name.

    Without a ``notary`` nothing is signed.
    """

    def __init__(
        self,
        directory: Path,
        store: Store,
        own: str,
        spec: AuditorSpec,
        deliver: Callable[[Message], None],
        notary: Notary | None = None,
    ) -> None:
        self._directory = directory
        self._store = store
        self._own = own
        self._spec = spec
        self._deliver = deliver
        self._notary = notary
        self._tails: dict[str, Tail] = {}
        self._newest: dict[str, int] = {}
        self._dirty: dict[str, None] = {}  # an ordered set: file names in turn
        self._receipts = Receipts(store.accounts())
        self._strain = Strain(store.path)
        self._steps = Steps(store.last_times())
        self._stuck_since: float | None = None  # monotonic
        self._stop = threading.Event()
        self._flush = threading.Event()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._watch: Watch = watch(directory)
        if notary and notary.cosigner:
            notary.cosigner.ring = self._watch.ring

    def run(self) -> None:
        """Until ``stop``.  Raises TrailError; what is not stored then is stored by the next one."""
        with spoken(self._directory):
            self._begin()
        while not self._stop.is_set():
            try:
                with spoken(self._directory):
                    self._work()
            except StoreFullError as full:
                self._wait_for_space(str(full))
        deadline = time.monotonic() + FAREWELL_S
        with contextlib.suppress(StoreFullError), spoken(self._directory):  # the next one stores it
            self._notice(None)
            while self._dirty and time.monotonic() < deadline:
                self.round()
            if self._notary:
                self._notary.seal()

    def _work(self) -> None:
        """A round, and the wait for the next one.  Raises StoreFullError."""
        self.round()
        if self._dirty or self._stop.is_set():
            return
        if self._stuck_since is not None:
            self._deliver(TailStuck(waited_s=round(time.monotonic() - self._stuck_since, 3)))
            self._stuck_since = None
        # A ring may have been taken while lingering: then nothing would end a wait.
        if self._flush.is_set():
            self._empty()
        else:
            self._notice(self._watch.wait(self._notary.wait_s() if self._notary else None))

    def _wait_for_space(self, why: str) -> None:
        """Tell it once; then begin again where the store is.  Everything else is still in the spools."""
        if self._stuck_since is None:
            self._stuck_since = time.monotonic()
            self._deliver(TailStuck(why=why))
        self._stop.wait(SPACE_RETRY_S)
        told = {file for file, tail in self._tails.items() if tail.is_told}
        self._receipts = Receipts(self._store.accounts(), self._receipts.said)
        self._tails.clear()
        self._dirty.clear()
        places = self._store.places()
        for name in spools_in(self._directory):
            self._add(name, places.get(name, Place()))
        for file in told & self._tails.keys():
            self._tails[file].is_told = True

    def flush(self) -> None:
        """From any thread: have it told when all that the spools hold by now is stored."""
        self._flush.set()
        self._watch.ring()

    def _empty(self) -> None:
        self._flush.clear()
        self._notice(None)
        while self._dirty and not self._stop.is_set():
            self.round()
        self._deliver(Flushed())

    def stop(self) -> None:
        """From any thread, before ``close``."""
        self._stop.set()
        self._watch.ring()

    def close(self) -> None:
        """After ``run`` has returned."""
        if self._notary and self._notary.cosigner:
            self._notary.cosigner.close()
        self._watch.close()

    def round(self) -> None:
        """One transaction's worth, and all that follows from it."""
        batch: list[tuple[Tail, SpoolEntry]] = []
        self._collect(batch)
        if batch:
            self._linger(batch)
            self._keep(batch)
        if not self._dirty:
            self._tell_ends()
            self._tell_missed()
        if self._notary:
            self._notary.turn()

    # --- finding ---------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """What the store knows, then what the directory has; and say again what may have been said to nobody."""
        places = self._store.places()
        for name in spools_in(self._directory):
            self._add(name, places.get(name, Place()))
        for tail in list(self._tails.values()):
            if tail.place.closed and not self._is_newest(tail.name):
                self._drop(tail)  # the last auditor died between marking and deleting
        self._acknowledge(tail for tail in self._tails.values() if tail.place.power_n and self._is_newest(tail.name))

    def _add(self, name: SpoolName, place: Place) -> None:
        if place.n:
            self._recognize(name)
        self._tails[str(name)] = Tail(name, place, is_told=place.closed)
        self._newest[name.actor] = max(name.incarnation, self._newest.get(name.actor, 0))
        self._dirty[str(name)] = None

    def _is_newest(self, name: SpoolName) -> bool:
        return name.incarnation == self._newest[name.actor]

    def _recognize(self, name: SpoolName) -> None:
        """Raises TrailError if this is not the file that the stored entries came from."""
        first = read(self._directory / str(name), entries_max=1).entries
        if first and (first[0].at, first[0].wall) != self._store.written_at(name):
            raise self._twice(name)

    def _twice(self, name: SpoolName) -> TrailError:
        return TrailError(
            f"{self._directory / str(name)} is not the one whose entries {self._store.path} has: an incarnation came"
            " twice; bring back store and spools from one backup, or move both aside"
        )

    def _notice(self, changed: set[str] | None) -> None:
        """Mark what to read; a name not seen before is a new incarnation.  None: anything may have changed."""
        names = {str(name) for name in spools_in(self._directory)} if changed is None else changed
        for file in sorted(names):
            if file in self._tails:
                self._dirty[file] = None
            elif (name := SpoolName.parse(file)) and (self._directory / file).exists():
                self._add(name, Place())

    # --- reading ---------------------------------------------------------------------------------------------------

    def _collect(self, batch: list[tuple[Tail, SpoolEntry]]) -> None:
        """Read marked spools in turn until the batch is full; one with more to give goes to the end of the queue."""
        for file in list(self._dirty):
            room = self._spec.batch_max - len(batch)
            if room <= 0:
                return
            del self._dirty[file]
            tail = self._tails[file]
            if tail.is_damaged:
                continue
            result = read(self._directory / file, tail.place.offset, tail.place.n, entries_max=room)
            self._look_twice(file, tail, damaged=result.damaged)
            if not result.entries:
                self._check_length(file, tail)
                continue
            powers = [entry.n for entry in result.entries if entry.power]
            tail.place = Place(result.offset, result.entries[-1].n, powers[-1] if powers else tail.place.power_n)
            batch.extend((tail, entry) for entry in result.entries)
            if len(result.entries) == room:
                self._dirty[file] = None

    def _look_twice(self, file: str, tail: Tail, *, damaged: bool) -> None:
        if not damaged:
            tail.is_suspect = False
        elif not tail.is_suspect:
            tail.is_suspect = True
            self._dirty[file] = None
        else:
            tail.is_damaged = True
            name, place = tail.name, tail.place
            self._deliver(DamageFound(actor=name.actor, incarnation=name.incarnation, n=place.n, offset=place.offset))

    def _check_length(self, file: str, tail: Tail) -> None:
        """A power cut may have cut back the spool of an ended incarnation, but nobody goes on writing there.

        Raises TrailError if somebody does: that would be an incarnation that came twice.
        """
        size = (self._directory / file).stat().st_size
        if self._is_newest(tail.name) and 0 < size < tail.place.offset:
            self._recognize(tail.name)

    def _linger(self, batch: list[tuple[Tail, SpoolEntry]]) -> None:
        """Wait a little for company, unless somebody waits for one of these or the batch is full."""
        until = time.monotonic() + self._spec.linger_s
        looked = 0
        while len(batch) < self._spec.batch_max and not self._stop.is_set():
            left_s = until - time.monotonic()
            if any(entry.power for _, entry in itertools.islice(batch, looked, None)) or left_s <= 0:
                return
            looked = len(batch)
            self._watch.linger(left_s)
            self._notice(self._watch.wait(0))
            self._collect(batch)

    # --- storing ---------------------------------------------------------------------------------------------------

    def _keep(self, batch: list[tuple[Tail, SpoolEntry]]) -> None:
        """One transaction; then tell those who wait, and delete the spools that it closed."""
        batch.sort(key=lambda item: item[1].at)  # stable: within a spool hub time never falls
        rows = [row(tail.name, entry) for tail, entry in batch]
        moved = {tail.name: tail for tail, _ in batch}
        closed = [about(entry) for tail, entry in batch if self._is_own(tail, entry, Closed.__name__)]
        self._balance(batch, moved.values())
        began = time.monotonic()
        self._store.commit(rows, {name: tail.place for name, tail in moved.items()}, closed, self._receipts)
        if stepped := self._steps.look((row.at, row.wall) for row in rows):
            self._deliver(ClockStepped(by_s=round(stepped, 3)))
        if (strained := self._strain.look(time.monotonic() - began)) is not None:
            self._deliver(TailStrained(why=strained))
        self._acknowledge({tail.name: tail for tail, entry in batch if entry.power}.values())
        for name in closed:
            if tail := self._tails.get(str(name)):
                self._drop(tail)

    def _acknowledge(self, waiting: Iterable[Tail]) -> None:
        """Only after a commit.  The auditor is not told of its own entries: it would have to record that, too."""
        marks = tuple(
            Mark(actor=tail.name.actor, incarnation=tail.name.incarnation, n=tail.place.n)
            for tail in waiting
            if tail.name.actor != self._own
        )
        if marks:
            self._deliver(Ingested(marks=marks))

    def _balance(self, batch: Sequence[tuple[Tail, SpoolEntry]], moved: Iterable[Tail]) -> None:
        """What was heard against what was said, as it will be with this transaction."""
        for tail in moved:
            self._receipts.settle(tail.name, tail.place.n)
        self._receipts.take(((tail.name, entry) for tail, entry in batch), self._stored_of)
        for tail, entry in batch:
            if self._is_own(tail, entry, LetterUnrecorded.__name__):
                self._receipts.told(about(entry))

    def _stored_of(self, name: SpoolName) -> int:
        tail = self._tails.get(str(name))
        return tail.place.n if tail else self._store.last_of(name)

    def _tell_missed(self) -> None:
        """Letters that somebody heard, and whose sender's spool does not have them after a second look."""
        missed = self._receipts.missed()
        if missed is None:
            self._notice(None)
            return
        for name, account in missed:
            self._deliver(
                LetterMissed(
                    actor=name.actor,
                    incarnation=name.incarnation,
                    stored=self._stored_of(name),
                    n=account.n,
                    receipt=account.receipt,
                )
            )

    def _is_own(self, tail: Tail, entry: SpoolEntry, fact: str) -> bool:
        return entry.kind == EntryKind.FACT and entry.message == fact and tail.name.actor == self._own

    def _tell_ends(self) -> None:
        """Of spools that are read to the end after a newer one came."""
        for file, tail in self._tails.items():
            name = tail.name
            if tail.is_told or self._is_newest(name):
                continue
            tail.is_told = True
            torn_bytes = max(0, (self._directory / file).stat().st_size - tail.place.offset)
            self._deliver(
                SpoolEnded(actor=name.actor, incarnation=name.incarnation, n=tail.place.n, torn_bytes=torn_bytes)
            )

    def _drop(self, tail: Tail) -> None:
        """Delete a closed spool.  Bytes that never were an entry are kept under another name: somebody may look."""
        file = str(tail.name)
        path = self._directory / file
        rest = read(path, tail.place.offset, tail.place.n)
        if rest.entries:
            raise self._twice(tail.name)
        if rest.damaged:
            path.rename(path.with_name(f"{file}.damaged"))
        else:
            path.unlink()
        del self._tails[file]
        self._dirty.pop(file, None)


def row(name: SpoolName, entry: SpoolEntry) -> Row:
    body = entry.body
    subject = _SUBJECT.search(body, 0, SUBJECT_CHARS) if body else None
    return Row(
        name.actor,
        name.incarnation,
        entry.n,
        entry.kind,
        entry.message,
        entry.to,
        entry.letter,
        entry.cause,
        entry.correlation,
        entry.at,
        entry.wall,
        entry.power,
        subject[1] if subject else name.actor,
        body or None,
    )


def about(entry: SpoolEntry) -> SpoolName:
    """Which incarnation's end, or fault, the entry tells."""
    fact = json.loads(entry.body)
    return SpoolName(fact["actor"], fact["incarnation"])
