"""A trail from its first entry on, small enough to have each of its disk operations fail once.

Two writers in several lives, an auditor in several lives, with the key, the store, its migrations, the spools that are
closed and deleted, the checkpoints and the head: all the true code, in one thread, so that operation 17 is the same
one each time.

``python -m tests.faults.scenario`` reads lines ``fault home how`` and plays the scenario once for each, in a fork of
its own with that fault; preloaded with ``io.c``.  What was acknowledged, and what was told to people, stands beside the
disk that fails: ``notes``.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from alluse_hub.actors.auditor import bindings, keys
from alluse_hub.actors.auditor import ingest as ingest_module
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.store import Store
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, Ingested
from alluse_hub.supervision.spool import Frame, Spool
from tests.actors.auditor.conftest import SmallAuditor

LIVES_MAX = 6
"""A supervisor would give up, too."""

LOOKS = 4

LIBRARY_S = 0.003
"""The library looks for its words each millisecond."""


def notes(home: Path, what: str) -> Path:
    """``acks`` or ``told``."""
    return home.parent.parent / f"{home.name}.{what}"


class Play:
    """``how``: ``cheats`` tells that entries are safe before they are written, a control which the sweep has to find;
    ``rollback`` has the journal of an older SQLite."""

    def __init__(self, home: Path, how: Sequence[str]) -> None:
        self.home = home
        self.cheats = "cheats" in how
        self.has_old_journal = "rollback" in how
        self._acks = os.open(notes(home, "acks"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._told = os.open(notes(home, "told"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._spools: dict[str, Spool] = {}

    def ack(self, what: str, actor: str, incarnation: int, n: int) -> None:
        os.write(self._acks, f"{what} {actor} {incarnation} {n}\n".encode())

    def tell(self, error: TrailError) -> None:
        os.write(self._told, f"{error}\n".encode())

    def say(self, actor: str, *frames: Frame) -> str:
        """As often as it takes, in a new life each time; the id of the last entry."""
        for _ in range(LIVES_MAX):
            try:
                spool = self._spools.get(actor)
                if spool is None:
                    spool = self._spools[actor] = Spool.open(self.home / "trail" / "spool", actor)
                if self.cheats:
                    self.ack("safe", actor, spool.incarnation, spool.n + len(frames))
                n = spool.write(frames, 1.0, 2.0)
            except TrailError as error:
                self.tell(error)
                if actor in self._spools:
                    self._spools.pop(actor).close()
                continue
            self.ack("safe", actor, spool.incarnation, n)
            return f"{actor}/{spool.incarnation}/{n}"
        return ""

    def end(self, actor: str) -> None:
        self._spools.pop(actor).close()

    def audit(self) -> None:
        """The auditor: one life, or as many as it takes."""
        for _ in range(LIVES_MAX):
            try:
                self._live()
            except TrailError as error:
                self.tell(error)
                continue
            return

    def _live(self) -> None:
        auditor = SmallAuditor(self.home)
        trail = self.home / "trail"
        store = None

        def deliver(word: Message) -> None:
            auditor.deliver(word)
            if isinstance(word, Ingested):
                for mark in word.marks:
                    self.ack("stored", mark.actor, mark.incarnation, mark.n)

        try:
            store = Store.open(trail / "trail.db")
            head = Head(trail / "head")
            signer = keys.for_trail(self.home, "alluse", is_new=not head.read() and not store.newest_checkpoint())
            notary = Notary(store, head, signer)
            notary.begin()
            ingest = Ingest(trail / "spool", store, "auditor", AuditorSpec(batch_max=7), deliver, notary)
            Hurry(ingest)
            try:
                ingest.run()
            finally:
                ingest.close()
        finally:
            auditor.spool.close()
            if store is not None:
                store.close()

    def play(self) -> None:
        (self.home / "trail").mkdir(mode=0o700, parents=True)
        if self.has_old_journal:
            bindings.wal_is_safe = lambda: False
        for _ in range(2):
            letter = self.say("ws1", ORDERED, SAID)
            self.say("ws2", SAID, Frame(EntryKind.HEARD, "Said", b"", "ws1", letter=letter))
            self.audit()
            self.say("ws1", *[SAID] * 5)
            self.end("ws1")
            self.say("ws1", SAID, ORDERED)
            self.audit()


SAID = Frame(EntryKind.SENT, "Said", b'{"text":"' + b"x" * 300 + b'"}', "ws2")
ORDERED = Frame(EntryKind.FACT, "Ordered", b'{"x":2}', power=True)


class Hurry:
    """The watch of an auditor that looks at all it has ``LOOKS`` times, and waits for nothing."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._left = LOOKS
        self._true = ingest._watch
        ingest._watch = self

    def wait(self, _timeout_s: float | None) -> None:
        self._left -= 1
        if self._left <= 0:
            self._ingest.stop()

    def linger(self, _timeout_s: float) -> None:
        pass

    def ring(self) -> None:
        pass

    def close(self) -> None:
        self._true.close()


def in_a_fork(play: Callable[[], None]) -> int:
    """Its status as ``waitpid`` has it."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    try:
        time.sleep(LIBRARY_S)
        play()
    except BaseException as error:  # noqa: BLE001  # a fork must not come back; whoever asked sees the status
        traceback.print_exception(error)
        os._exit(1)
    os._exit(0)


def main() -> None:
    assert threading.active_count() == 1, "forks have only the thread that made them"
    ingest_module.SPACE_RETRY_S = 0.0
    logging.disable()
    words = Path(os.environ["IO_FILE"])
    for line in sys.stdin:
        fault, home, *how = line.split()
        words.write_text(f"{fault}\n", encoding="ascii")
        status = in_a_fork(Play(Path(home), how).play)
        words.write_text("", encoding="ascii")
        print(status, Path(os.environ["IO_COUNT"]).read_text(encoding="ascii") or 0, flush=True)


if __name__ == "__main__":
    main()
