"""A small world around the replicator's core: programs with real shelves behind monitors that behave as monitors do,
letters that get lost, doubled and out of order, and lives that end at any point.

Time is virtual and moves to the next thing that is due; the same seed gives the same run.
"""

import heapq
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from alluse_hub.actors.board.picture import Syncs
from alluse_hub.actors.replicator.core import REPLICATOR
from alluse_hub.actors.replicator.figures import total
from alluse_hub.actors.replicator.ledger import Edge, Ledger, evolve
from alluse_hub.actors.replicator.state import Replicator
from alluse_hub.actors.workstreams.sdk import Reading, Runner, Workstream
from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Commit, Record, Send, Wake
from alluse_hub.protocols.flow import Present
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.sync import (
    ENDS,
    Counts,
    DeliveriesMoved,
    Move,
    Permit,
    ReplicatorSpec,
    Stage,
    Sync,
    SyncsShown,
)
from alluse_hub.protocols.versions import AskDatasets, DatasetsTold, Version
from alluse_hub.protocols.workstream import Command, CommandReply

ME = "replicator"
PERSON = "gateway"


def sharer(name: str, *datasets: str, takes: Iterable[str] = ()) -> Workstream:
    """A workstream that shares ``datasets`` and takes over what others make of those in ``takes``."""

    class Sharer(Workstream):
        ws = name
        version = "1"

        def __init__(self) -> None:
            super().__init__()
            self.taken: list[Any] = []  # contents, in the order of taking

        def do_set(self, parameters: Reading) -> dict[str, Any]:
            self.session = parameters.text("session", "")
            self.share(parameters.text("dataset"), parameters.object("content").body)
            return {}

        def do_spoil(self, parameters: Reading) -> dict[str, Any]:
            """Something goes wrong with what is stored, and nobody notices."""
            held = self.shelf.copies[parameters.text("dataset")]
            self.shelf.copies[parameters.text("dataset")] = held._replace(text='{"spoiled":true}')
            return {}

        def do_forget(self, parameters: Reading) -> dict[str, Any]:
            del self.shelf.copies[parameters.text("dataset")]
            return {}

    Sharer.name = name
    Sharer.datasets = datasets
    for dataset in takes:
        setattr(Sharer, f"take_{dataset}", lambda self, content: self.taken.append(content))
    return Sharer()


def counts(edge: Edge) -> Counts:
    """Its deliveries by how they ended."""
    return total((edge.ever,))


@dataclass(slots=True)
class Program:
    """A workstream behind its monitor."""

    runner: Runner
    presence: str = "up"
    answers: dict[str, CommandReply] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    unsaid: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    met: dict[str, int] = field(default_factory=dict)  # by sync with a condition, as the monitor keeps it on disk
    event: int = 0
    asked: bool = True
    asks: int = 0
    serial: int = 0
    last: DatasetsTold | None = None
    commands: int = 0
    is_deaf: bool = False  # letters to it are lost
    history: dict[str, list[dict[str, int]]] = field(default_factory=dict)  # by data set: vectors, as they were stored

    @property
    def shelf(self) -> Any:  # the SDK's
        return self.runner.workstream.shelf


