"""The recorded scenarios on real processes: one process for each actor, the engine between them, SIGKILL for ``kill``.

Scenarios are parsed, turned into the hub's words and compared by the same code as in the simulation; only the stage is
another.  The parent of the root is an actor too, so that the root's own birth and end are in the books.  What happened
is read in the spools (``live_story``), and a step is over when every letter has been heard, every supervisor is idle
and each process lives or is gone as its supervisor believes.

Compared are events, reports, results and final trees, in order and in every field.  What is not, and why:

* the upper end of ``bounds_ms``: a loaded machine may be late, but nothing may come too early;
* windows of the limit: periods are ``STRETCH`` times as long, so that no load makes a restart fall out of its window;
  hence scenarios with a ``wait``, which try that very thing, are not played here (``is_playable``);
* the moment at which the workers of a killed supervisor end: nobody is left to record it.  The test sees their
  processes gone, and puts their ends right behind that of their supervisor; below them, where Erlang's supervisors end
  in order and here the kernel ends all at once, nothing is played;
* ``while_restarting`` and ``at_once``: what reaches a mailbox between two tries, or all at once, is for the simulation,
  whose mailboxes can be held; on real processes it would be chance;
* supervisors whose own start fails by plan: a supervisor here is the real one, and cannot be told to fail.
"""

import math
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from thespian.actors import ActorAddress

from alluse_hub.protocols import wire
from alluse_hub.protocols.lifecycle import ChildStart
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import GUARDIAN, ROOT
from alluse_hub.supervision import processes
from alluse_hub.supervision.engine.address import SocketAddress
from alluse_hub.supervision.engine.room import room_for
from alluse_hub.supervision.life import ANY_INCARNATION
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.system import opened
from alluse_hub.supervision.tree import SUPERVISOR_ACTOR
from alluse_hub.supervision.words import BootOrder, House
from tests.otp import scenario as told
from tests.otp.cast import WORKER_START, PlanShutdown
from tests.otp.live_cast import (
    FOLDERS,
    PARENT,
    PARENT_PLACE,
    SPOOLS,
    SUPERVISOR_PLACE,
    WORKER_PLACE,
    Dismiss,
    Leave,
    ParentSpec,
    PlayedPart,
    text_of,
)
from tests.otp.live_story import Puppet, Spools, Story
from tests.otp.runner import Run, Trace
from tests.otp.scenario import Draft, OnShutdown, Scenario
from tests.otp.world import Event, Part, World

PATIENCE_S = 60.0
"""How long a step may take that takes milliseconds on an idle machine."""

LOOK_S = 0.005

STRETCH = 1_000

PLACES = {SUPERVISOR_ACTOR: SUPERVISOR_PLACE, WORKER_START.actor: WORKER_PLACE}


def is_playable(scenario: Scenario) -> bool:
    """Whether real processes can be held to what was recorded; the head of this module says why not."""
    drafts = {draft.id: draft for draft in drafts_of(scenario)}
    if any(draft.kind == "supervisor" and draft.init for draft in drafts.values()):
        return False
    for step in scenario.steps:
        match step:
            case told.Wait() | told.AtOnce() | told.WhileRestarting():
                return False
            case told.PlanInit(child=child) if child in drafts and drafts[child].kind == "supervisor":
                return False
            case told.Kill(child=child) if child in drafts:
                if any(below.kind == "supervisor" for below in drafts[child].children):
                    return False
    return True


def drafts_of(scenario: Scenario) -> Iterator[Draft]:
    yield from scenario.tree.family()
    for step in scenario.steps:
        if isinstance(step, told.StartChild) and step.spec is not None:
            yield from step.spec.family()


def live_trace_of(scenario: Scenario, home: Path) -> Trace:
    with playing(home) as stage:
        return LiveRun(scenario, stage).trace()


class LiveRun(Run):
    def __init__(self, scenario: Scenario, stage: "Stage") -> None:
        super().__init__(scenario.model_copy(update={"steps": tuple(map(never_late, scenario.steps))}), SUPERVISOR)
        stage.ids, stage.parts = self.ids, self.world.parts
        self.world = cast("World", stage)  # it has all that a run asks of a world

    def child_json(self, draft: Draft) -> Json:
        spec = super().child_json(draft)
        start = cast("Json", spec["start"])
        return {**spec, "start": {**start, "actor": PLACES[str(start["actor"])]}}

    def supervisor_json(self, draft: Draft) -> Json:
        spec = super().supervisor_json(draft)
        intensity = cast("Json", spec["intensity"])
        if isinstance(period_s := intensity["period_s"], int | float):
            intensity = {**intensity, "period_s": period_s * STRETCH}
        return {**spec, "intensity": intensity}


def never_late(step: told.Step) -> told.Step:
    return step if step.bounds_ms is None else step.model_copy(update={"bounds_ms": (step.bounds_ms[0], math.inf)})


