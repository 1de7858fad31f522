"""What the trail costs: on the sender's path, and end to end into SQLite."""

import json
import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.receipts import Receipts
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Core, Decision, Send
from alluse_hub.protocols.lifecycle import ChildStart, Started
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Envelope, Json, Message
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, Ingested
from alluse_hub.protocols.workstream import Command, CommandReply
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.clock import Clock
from alluse_hub.supervision.life import Life
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.spool import Frame, Spool, SpoolName
from tests.benchmarks import floors
from tests.benchmarks.figures import Figure, Sample

PEER = "coordinator"
ACTOR = "ws4"
ENTRIES_A_TURN = 2
"""The receipt of the letter heard, and the letter sent."""

COMMAND = Command(
    key="c/1046/market-data-sync/1",
    command="update_positions",
    parameters={
        "symbol": "AAPL",
        "priority": "high",
        "reason": "volume > 2 * volume_mean_20 (volume = 17068900, volume_mean_20 = 5836760)",
        "limits": {"delta": 0.35, "gross": 1_250_000, "per_name": 40_000},
    },
)
REPLY = CommandReply(
    key=COMMAND.key,
    workstream=ACTOR,
    ok=True,
    result={"symbol": "AAPL", "resized": 3, "orders": ["o-88121", "o-88122", "o-88123"], "exposure": 812_340.25},
    events_through=88_123,
    latency_s=0.003_421,
)
STORING_S = 300
"""For the auditor to store what the writers wrote; a figure that takes longer is none."""

FORK = multiprocessing.get_context("fork")


class Nothing(Message):
    """A specification without anything."""


