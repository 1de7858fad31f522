"""An auditor that takes in so many entries a second for so long, on a slow disk or beside readers that never end.

``python -m tests.faults.endurance HOME SECONDS RATE [reader]`` prints one line of JSON with what came of it.  Preloaded
with ``io.c`` the disk is as slow as its words say.  ``reader``: a process that is no part of the hub holds the store as
it was, and a reader of the hub's own asks a question that never ends.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.reader import READ_S_MAX, reading
from alluse_hub.actors.auditor.store import Store
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, Ingested, TailStrained, TailStuck
from alluse_hub.supervision.spool import Frame, Spool

TURN = 20
"""Entries in one write, of which one waits for the auditor."""

CALM_S = 900.0
"""After the end of the fault: until all is stored and the log has shrunk."""

SAID = Frame(EntryKind.SENT, "Said", b'{"text":"' + b"x" * 300 + b'"}', "ws2")
ORDERED = Frame(EntryKind.FACT, "Ordered", b'{"x":2}', power=True)

READ_FOR_EVER = """
import sys
from alluse_hub.actors.auditor.bindings import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM entries").fetchone()
print("reads", flush=True)
sys.stdin.read()
"""

ENDLESS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


class Acknowledged:
    """From the write of an entry that waits to the auditor's word, in seconds."""

    def __init__(self) -> None:
        self.took_s: list[float] = []
        self._lock = threading.Lock()
        self._written: list[tuple[int, float]] = []
        self.through = 0

    def wrote(self, n: int) -> None:
        with self._lock:
            self._written.append((n, time.monotonic()))

    def stored(self, n: int) -> None:
        now = time.monotonic()
        with self._lock:
            self.through = max(self.through, n)
            self.took_s += [now - at for number, at in self._written if number <= n]
            self._written = [(number, at) for number, at in self._written if number > n]

    def at(self, part: float) -> float:
        found = sorted(self.took_s)
        return round(found[min(len(found) - 1, int(part * len(found)))], 3) if found else -1.0


@contextmanager
def foreign_reader(store: Path) -> Iterator[None]:
    command = [sys.executable, "-c", READ_FOR_EVER, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "reads\n"
        try:
            yield
        finally:
            process.stdin.close()
            process.wait()


def own_reader(home: Path, ended: dict[str, Any]) -> None:  # Any: JSON
    began = time.monotonic()
    try:
        with reading(home) as connection:
            assert connection is not None
            connection.execute(ENDLESS).fetchone()
    except TrailError as error:
        ended["own_reader_said"] = str(error)
    ended["own_reader_s"] = round(time.monotonic() - began, 1)


class Endurance:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.acks = Acknowledged()
        self.strained: list[str] = []
        self.stuck: list[str] = []
        self.failed: list[str] = []
        self.log_bytes_max = 0
        self._ingest: Ingest | None = None
        self._is_open = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _hear(self, word: Message) -> None:
        match word:
            case Ingested(marks=marks):
                for mark in marks:
                    self.acks.stored(mark.n)
            case TailStrained(why=why):
                self.strained.append(why)
            case TailStuck(why=why):
                self.stuck.append(why)

    def _run(self) -> None:
        try:
            store = Store.open(self.home / "trail" / "trail.db")
            signer = keys.for_trail(self.home, "alluse", is_new=True)
            notary = Notary(store, Head(self.home / "trail" / "head"), signer)
            notary.begin()
            spools = self.home / "trail" / "spool"
            ingest = self._ingest = Ingest(spools, store, "auditor", AuditorSpec(), self._hear, notary)
            self._is_open.set()
            try:
                ingest.run()
            finally:
                ingest.close()
                store.close()
        except TrailError as error:
            self.failed.append(str(error))
        finally:
            self._is_open.set()

    def begin(self) -> None:
        self._thread.start()
        self._is_open.wait()

    def end(self) -> None:
        if self._ingest is not None:
            self._ingest.stop()
        self._thread.join()

    def look(self) -> int:
        log = self.home / "trail" / "trail.db-wal"
        size = log.stat().st_size if log.exists() else 0
        self.log_bytes_max = max(self.log_bytes_max, size)
        return size

    def write(self, spool: Spool, seconds: float, rate: float) -> float:
        """At that rate, or as fast as it goes; the longest that one write took."""
        began = time.monotonic()
        longest = 0.0
        turns = 0
        while (passed := time.monotonic() - began) < seconds:
            if turns * TURN >= passed * rate:
                time.sleep(0.002)
                continue
            before = time.monotonic()
            n = spool.write([*[SAID] * (TURN - 1), ORDERED], before, time.time())
            longest = max(longest, time.monotonic() - before)
            self.acks.wrote(n)
            turns += 1
            if not turns % 50:
                self.look()
        return longest

    def calm(self, n: int) -> float:
        """Until all is stored; how long that took."""
        began = time.monotonic()
        while self.acks.through < n and not self.failed and time.monotonic() - began < CALM_S:
            time.sleep(0.05)
        return round(time.monotonic() - began, 3)


def play(home: Path, seconds: float, rate: float, *, has_reader: bool) -> dict[str, Any]:  # Any: JSON
    (home / "trail").mkdir(mode=0o700, parents=True)
    played = Endurance(home)
    played.begin()
    spool = Spool.open(home / "trail" / "spool", "ws1")
    found: dict[str, Any] = {}  # Any: as above
    played.write(spool, 1.0, rate)
    own = threading.Thread(target=own_reader, args=(home, found), daemon=True)
    if has_reader:
        own.start()
        with foreign_reader(home / "trail" / "trail.db"):
            longest = played.write(spool, seconds, rate)
            found["named"] = any("trail.db-wal has grown beyond" in each for each in played.strained)
        own.join(CALM_S if seconds >= READ_S_MAX else 0.0)
    else:
        longest = played.write(spool, seconds, rate)
    found["behind_s"] = played.calm(spool.n)
    n = played.write(spool, 3.0, rate) and spool.n  # the log is begun anew by whoever writes next
    played.calm(spool.n)
    found |= {
        "entries": n,
        "acknowledged": played.acks.through,
        "seconds": seconds,
        "ack_p50_s": played.acks.at(0.5),
        "ack_p99_s": played.acks.at(0.99),
        "ack_max_s": played.acks.at(1.0),
        "write_max_s": round(longest, 3),
        "log_bytes_max": played.log_bytes_max,
        "log_bytes_after": played.look(),
        "told": played.strained,
        "stuck": played.stuck,
        "failed": played.failed,
    }
    spool.close()
    played.end()
    return found


def main() -> None:
    home, seconds, rate, *how = sys.argv[1:]
    print(json.dumps(play(Path(home), float(seconds), float(rate), has_reader="reader" in how)))
    sys.stdout.flush()
    os._exit(0)  # a reader that never ends must not keep it


if __name__ == "__main__":
    main()