class World:
    def __init__(
        self,
        syncs: Iterable[Sync],
        programs: dict[str, Workstream],
        *,
        seed: int = 0,
        loss: float = 0.0,
        doubles: float = 0.0,
        latency_s: tuple[float, float] = (0.001, 0.01),
        reorder: bool = False,
        crash_at: int = 0,
        crash_keeps: int = -1,
        permits: dict[str, Permit] | None = None,
    ) -> None:
        """``crash_at``: the letter in whose turn the replicator dies; ``crash_keeps``: how many of the effects are
        done by then, -1 for a death before the turn is written down."""
        self.random = random.Random(seed)
        self.seed, self.loss, self.doubles, self.latency_s, self.reorder = seed, loss, doubles, latency_s, reorder
        self.crash_at, self.crash_keeps = crash_at, crash_keeps
        self.spec = ReplicatorSpec(syncs=tuple(syncs), permits=permits or {})
        self.now = 0.0
        self.serial = 0
        self.letters = 0
        self.incarnation = 0
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self.last: dict[tuple[str, str], float] = {}
        self.facts: list[Fact] = []
        self.sent: list[Send] = []
        self.told: list[Message] = []  # to the gateway
        self.pictures: list[SyncsShown] = []
        self.board = Syncs()  # what it makes of them
        self.programs = {name: Program(Runner(each, clock=lambda: self.now)) for name, each in programs.items()}
        for name, program in self.programs.items():
            program.runner.start()
            self._note(name, {each: program.shelf.version(each) for each in program.runner.workstream.datasets
                              if each in program.shelf.copies})  # fmt: skip
        self.state: Replicator = REPLICATOR.start(ME, self.spec)
        self.is_alive = False
        self.timer = 0
        self.birth()

    # --- time -------------------------------------------------------------------------------------------------------

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.serial += 1
        heapq.heappush(self.due, (when, self.serial, what))

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self.due and self.due[0][0] <= until:
            self.now, _, what = heapq.heappop(self.due)
            what()
        self.now = until

    # --- letters ----------------------------------------------------------------------------------------------------

    def post(self, sender: str, to: str, message: Message) -> None:
        body = wire.decode(wire.kind_of(message), wire.encode(message))
        copies = 2 if self.random.random() < self.doubles else 1
        for _ in range(copies):
            if self.random.random() < self.loss:
                continue
            when = self.now + self.random.uniform(*self.latency_s)
            if not self.reorder:
                when = self.last[sender, to] = max(when, self.last.get((sender, to), 0.0))
            self.at(when, lambda: self._arrive(sender, to, body))

    def _arrive(self, sender: str, to: str, message: Message) -> None:
        if to == ME:
            if self.is_alive:
                self.hear(sender, message)
        elif to in self.programs:
            self._monitor(to, message)
        elif isinstance(message, SyncsShown):
            self.pictures.append(message)
            self.board = self.board.with_(message)
        else:
            self.told.append(message)

    def hear(self, sender: str, message: Message) -> None:
        self.letters += 1
        letter = Envelope(f"{ME}/{self.incarnation}/{self.letters}", sender, ME, message, self.now)
        decision = REPLICATOR.decide(self.state, letter)
        if self.letters == self.crash_at and self.crash_keeps < 0:
            self.death()
            return
        keeps = self.crash_keeps if self.letters == self.crash_at else len(decision.effects)
        self.state = decision.state
        self.facts += [each.fact for each in decision.effects if isinstance(each, Record | Commit)]
        for effect in [each for each in decision.effects if not isinstance(each, Record | Commit)][:keeps]:
            match effect:
                case Send(to=to, message=body):
                    self.sent.append(effect)
                    self.post(ME, to, body)
                case Wake(timer=timer, after_s=after_s):
                    self._arm(timer, after_s)
        if self.letters == self.crash_at:
            self.death()

    def _arm(self, timer: str, after_s: float) -> None:
        self.timer += 1
        serial, incarnation = self.timer, self.incarnation

        def ring() -> None:
            if self.is_alive and serial == self.timer and incarnation == self.incarnation:
                self.hear(ME, Woken(timer=timer))

        self.at(self.now + after_s, ring)

    # --- lives ------------------------------------------------------------------------------------------------------

    def birth(self) -> None:
        """It folds its facts, and everybody says again what it has to know."""
        self.incarnation += 1
        self.state = REPLICATOR.start(ME, self.spec)
        for fact in self.facts:
            assert REPLICATOR.evolve is not None
            self.state = REPLICATOR.evolve(self.state, wire.decode(wire.kind_of(fact), wire.encode(fact)))  # type: ignore[arg-type]
        self.is_alive = True
        self.hear(ME, Started(incarnation=self.incarnation))
        for name, program in self.programs.items():
            self.post(name, ME, Present(workstream=name, presence=program.presence))
            program.unsaid = set(program.versions)
            program.asked, program.asks, program.last = True, 0, None
            self._tell(name)

    def death(self) -> None:
        self.is_alive = False
        self.at(self.now + 0.05, self.birth)

    # --- monitors and programs --------------------------------------------------------------------------------------

    def _monitor(self, name: str, message: Message) -> None:
        program = self.programs[name]
        if program.is_deaf:
            return
        match message:
            case AskDatasets(number=number) if number <= program.asks:
                pass
            case AskDatasets(number=number, heard=heard):
                program.asks = number
                if program.last is not None and heard == program.serial:
                    told = program.last.met
                    program.met = {sync: n for sync, n in program.met.items() if n > told.get(sync, 0)}
                if program.last is not None and heard != program.serial:
                    program.unsaid |= set(program.last.versions)
                    program.events |= set(program.last.events)
                program.asked, program.last = True, None
                self._tell(name)
            case Command() as asked if asked.key in program.answers:
                self.post(name, ME, program.answers[asked.key])
            case Command() as asked:
                if program.presence != "up":
                    if program.presence == "out":
                        why = f"{name} is parked"
                        self.post(name, ME, CommandReply(key=asked.key, workstream=name, ok=False, error=why))
                    return
                result = self.feed(name, asked.key, asked.command, asked.parameters)
                reply = CommandReply(
                    key=asked.key,
                    workstream=name,
                    ok=result["ok"],
                    result=result["result"],
                    error=result["error"] or "",
                    latency_s=0.0005,
                )
                program.answers[asked.key] = reply
                self.post(name, ME, reply)

    def feed(self, name: str, key: str, command: str, parameters: dict[str, Any]) -> dict[str, Any]:
        program = self.programs[name]
        program.commands += 1
        line = json.dumps({"id": key, "command": command, "parameters": parameters}).encode()
        said = [json.loads(each) for each in program.runner.feed(line)]
        reply: dict[str, Any] = said[-1]
        if command == "apply_datasets" and reply["ok"]:
            for dataset, held in reply["result"].items():
                if held["outcome"] == "applied":
                    program.history.setdefault(dataset, []).append(dict(held["version"]["vector"]))
        self._note(name, reply.get("datasets", {}))
        self._tell(name)
        return reply

    def _note(self, name: str, versions: dict[str, Any]) -> None:
        program = self.programs[name]
        for dataset, version in versions.items():
            program.versions[dataset] = Version.model_validate(version)
            program.unsaid.add(dataset)

    def _tell(self, name: str) -> None:
        program = self.programs[name]
        told = program.last.met if program.last is not None else {}
        met = {sync: n for sync, n in program.met.items() if n > told.get(sync, 0)}
        if program.asked and (program.unsaid or program.events or met) and program.presence == "up":
            versions = {each: program.versions[each] for each in sorted(program.unsaid)}
            program.asked = False
            program.unsaid, events, program.events = set(), tuple(sorted(program.events)), set()
            program.serial += 1
            program.last = DatasetsTold(
                workstream=name, serial=program.serial, versions=versions, events=events, met=met
            )
            self.post(name, ME, program.last)

    # --- what a test does -------------------------------------------------------------------------------------------

    def do(self, name: str, command: str, **parameters: Any) -> None:
        self.serial += 1
        reply = self.feed(name, f"test/{self.serial}", command, parameters)
        assert reply["ok"], reply["error"]

    def share(
        self, name: str, dataset: str, content: dict[str, Any], session: str = "", event: str = "", met: str = ""
    ) -> None:
        """``met``: the sync whose condition is true of an event that the program says with it."""
        program = self.programs[name]
        if event:
            program.events.add(event)
        if met:
            program.event += 1
            program.met[met] = program.event
        self.do(name, "set", dataset=dataset, content=content, session=session)

    def presence(self, name: str, presence: str) -> None:
        self.programs[name].presence = presence
        self.post(name, ME, Present(workstream=name, presence=presence))
        if presence == "up":
            self.post("hub", ME, PeerUp(name=name, incarnation=2))

    def order(self, message: Message) -> None:
        self.post(PERSON, ME, message)

    # --- what is so -------------------------------------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger

    @property
    def moves(self) -> list[Move]:
        return [move for fact in self.facts if isinstance(fact, DeliveriesMoved) for move in fact.moves]

    def ends(self, to: Stage) -> int:
        return sum(move.to is to for move in self.moves)

    def of(self, kind: type[Message]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def content(self, name: str, dataset: str) -> Any:
        return self.programs[name].runner.workstream.dataset(dataset)

    def is_equal(self) -> bool:
        """Whether every target has what its source has."""
        return all(
            self.programs[sync.source].shelf.copies.get(sync.content)
            == self.programs[target].shelf.copies.get(sync.content)
            for sync in self.spec.syncs
            for target in sync.targets
        )

    def refold(self) -> Ledger:
        ledger = Ledger()
        for fact in self.facts:
            ledger = evolve(ledger, fact)
        return ledger

    def lawful(self) -> None:
        """What holds of every run: facts give the state, each delivery that began goes by the book, and ends once."""
        assert self.refold() == self.ledger, f"seed {self.seed}"
        begun: dict[tuple[str, str, int], list[Stage]] = {}
        for move in self.moves:
            key = (move.sync, move.target, move.serial)
            if move.version is not None:
                assert key not in begun, f"seed {self.seed}: {key} began twice"
                begun[key] = []
            assert key in begun, f"seed {self.seed}: {key} moved before it began"
            assert not begun[key] or begun[key][-1] not in ENDS, f"seed {self.seed}: {key} moved after its end"
            begun[key].append(move.to)
        open_ = {(*edge.split(">"), serial) for edge, state in self.ledger.edges.items() for serial in state.open}
        ended = {key for key, stages in begun.items() if stages[-1] in ENDS}
        assert {(sync, target, serial) for sync, target, serial in begun} == open_ | ended  # none is lost in silence
        for stages in begun.values():
            if Stage.APPLIED in stages:
                assert stages.count(Stage.APPLIED) == 1
                assert stages.index(Stage.SENT) < stages.index(Stage.APPLIED)