class Stage:
    """Stands for the ``World`` of a run."""

    core = SUPERVISOR

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ids: dict[str, str] = {}
        self.parts: dict[str, Part] = {}
        self.events: list[Event] = []
        self.answers: list[Message] = []
        house = House(str(home), 0.0, "", "0")
        self.system = opened(house)
        self._house = house
        self._tree = ChildStart(actor=SUPERVISOR_PLACE)
        self._spools = Spools(home / SPOOLS)
        self._story = Story((), {}, self._tree, {})
        self._letters: dict[str, Message] = {}
        self._addressees: dict[str, Puppet] = {}
        self._words: Counter[Puppet] = Counter()
        self._leaving: list[processes.Process] = []
        self._plans: dict[str, tuple[list[str], int]] = {}
        self._seen = (0, 0)  # events and answers already handed over

    # --- what a run does ----------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return time.monotonic()

    @property
    def incs(self) -> dict[Puppet, int]:
        return {who: who.incarnation for who in self._story.actors.values()}

    @property
    def lives(self) -> dict[tuple[Puppet, str, int], int]:
        return self._story.lives

    def boot(self, tree: ChildStart) -> None:
        self._tree = ChildStart(actor=SUPERVISOR_PLACE, spec=tree.spec)
        self._hand_out()
        parent = self.system.createActor(PARENT_PLACE)
        spec = ParentSpec(child=self._tree).model_dump(mode="json")
        self.system.tell(parent, BootOrder(PARENT, 1, spec, GUARDIAN, 0, self._house))

    def running(self, name: str) -> Puppet | None:
        who = self._story.latest.get(name)
        return who if who in self._story.up and who not in self._story.over else None

    def end(self, who: Puppet, _cause: str) -> None:
        self._hand_out()
        process = self._story.processes[who]
        self._leaving.append(process)
        processes.kill(process)

    def tell_core(self, who: Puppet, word: Message) -> None:
        """The cast is told to end; only ``take_to_stopping`` tells it anything else."""
        self._hand_out()
        self._leaving.append(self._story.processes[who])
        self._say(who, word)

    def take_to_stopping(self, name: str, on_shutdown: OnShutdown) -> None:
        self.parts.setdefault(name, Part()).on_shutdown = on_shutdown
        who = self.running(name)
        if who is not None and who.core is not SUPERVISOR:
            self._say(who, PlanShutdown(on_shutdown=on_shutdown))

    def order_stop(self, root: Puppet, _reason: str, _grace_s: float | None) -> None:
        self._leaving.append(self._story.processes[root])
        self._say(self._story.latest[PARENT], Dismiss())

    def tell(self, name: str, message: Message, sender: str) -> None:
        """A letter to a supervisor; each as from an incarnation of its own, so that none waits for another."""
        self._hand_out()
        number = len(self._letters) + 1
        letter = f"{sender}/{number}/1"
        self._letters[letter] = message
        self._addressees[letter] = self._story.latest[name]
        kind, body = wire.kind_of(message), wire.encode(message)
        parcel = Parcel(letter, sender, number, name, ANY_INCARNATION, 1, kind, body, "", "")
        self.system.tell(self._address(name), parcel)

    def happen(self) -> None:
        """On real processes things happen by themselves."""

    def settle(self) -> None:
        """Until the step is over."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if not self._spools.look():
                self._story = Story(self._spools.entries, self.ids, self._tree, self._letters)
                if self._unrest() == "" and not self._spools.look():
                    break
                assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {self._unrest()}"
            time.sleep(LOOK_S)
        events, answers = self._seen
        self.events += self._story.events[events:]
        self.answers += self._story.answers[answers:]
        self._seen = (len(self._story.events), len(self._story.answers))

    # --- how ----------------------------------------------------------------------------------------------------------

    def _unrest(self) -> str:
        """What is still going on; empty if nothing is."""
        story = self._story
        root = story.latest.get(ROOT)
        if not story.is_whole or root is None or root not in story.up | story.over:
            return "the tree starts"
        for letter, who in self._addressees.items():
            if letter not in story.heard and who not in story.over:
                return f"{who.name} has not heard {self._letters[letter]}"
        for who, count in self._words.items():
            if story.words[who] < count and who not in story.over:
                return f"{who.name} has not heard all it was told"
        if any(map(processes.is_alive, self._leaving)):
            return "somebody is about to end"
        for who in story.actors.values():
            process = story.processes.get(who)
            if (process is not None and processes.is_alive(process)) is (who in story.over):
                return f"{who.name} {'lives on' if who in story.over else 'is gone, and nobody knows yet'}"
        for who, state in story.states.items():
            if who not in story.over and (state.plans or state.waiting or state.ending is not None):
                return f"{who.name} is busy"
        return ""

    def _say(self, who: Puppet, word: Message) -> None:
        self._hand_out()
        self._words[who] += 1
        self.system.tell(self._address(who.name), text_of(word))

    def _address(self, name: str) -> ActorAddress:
        path = (self.home / "addresses" / name).read_text(encoding="utf-8")
        return ActorAddress(SocketAddress(path))

    def _hand_out(self) -> None:
        """Put the parts where the cast reads them.  A new list of outcomes is for the starts from now on."""
        for name, part in self.parts.items():
            outcomes, since = self._plans.get(name, ([], 0))
            if outcomes is not part.init:
                latest = self._story.latest.get(name)
                since = 1 if latest is None else latest.incarnation + 1
                self._plans[name] = (part.init, since)
            played = PlayedPart(since=since, outcomes=tuple(part.init), on_shutdown=part.on_shutdown)
            (self.home / "parts" / name).write_text(played.model_dump_json(), encoding="utf-8")

    def close(self) -> None:
        with suppress(FileNotFoundError):  # nobody was born
            self.system.tell(self._address(PARENT), text_of(Leave()))
        self.system.shutdown()


@contextmanager
def playing(home: Path) -> Iterator[Stage]:
    """A stage in a new home; whatever happens, no process and no room is left."""
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, mode=0o700)
    stage: Any = None
    try:
        stage = Stage(home)
        yield stage
    finally:
        try:
            if stage is not None:
                stage.close()
        finally:
            processes.end_all(home)
            shutil.rmtree(room_for(home), ignore_errors=True)
