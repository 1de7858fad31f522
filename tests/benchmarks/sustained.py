"""What the auditor keeps up with for a while, and how long who waits for it has to wait meanwhile.

As in the hub: checkpoints are signed and the index is kept beside.  Writers keep to a pace, each in a process of its
own; what they write is stored by one more.
"""

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.indexer import Indexer, index_of
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.protocols import wire
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, Ingested
from alluse_hub.supervision.clock import Clock
from alluse_hub.supervision.spool import Frame, Spool
from tests.benchmarks import floors
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.recording import COMMAND, ENTRIES_A_TURN, PEER, REPLY, CountingStore

FORK = multiprocessing.get_context("fork")

STEP_S = 0.01
"""A writer writes what is due, then sleeps for so long."""

LATE_S = 240.0
"""For what is left to store when the writers are done; a figure that takes longer is none."""

ASKER = "asker"
PAUSE_S = 0.02
"""Between an answer and the next entry that is waited for."""

LETTER = wire.encode(COMMAND)


def sustained(folder: Path, *, seconds: float, per_s: int, writers: int, runs: int) -> list[Figure]:
    """``per_s`` entries offered each second by all writers together."""
    rates, late, cpu, floor_rates, floor_late, floor_cpu = [], [], [], [], [], []
    counts: Counter[str] = Counter()
    for run in range(runs):
        home = folder / str(run)
        turns = round(seconds * per_s / writers / ENTRIES_A_TURN)
        told = _audited(home, turns, per_s / writers, writers, asks=0)
        entries = turns * writers * ENTRIES_A_TURN
        rates.append(entries / (told["stored_at"] - told["began"]))
        late.append(max(0.0, told["stored_at"] - told["written_at"]))
        cpu.append(told["cpu_s"] / entries)
        inserted, took_s, cpu_s = floors.inserts(home / "trail" / "trail.db", home / "bare.db", told["commits"])
        floor_rates.append(inserted / took_s)
        floor_late.append(max(floors.syncs(home, 1)))
        floor_cpu.append(cpu_s / inserted)
        counts.update(written=entries, stored=sum(told["commits"]), inserted=inserted)
    floor_is = "executemany of the same rows, one process, same commits, no index"
    offered = f"{per_s:,} entries/s offered for {seconds:g} s by {writers} writers"
    return [
        Figure(
            f"sustained: stored, {offered}",
            "1/s",
            Sample.each(rates),
            Sample.each(floor_rates),
            floor_is,
            counts=dict(counts),
        ),
        Figure(
            f"sustained: the last is stored after it was written, {offered}",
            "s",
            Sample.each(late),
            Sample.each(floor_late),
            "one fdatasync",
        ),
        Figure(
            "sustained: the auditor with its index, an entry",
            "µs CPU",
            Sample.each(cpu).times(1e6),
            Sample.each(floor_cpu).times(1e6),
            floor_is,
        ),
    ]


def acknowledged(folder: Path, *, asks: int, per_s: int, writers: int, runs: int) -> list[Figure]:
    """From an entry that is waited for, its write included, until its writer knows that it is stored."""
    taken, floor = [], []
    counts: Counter[str] = Counter()
    for run in range(runs):
        home = folder / str(run)
        turns = round(asks * 2 * PAUSE_S * per_s / writers / ENTRIES_A_TURN)
        told = _audited(home, turns, per_s / writers, writers, asks=asks)
        taken.append(told["waited_s"])
        floor.append(floors.syncs(home, asks))
        counts.update(asked=asks, answered=len(told["waited_s"]), stored=sum(told["commits"]))
    return [
        Figure(
            f"acknowledged: safe against a power cut, {per_s:,} entries/s beside it",
            "ms",
            Sample.of(taken).times(1e3),
            Sample.of(floor).times(1e3),
            "one fdatasync after a kilobyte appended, with nothing beside it",
            counts=dict(counts),
        )
    ]


