"""The whole hub inside a test: one process, virtual time, nothing left behind.

    with TestHub() as hub:
        hub.run_sessions(20)
        hub.crash("coordinator")
        hub.run_sessions(5)
        assert hub.facts("RuleFired")

The same cores as in production, on the simulation; the reference workstreams live inside the process.  Time moves only
when the test says so, or while it waits for something, and then at once.
"""

import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alluse_hub import __version__
from alluse_hub.actors import catalog
from alluse_hub.actors.monitor.worker import MonitorWorker
from alluse_hub.protocols.admin import AskBoard, ShutDown
from alluse_hub.protocols.board import BoardShown
from alluse_hub.protocols.config import Source, parse
from alluse_hub.protocols.config_models import HubConfig, WorkstreamConfig
from alluse_hub.protocols.ending import Flush, Flushed
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import AUDITOR, BOARD, GATEWAY, ROOT, ROUTER
from alluse_hub.protocols.trail import Entry, EntryKind
from alluse_hub.supervision.simulation import Simulation, Weather, WorkerContext

REFERENCE = "alluse_hub.actors.workstreams"

START_LIMIT_S = 60.0
"""Virtual seconds a start may take."""

SESSION_LIMIT_S = 600.0
"""Virtual seconds a session may take, crashes and all."""


class _Idle:
    """The worker of an actor that has nothing to do outside: no store, no socket."""

    def __init__(self, _context: WorkerContext) -> None: ...

    def do(self, job: Message) -> None: ...

    def close(self) -> None: ...


class _Clerk(_Idle):
    """The auditor's: whatever is in the trail of a simulation is stored."""

    def __init__(self, context: WorkerContext) -> None:
        self._deliver = context.deliver

    def do(self, job: Message) -> None:
        if isinstance(job, Flush):
            self._deliver(Flushed())


class TestHub:
    """``config``: TOML laid over the shipped configuration.  ``seed`` and ``weather``: see the simulation."""

    __test__ = False  # not a test class, whatever its name says to pytest

    def __init__(self, config: str = "", *, seed: int = 0, weather: Weather | None = None) -> None:
        self.config = _inside(parse(config, "the test's configuration", base=_shipped()))
        self._folder = tempfile.TemporaryDirectory(prefix="alluse-hub-")
        home = Path(self._folder.name)
        workers: dict[str, Callable[[WorkerContext], Any]] = dict.fromkeys(catalog.ACTORS.values(), _Idle)
        workers[catalog.ACTORS["monitor"]] = MonitorWorker
        workers[catalog.ACTORS[AUDITOR]] = _Clerk
        self.world = Simulation(seed, weather, workers, home)
        self._asked = 0

    def __enter__(self) -> Self:
        self.world.boot(catalog.tree_of(self.config, __version__))
        self.world.run_until(lambda: GATEWAY in self.world.actors, START_LIMIT_S)
        self._answers = self.world.probe("probe")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.close()
        self._folder.cleanup()

    # --- time --------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Hub time in virtual seconds."""
        return self.world.now

    def advance(self, seconds: float) -> None:
        """Everything that is due within ``seconds`` of virtual time, in order."""
        self.world.advance(seconds)

    def run_until(self, holds: Callable[[], bool], limit_s: float = SESSION_LIMIT_S) -> None:
        """Until ``holds`` does; AssertionError, with the seed, if it does not within ``limit_s`` virtual seconds."""
        self.world.run_until(holds, limit_s)

    def run_sessions(self, count: int) -> None:
        """Until ``count`` more market sessions are settled, or the data ends."""
        target = self.sessions + count
        self.world.run_until(lambda: self.sessions >= target or self.has_ended, SESSION_LIMIT_S * count)

    # --- what is so --------------------------------------------------------------------------------------------------

    def state(self, actor: str) -> Any:  # each actor keeps a state of its own
        """The live state of an actor's core."""
        found = self.world.actors.get(actor)
        if found is None:
            raise CallerError(f"{actor!r} is not an actor; known: {', '.join(sorted(self.world.actors))}")
        return found.life.state

    @property
    def sessions(self) -> int:
        return int(self.state(ROUTER).sessions)

    @property
    def has_ended(self) -> bool:
        """Whether the last session of the span is settled."""
        return bool(self.state(ROUTER).ended)

    @property
    def digests(self) -> dict[str, str]:
        """Of each workstream's events so far."""
        return dict(self.state(ROUTER).digests)

    def view(self, view: str, **args: str) -> dict[str, Any]:  # JSON
        """What the board shows: status, tree, flows, conflicts, rules or progress."""
        self._asked += 1
        request = f"probe-{self._asked}"
        self.tell(BOARD, AskBoard(request=request, view=view, args=dict(args)))
        found: list[Json] = []

        def has_come() -> bool:
            found.extend(a.view for a in self._answers if isinstance(a, BoardShown) and a.request == request)
            return bool(found)

        self.world.run_until(has_come, START_LIMIT_S)
        return found[0]

    # --- the trail ---------------------------------------------------------------------------------------------------

    @property
    def trail(self) -> list[Entry]:
        """Every entry so far, in the order of writing."""
        return self.world.trail.entries

    def facts(self, message: str, actor: str = "") -> list[Entry]:
        """Facts of that kind, of everybody or of one actor."""
        return [
            entry
            for entry in self.trail
            if entry.kind is EntryKind.FACT and entry.message == message and actor in {"", entry.actor}
        ]

    # --- what a test may do ------------------------------------------------------------------------------------------

    def tell(self, actor: str, message: Message) -> None:
        """A letter from outside; answers come to the probe."""
        self.world.tell(actor, message, "probe")

    @property
    def answers(self) -> list[Message]:
        """All that was sent to the probe."""
        return self._answers

    def crash(self, actor: str) -> None:
        """kill -9 of an actor; its supervisor is told as it would be."""
        self.state(actor)
        self.world.crash(actor)

    def clear_up(self) -> None:
        """Fair weather from now on: no crashes, no losses."""
        self.world.weather = Weather()

    def shut_down(self) -> None:
        self.tell(ROOT, ShutDown(by="test", reason="the test is over"))
        self.world.run_until(lambda: not self.world.actors[ROOT].is_alive, SESSION_LIMIT_S)


def _shipped() -> Source:
    return Source("reference.toml", files("alluse_hub.actors").joinpath("reference.toml").read_text(encoding="utf-8"))


def _inside(config: HubConfig) -> HubConfig:
    """The reference programs as objects of this process; others have to name a class of their own."""
    return config.model_copy(update={"workstreams": tuple(_as_object(each) for each in config.workstreams)})


def _as_object(workstream: WorkstreamConfig) -> WorkstreamConfig:
    if workstream.python:
        return workstream
    module = next((word for word in workstream.program if word.startswith(f"{REFERENCE}.")), "")
    name = module.rpartition(".")[2]
    programs: dict[str, str] = _programs()
    if name not in programs:
        raise CallerError(f"{workstream.id} is a program; inside a test name a class: python = 'package.module:Class'")
    return workstream.model_copy(update={"program": (), "python": f"{module}:{programs[name]}"})


def _programs() -> dict[str, str]:
    from alluse_hub.actors.workstreams.catalog import PROGRAMS  # noqa: PLC0415  # only when the reference is used

    return PROGRAMS