class Carrier:
    """Stands for Thespian: counts what is posted and takes no time."""

    def __init__(self) -> None:
        self.posted = 0
        self._clock = Clock()

    def now(self) -> float:
        return self._clock.now()

    def wall(self) -> float:
        return self._clock.wall()

    def post(self, _to: str, _parcel: Parcel) -> None:
        self.posted += 1

    def spawn(self, name: str, _life: int, _start: ChildStart) -> None:
        raise TypeError(f"nobody spawns {name} here")

    def stop(self, name: str, _reason: str, _grace_s: float | None, _left_s: float | None) -> None:
        raise TypeError(f"nobody stops {name} here")

    def kill(self, name: str) -> None:
        raise TypeError(f"nobody kills {name} here")

    def terminate(self, name: str) -> None:
        raise TypeError(f"nobody ends {name} here")

    def watch_over(self, name: str, _liveness: Liveness) -> None:
        raise TypeError(f"nobody watches {name} here")

    def do(self, job: Message) -> None:
        raise TypeError(f"nobody does a {type(job).__name__} here")

    def end(self, reason: str) -> None:
        raise TypeError(f"nobody ends here: {reason}")

    def recover(self, _kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        return None, []


def decide(state: int, letter: Envelope) -> Decision[int]:
    match letter.body:
        case Command():
            return Decision(state + 1, (Send(letter.sender, REPLY),))
        case _:
            return Decision(state)


ANSWERING: Core[int] = Core(
    start=lambda _name, _spec: 0, decide=decide, spec=Nothing, accepts=frozenset({Started, Command})
)


def sender_path(folder: Path, *, turns: int, runs: int) -> list[Figure]:
    """A whole turn of an actor without the transport, and the spool's part of it."""
    turn_cpu, turn_wall, write_cpu, floor_cpu, floor_wall = [], [], [], [], []
    message_cpu, message_floor_cpu = [], []
    entries = posted = 0
    for run in range(runs):
        ground = folder / str(run)
        cpu_s, wall_s, spool, carrier = _turns(ground / "turns", turns)
        turn_cpu.append(cpu_s / turns)
        turn_wall.append(wall_s)
        entries += spool.n
        posted += carrier.posted
        bare_cpu_s, bare_wall_s = floors.writes(spool.path, ground / "bare", turns)
        floor_cpu.append(bare_cpu_s / turns)
        floor_wall.append(bare_wall_s)
        write_cpu.append(_frames(ground / "frames", turns) / turns)
        message_cpu_s, path = _messages(ground / "messages", turns)
        message_cpu.append(message_cpu_s / turns)
        message_floor_cpu.append(floors.writes(path, ground / "bare messages", turns)[0] / turns)
    counts = {"turns": turns * runs, "entries": entries, "posted": posted}
    floor_is = "os.write of the same bytes, one write a turn"
    cpu_floor = Sample.each(floor_cpu).times(1e6)
    return [
        Figure(
            "sender path: a turn, one letter heard and one sent",
            "µs CPU",
            Sample.each(turn_cpu).times(1e6),
            cpu_floor,
            floor_is,
            counts=counts,
        ),
        Figure("sender path: the spool's part of it", "µs CPU", Sample.each(write_cpu).times(1e6), cpu_floor, floor_is),
        Figure(
            "sender path: a message recorded: encoded, framed, written",
            "µs CPU",
            Sample.each(message_cpu).times(1e6),
            Sample.each(message_floor_cpu).times(1e6),
            "os.write of the same bytes, one write a message",
        ),
        Figure(
            "sender path: a turn, by the clock",
            "µs",
            Sample.of(turn_wall).times(1e6),
            Sample.of(floor_wall).times(1e6),
            floor_is,
        ),
    ]


def _turns(folder: Path, turns: int) -> tuple[float, list[float], Spool, Carrier]:
    """CPU seconds of all turns, wall seconds of each, and what they left."""
    carrier = Carrier()
    spool = Spool.open(folder, ACTOR)
    life = Life(Boot(ACTOR, 1, {}, "workstreams"), ANSWERING, spool, carrier)
    life.open()
    life.introduce(PEER, 1)
    body, kind = wire.encode(COMMAND), wire.kind_of(COMMAND)
    letters = [
        Parcel(
            f"{PEER}/1/{2 * number}",
            PEER,
            1,
            ACTOR,
            spool.incarnation,
            number,
            kind,
            body,
            f"ws3/1/{number}",
            "ws3/1/1",
        )
        for number in range(1, turns + 1)
    ]
    took = []
    cpu = time.process_time()
    for letter in letters:
        began = time.perf_counter()
        life.hear(letter)
        took.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    spool.close()
    return cpu, took, spool, carrier


def _frames(folder: Path, turns: int) -> float:
    """CPU seconds of writing the two frames of every turn, their bodies ready."""
    spool = Spool.open(folder, ACTOR)
    clock = Clock()
    cpu = time.process_time()
    for _ in range(turns):
        spool.write(_two_frames(spool), clock.now(), clock.wall())
    cpu = time.process_time() - cpu
    spool.close()
    return cpu


def _messages(folder: Path, messages: int) -> tuple[float, Path]:
    """CPU seconds of recording so many messages one by one, and where they stand."""
    spool = Spool.open(folder, ACTOR)
    clock = Clock()
    cpu = time.process_time()
    for _ in range(messages):
        letter = f"{PEER}/1/{spool.n}"
        body = wire.for_record(REPLY)
        frame = Frame(EntryKind.SENT, "CommandReply", body, PEER, "", letter, "ws3/1/1")
        spool.write((frame,), clock.now(), clock.wall())
    cpu = time.process_time() - cpu
    spool.close()
    return cpu, spool.path


def _two_frames(spool: Spool, *, power: bool = False) -> tuple[Frame, Frame]:
    n = spool.n
    letter, cause = f"{PEER}/1/{n}", f"ws3/1/{n}"
    return (
        Frame(EntryKind.HEARD, "Command", b"", PEER, letter, cause, "ws3/1/1"),
        Frame(EntryKind.SENT, "CommandReply", wire.encode(REPLY), PEER, "", letter, "ws3/1/1", power),
    )


# --- end to end ------------------------------------------------------------------------------------------------------


class CountingStore(Store):
    """Remembers how many rows each transaction had."""

    def __init__(self, path: Path, database: Database, migrations: tuple[str, ...], warning: str) -> None:
        super().__init__(path, database, migrations, warning)
        self.commits: list[int] = []

    def commit(
        self,
        rows: Sequence[Row],
        places: dict[SpoolName, Place],
        closed: Sequence[SpoolName] = (),
        receipts: Receipts | None = None,
    ) -> None:
        super().commit(rows, places, closed, receipts)
        self.commits.append(len(rows))


def end_to_end(folder: Path, *, turns: int, writers: int, runs: int) -> list[Figure]:
    """Writers at full speed, each in a process of its own, into their spools; an auditor in another stores them."""
    rates, cpu, floor_rates, floor_cpu = [], [], [], []
    counts: Counter[str] = Counter()
    for run in range(runs):
        home = folder / str(run)
        told = _audited(home, turns, writers)
        entries = turns * writers * ENTRIES_A_TURN
        rates.append(entries / told["took_s"])
        cpu.append(told["cpu_s"] / entries)
        inserted, took_s, cpu_s = floors.inserts(home / "trail" / "trail.db", home / "bare.db", told["commits"])
        floor_rates.append(inserted / took_s)
        floor_cpu.append(cpu_s / inserted)
        counts.update(written=entries, stored=sum(told["commits"]), commits=len(told["commits"]), inserted=inserted)
    floor_is = "executemany of the same rows, one process, same commits, no index"
    return [
        Figure(
            f"end to end: entries from spool to SQLite, {writers} writers",
            "1/s",
            Sample.each(rates),
            Sample.each(floor_rates),
            floor_is,
            counts=dict(counts),
        ),
        Figure(
            "end to end: the auditor, an entry",
            "µs CPU",
            Sample.each(cpu).times(1e6),
            Sample.each(floor_cpu).times(1e6),
            floor_is,
        ),
    ]


def _audited(home: Path, turns: int, writers: int) -> dict[str, Any]:  # Any: JSON of the auditor's process
    directory = home / "trail" / "spool"
    directory.mkdir(parents=True)
    start = FORK.Barrier(writers + 2)
    auditor = FORK.Process(target=_audit, args=(home, start, writers, turns * ENTRIES_A_TURN))
    crowd = [FORK.Process(target=_write, args=(directory, start, f"ws{k}", turns)) for k in range(1, writers + 1)]
    for process in (auditor, *crowd):
        process.start()
    start.wait(STORING_S)
    began = time.monotonic()
    for process in (*crowd, auditor):
        process.join()
        if process.exitcode:
            raise RuntimeError(f"{process.name} ended with {process.exitcode}")
    told: dict[str, Any] = json.loads((home / "told.json").read_text(encoding="utf-8"))  # Any: as above
    return told | {"took_s": told["stored_at"] - began}


def _write(directory: Path, start: Barrier, actor: str, turns: int) -> None:
    """The last entry is one that somebody waits for, so that its storing is told."""
    spool = Spool.open(directory, actor)
    clock = Clock()
    start.wait(STORING_S)
    for turn in range(1, turns + 1):
        spool.write(_two_frames(spool, power=turn == turns), clock.now(), clock.wall())
    spool.close()


def _audit(home: Path, start: Barrier, writers: int, entries: int) -> None:
    signal.alarm(STORING_S)
    store = CountingStore.open(home / "trail" / "trail.db")
    done: set[str] = set()

    def hear(word: Message) -> None:
        if isinstance(word, Ingested):
            done.update(mark.actor for mark in word.marks if mark.n == entries)
            if len(done) == writers:
                ingest.stop()

    notary = Notary(store, Head(home / "trail" / "head"), keys.make(keys.key_of(home), keys.new_origin("benchmark")))
    notary.begin()
    ingest = Ingest(home / "trail" / "spool", store, "auditor", AuditorSpec(), hear, notary)
    start.wait(STORING_S)
    cpu = time.process_time()
    ingest.run()
    told = {"stored_at": time.monotonic(), "cpu_s": time.process_time() - cpu, "commits": store.commits}
    ingest.close()
    store.close()
    (home / "told.json").write_text(json.dumps(told), encoding="utf-8")