def _audited(home: Path, turns: int, pace: float, writers: int, *, asks: int) -> dict[str, Any]:  # Any: JSON
    directory = home / "trail" / "spool"
    directory.mkdir(parents=True)
    names = [f"ws{k}" for k in range(1, writers + 1)]
    start = FORK.Barrier(writers + 2 + (asks > 0))
    bell, ring = os.pipe()
    crowd = [FORK.Process(target=_write, args=(directory, start, ring, name, turns, pace), name=name) for name in names]
    if asks:
        crowd.append(FORK.Process(target=_ask, args=(home, start, bell, ring, asks), name=ASKER))
    awaited = dict.fromkeys(names, turns * ENTRIES_A_TURN) | ({ASKER: asks} if asks else {})
    auditor = FORK.Process(target=_audit, args=(home, start, ring, awaited), name="auditor")
    for process in (auditor, *crowd):
        process.start()
    start.wait(LATE_S)
    began = time.monotonic()
    os.close(ring)  # only the auditor has it: if that ends, nobody waits for it
    for process in crowd:
        process.join()
    written_at = time.monotonic()
    auditor.join()
    os.close(bell)
    for process in (auditor, *crowd):
        if process.exitcode:
            raise RuntimeError(f"{process.name} ended with {process.exitcode}")
    told: dict[str, Any] = json.loads((home / "told.json").read_text(encoding="utf-8"))  # Any: as above
    if asks:
        told["waited_s"] = json.loads((home / "waited.json").read_text(encoding="utf-8"))
    return told | {"began": began, "written_at": written_at}


def _turn(spool: Spool, *, power: bool) -> tuple[Frame, Frame]:
    """A letter from outside, whole, and what is sent because of it."""
    letter = f"{spool.actor}/{spool.incarnation}/{spool.n + 1}"
    return (
        Frame(EntryKind.HEARD, "Command", LETTER, PEER, "", "", ""),
        Frame(EntryKind.SENT, "CommandReply", wire.encode(REPLY), PEER, "", letter, letter, power),
    )


def _write(directory: Path, start: Barrier, ring: int, actor: str, turns: int, pace: float) -> None:
    """``pace``: entries a second.  The last is one that is waited for, so that its storing is told."""
    os.close(ring)
    spool = Spool.open(directory, actor)
    clock = Clock()
    start.wait(LATE_S)
    began = time.monotonic()
    done = 0
    while done < turns:
        due = min(turns, int((time.monotonic() - began + STEP_S) * pace / ENTRIES_A_TURN))
        for turn in range(done + 1, due + 1):
            spool.write(_turn(spool, power=turn == turns), clock.now(), clock.wall())
        done = max(done, due)
        if done < turns:
            time.sleep(STEP_S)
    spool.close()


def _ask(home: Path, start: Barrier, bell: int, ring: int, asks: int) -> None:
    """One entry after the other, each when the one before is safe."""
    os.close(ring)
    spool = Spool.open(home / "trail" / "spool", ASKER)
    clock = Clock()
    waited = []
    start.wait(LATE_S)
    for _ in range(asks):
        frame = Frame(EntryKind.SENT, "CommandReply", wire.encode(REPLY), PEER, "", "", "", power=True)
        began = time.monotonic()
        spool.write((frame,), clock.now(), clock.wall())
        if not os.read(bell, 1):
            raise RuntimeError("the auditor has ended")
        waited.append(time.monotonic() - began)
        time.sleep(PAUSE_S)
    spool.close()
    (home / "waited.json").write_text(json.dumps(waited), encoding="utf-8")


def _audit(home: Path, start: Barrier, ring: int, awaited: dict[str, int]) -> None:
    """Until of each of these so many entries are stored."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    store = CountingStore.open(home / "trail" / "trail.db")
    left = dict(awaited)

    def hear(word: Message) -> None:
        if not isinstance(word, Ingested):
            return
        for mark in word.marks:
            if mark.actor == ASKER:
                os.write(ring, b".")
            if mark.n == left.get(mark.actor):
                del left[mark.actor]
        if not left:
            ingest.stop()

    notary = Notary(store, Head(home / "trail" / "head"), keys.make(keys.key_of(home), keys.new_origin("benchmark")))
    notary.begin()
    ingest = Ingest(home / "trail" / "spool", store, "auditor", AuditorSpec(), hear, notary)
    indexer = Indexer(store.path, index_of(home))
    store.grown.append(indexer.behind)
    start.wait(LATE_S)
    signal.alarm(round(LATE_S))
    cpu = time.process_time()
    indexer.start()
    ingest.run()
    told = {"stored_at": time.monotonic(), "cpu_s": time.process_time() - cpu, "commits": store.commits}
    indexer.close()
    ingest.close()
    store.close()
    (home / "told.json").write_text(json.dumps(told), encoding="utf-8")
