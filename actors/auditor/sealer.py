"""The auditor seals by itself: a thread beside it that has time.

It looks every ten minutes, and when much has come, whether a segment is due, and takes its time over it: low priority,
a pause after each bundle and after each small transaction, so that neither the interpreter nor the database is kept
from a commit for more than some milliseconds.  It has a connection of its own.

Whatever fails here is logged, told in ``status`` and tried again; until then the entries stay where they are.  An
expiry that cannot be finished, since its segment is damaged, keeps nothing else from being sealed.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.keeper import finish, unsaid
from alluse_hub.actors.auditor.moments import Moment, moment
from alluse_hub.actors.auditor.notes import Signer
from alluse_hub.actors.auditor.seal import go_on, seal, sealing, signed_in
from alluse_hub.actors.auditor.segments import Hot, due
from alluse_hub.actors.auditor.store import Store
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.keeping import KeepingStuck, SegmentSealed
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import AuditorSpec

LOOK_S = 600.0
"""Between two looks while little comes."""

LOOKS_EACH = 8
"""A look is also due after a part of ``seal_entries``: this many to the whole."""

BETWEEN_S = 1.0
"""Between two segments: a command that waits for the lock gets it."""

TOLD_MAX = 3
"""Damaged segments told at a time."""

NICE = 15
CLOSE_S = 1.0

PAUSES_S = {"bundled": 0.005, "read back": 0.005, "dropped": 0.03}
"""After each of these steps: as long as the step takes, so that half of a core is all that is taken."""

log = logging.getLogger(__name__)


class _EndedError(Exception):
    """The auditor ends."""


class Sealer:
    """One thread.  ``behind`` says, from any other, that the store has grown."""

    def __init__(
        self, home: Path, store: Store, signer: Signer, spec: AuditorSpec, deliver: Callable[[Message], None]
    ) -> None:
        self._home = home
        self._store = store
        self._signer = signer
        self._spec = spec
        self._deliver = deliver
        self._looked_at = 0
        self._is_left = True  # by the one before, for all that is known
        self._unfinished: list[str] = []
        self._told = ""
        self._stopped = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="seal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def behind(self) -> None:
        if self._store.tree.now.size - self._looked_at >= self._spec.seal_entries // LOOKS_EACH:
            self._looked_at = self._store.tree.now.size
            self._wanted.set()

    def close(self) -> None:
        """What is not sealed by then is begun anew by the next one."""
        self._stopped.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # on Linux: of this thread alone
        while not self._stopped.is_set():
            with contextlib.suppress(_EndedError):
                self._look()
            self._wanted.wait(LOOK_S)
            self._wanted.clear()  # before the look at ``_stopped``, so that no end is slept through

    def _look(self) -> None:
        try:
            if self._is_left:
                self._unfinished = self._go_on()
                self._is_left = bool(self._unfinished)
            while self._seal_one():
                self._stopped.wait(BETWEEN_S)
        except CallerError as error:
            log.info("not sealed now: %s", error)
        except (TrailError, OSError, sqlite3.Error) as error:
            self._tell(f"old entries stay in the database: {error}")
        else:
            self._tell("; ".join(self._unfinished[:TOLD_MAX]))

    def _tell(self, why: str) -> None:
        """Once, for as long as it stays the same."""
        if why:
            log.warning("%s; tried again in %g s", why, LOOK_S)
        if why != self._told:
            self._told = why
            self._deliver(KeepingStuck(why=why))

    def _breathe(self, step: str) -> None:
        if self._stopped.wait(PAUSES_S.get(step, 0.0)):
            raise _EndedError

    def _go_on(self) -> list[str]:
        """With what a kill has cut short: an expiry, rows to be dropped, a segment of which nothing was said.  What
        could not be finished, in words."""
        with moment(self._home) as trail:
            if trail is None or not (trail.segments or (self._home / "trail" / "segments").exists()):
                return []
        with sealing(self._home) as store:
            go_on(self._home, store, self._breathe)
            unfinished = finish(self._home, store, self._breathe)
        for segment, _ in unsaid(self._home):
            self._deliver(
                SegmentSealed(first=segment.first, last=segment.last, root=segment.root, manifest=segment.manifest)
            )
        return unfinished

    def _seal_one(self) -> bool:
        with moment(self._home) as trail:
            places = None if trail is None else self._due(trail)
        if places is None or self._stopped.is_set():
            return False
        with sealing(self._home) as store:
            go_on(self._home, store, self._breathe)
            self._deliver(seal(self._home, store, self._signer, places, self._breathe))
        return True

    def _due(self, trail: Moment) -> tuple[int, int] | None:
        hot = hot_of(trail, time.time() - self._spec.seal_after_s)
        return None if hot is None else due(hot, time.time(), self._spec.seal_after_s, self._spec.seal_entries)


def hot_of(trail: Moment, before: float) -> Hot | None:
    """What the database has; None if it has nothing.  ``before``: seconds since 1970."""
    first, last = trail.first_hot, trail.newest
    walls = trail.rows(
        "SELECT wall FROM entries WHERE leaf > ? AND leaf <= ? ORDER BY leaf LIMIT ?", (), 1, trail.through
    )
    if not walls:
        return None
    old = trail.place_before(before, trail.through, last)
    return Hot(first, last, signed_in(trail.store), old, walls[0][0])
