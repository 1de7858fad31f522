"""Verified deliveries: the replicator with its spool, and programs that store what it brings, in one process.

Letters travel encoded, as they do between processes; between them there is no transport and no monitor, so this is what
the replicator and the programs can do, with every step in the spool before anything is sent.
"""

import json
import time
from collections import deque
from pathlib import Path
from typing import Any

from alluse_hub.actors.replicator.core import REPLICATOR
from alluse_hub.actors.replicator.state import Replicator
from alluse_hub.actors.workstreams.sdk import JsonObject, Reading, Runner, Workstream
from alluse_hub.protocols import wire
from alluse_hub.protocols.flow import Present
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.sync import ReplicatorSpec, Sync
from alluse_hub.protocols.versions import AskDatasets, DatasetsTold, Version
from alluse_hub.protocols.workstream import Command, CommandReply
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.life import Life
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.spool import Spool
from tests.benchmarks import floors
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.recording import Carrier

ACTOR = "replicator"
SOURCE = "ws3"
TARGETS = ("ws1", "ws2", "ws4", "ws5")
FIELDS = 8
"""Of a content: some 150 bytes."""

STUCK_S = 60.0


class Holder(Workstream):
    """Shares what it is told to, and holds copies of the rest."""

    ws, name, version = "w", "Holder", "1"

    def do_share_all(self, parameters: Reading) -> JsonObject:
        number = parameters.whole("number")
        for dataset in self.datasets:
            self.share(dataset, {f"field{each}": f"{dataset}/{number}/{each}" for each in range(FIELDS)})
        return {}


class Hall(Carrier):
    """Takes the replicator's letters to the programs and theirs back, in order."""

    def __init__(self, datasets: tuple[str, ...]) -> None:
        super().__init__()
        self.letters: deque[tuple[str, Message]] = deque()
        self.versions: dict[str, Any] = {}  # JSON of the source
        self.is_asked = True
        self.serial = 0
        self.runners = {ws: Runner(self._holder(ws, datasets if ws == SOURCE else ())) for ws in (SOURCE, *TARGETS)}
        for runner in self.runners.values():
            runner.start()

    @staticmethod
    def _holder(name: str, shared: tuple[str, ...]) -> Workstream:
        holder: Workstream = type("Holding", (Holder,), {"ws": name, "datasets": shared})()
        return holder

    def post(self, to: str, parcel: Parcel) -> None:
        super().post(to, parcel)
        match wire.decode(parcel.kind, parcel.body):
            case Command() as asked:
                self.letters.append((to, self.feed(to, asked)))
            case AskDatasets():
                self.is_asked = True
                self.tell()
            case _:
                pass  # to the board

    def feed(self, to: str, asked: Command) -> CommandReply:
        line = json.dumps({"id": asked.key, "command": asked.command, "parameters": asked.parameters}).encode()
        said = json.loads(self.runners[to].feed(line)[-1])
        self.versions |= said.get("datasets", {})
        return CommandReply(key=asked.key, workstream=to, ok=said["ok"], result=said["result"], latency_s=0.0)

    def tell(self) -> None:
        if self.is_asked and self.versions:
            self.serial += 1
            versions = {name: Version.model_validate(version) for name, version in self.versions.items()}
            self.letters.append((SOURCE, DatasetsTold(workstream=SOURCE, serial=self.serial, versions=versions)))
            self.versions, self.is_asked = {}, False


def deliveries(folder: Path, *, datasets: int, rounds: int, runs: int) -> list[Figure]:
    """Each round every data set changes once and is verified at every target."""
    rates, cpu, floor_rates, counts = [], [], [], {"due": 0, "verified": 0, "written": 0}
    for run in range(runs):
        took_s, cpu_s, verified, path = _run(folder / str(run), datasets, rounds)
        rates.append(verified / took_s)
        cpu.append(cpu_s / verified)
        bare_s, _ = _floor(path, folder / f"bare {run}", verified)
        floor_rates.append(verified / bare_s)
        counts["due"] += datasets * rounds * len(TARGETS)
        counts["verified"] += verified
    floor_is = "os.write of the same bytes, one write a delivery"
    return [
        Figure(
            "syncs: deliveries verified at their targets, every step recorded",
            "1/s",
            Sample.each(rates),
            Sample.each(floor_rates),
            floor_is,
            counts={name: count for name, count in counts.items() if name != "written"},
        ),
        Figure(
            "syncs: a verified delivery, replicator and programs",
            "µs CPU",
            Sample.each(cpu).times(1e6),
            Sample.each([1e6 / rate for rate in floor_rates]),
            floor_is,
        ),
    ]


def _floor(path: Path, bare: Path, writes: int) -> tuple[float, list[float]]:
    cpu_s, wall = floors.writes(path, bare, writes)
    return max(sum(wall), 1e-9), [cpu_s]


def _run(folder: Path, datasets: int, rounds: int) -> tuple[float, float, int, Path]:
    names = tuple(f"d{number}" for number in range(datasets))
    hall = Hall(names)
    syncs = tuple(Sync(id=name, source=SOURCE, targets=TARGETS, pace_s=0.0, anti_entropy_s=86_400) for name in names)
    spec = ReplicatorSpec(syncs=syncs).model_dump(mode="json")
    spool = Spool.open(folder, ACTOR)
    life: Life[Replicator] = Life(Boot(ACTOR, 1, spec, "coordination"), REPLICATOR, spool, hall)
    life.open()
    numbers = dict.fromkeys(hall.runners, 0)

    def hear(sender: str, message: Message) -> None:
        numbers[sender] += 1
        number = numbers[sender]
        kind, body = wire.kind_of(message), wire.encode(message)
        where = f"{sender}/1/{number}"
        life.hear(Parcel(where, sender, 1, ACTOR, spool.incarnation, number, kind, body, where, where))

    for name in hall.runners:
        life.introduce(name, 1)
        hear(name, Present(workstream=name, presence="up"))
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(rounds):
        share = Command(key=f"share/{number}", command="share_all", parameters={"number": number})
        hall.feed(SOURCE, share)
        hall.tell()
        due = datasets * len(TARGETS) * (number + 1)
        until = time.perf_counter() + STUCK_S
        while _verified(life.state) < due:
            while hall.letters:
                hear(*hall.letters.popleft())
            life.tick()
            assert time.perf_counter() < until, f"{_verified(life.state)} of {due} are verified"
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    spool.close()
    return took_s, cpu_s, _verified(life.state), spool.path


def _verified(state: Replicator) -> int:
    return sum(edge.ever[0] for edge in state.ledger.edges.values())
