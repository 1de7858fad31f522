"""The whole real hub inside a Python process: programs, trail, control socket, and all actors in one thread.

    with EmbeddedHub(home="my-hub") as hub:
        print(hub.ask("status")["hub"]["status"])
        hub.ask("restart", {"name": "ws3", "reason": "new build"})

It is what ``serve --dense`` runs, without the guardian: nobody starts it again when it dies.  It forks nothing, sets no
signal handler and touches no logging; when the block is left it ends in order and leaves nothing behind but its home.
Should the process be killed, the programs of the workstreams go on, and the next hub on that home finds them.
"""

import tempfile
import threading
import time
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alluse_hub import __version__
from alluse_hub.actors.auditor.errands import admit_keys
from alluse_hub.actors.auditor.shapes import admit
from alluse_hub.actors.catalog import READER, durable_facts, preload, tree_of
from alluse_hub.cli import failure, home
from alluse_hub.cli.client import Answer, Client
from alluse_hub.cli.config import refused
from alluse_hub.cli.failure import Failure
from alluse_hub.configuration import checked, chosen, load
from alluse_hub.protocols.config import Base, ConfigError, HubConfig
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.personal import as_told
from alluse_hub.supervision import processes
from alluse_hub.supervision.clock import Clock, anchored
from alluse_hub.supervision.guardian import ANCHOR_EVERY_S, BACKSTOP_S, LOOK_S, START_S, is_answering
from alluse_hub.supervision.lock import locked_inside
from alluse_hub.supervision.lodging import DENSE
from alluse_hub.supervision.shared import SharedTree
from alluse_hub.supervision.shell import ENDED
from alluse_hub.supervision.system import SHUTDOWN_S
from alluse_hub.supervision.words import House

PATIENCE_S = 65.0
"""How long an answer may take: an order is given up by the hub itself after 60 s, unless it says otherwise."""


class EmbeddedHub:
    """``config``: TOML laid over the shipped configuration, or the path of a file with it; by default ``hub.toml`` in
    the home, if there is one.  ``home``: the hub's folder, made if need be; by default a temporary one.

    Whatever is wrong is a ``Failure`` with a code, a message and a hint, as the control script tells it.
    """

    def __init__(self, config: str | Path | None = None, *, home: str | Path | None = None) -> None:
        self._given = config
        self._home = None if home is None else Path(home)
        self._held = ExitStack()
        self._thread: threading.Thread | None = None
        self._tree: SharedTree | None = None
        self._is_leaving = threading.Event()
        self._has_ended = threading.Event()
        self._error: BaseException | None = None
        self._patience_s = SHUTDOWN_S

    # --- for whoever holds it -----------------------------------------------------------------------------------------

    @property
    def home(self) -> Path:
        """The hub's folder, absolute; known inside the block."""
        assert self._home is not None, "a temporary home is made when the block is entered"
        return self._home

    @property
    def is_running(self) -> bool:
        return self._thread is not None and not self._has_ended.is_set()

    def ask(self, ask: str, args: Answer | None = None, patience_s: float = PATIENCE_S) -> dict[str, Any]:  # JSON
        """The result of anything that the control socket can be asked, from any thread.  Raises Failure with the
        hub's refusal, or if it does not answer."""
        with Client(self.home) as client:
            return client.ask(ask, args, patience_s)

    # --- its life -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Returns when all actors are up.  Raises Failure: wrong configuration, a home that another hub holds."""
        assert self._thread is None, "an embedded hub is entered once"
        with ExitStack() as held:
            self._home = self._a_home(held)
            config = self._configured()
            try:
                held.enter_context(locked_inside(self.home))
                admit(self.home, durable_facts(), __version__)
                home.note_config(self.home, self._origin)
                admit_keys(self.home, is_declared=bool(config.trail.personal))
            except CallerError as error:
                raise Failure(failure.CONFLICT, str(error)) from error
            processes.end_all(self.home)
            for stale in (ENDED, "control.sock"):
                (self.home / "run" / stale).unlink(missing_ok=True)
            preload()
            clock = anchored(self.home)
            self._patience_s = config.hub.shutdown_s + SHUTDOWN_S
            self._thread = threading.Thread(target=self._live, args=(config, clock), name="alluse-hub", daemon=True)
            self._thread.start()
            held.callback(self._end)
            self._await_ready()
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises Failure if the hub did not end as it should, unless something else has been raised."""
        with suppress(Failure) if kind is not None else nullcontext():
            self._held.close()

    def _a_home(self, held: ExitStack) -> Path:
        if self._home is not None:
            return self._home.expanduser().absolute()
        return Path(held.enter_context(tempfile.TemporaryDirectory(prefix="alluse-hub-")))

    @property
    def _origin(self) -> str:
        """What its configuration is from."""
        if isinstance(self._given, str):
            return "the configuration given"
        file = chosen(None if self._given is None else str(self._given), self.home)
        return "" if file is None else str(file.absolute())

    def _configured(self) -> HubConfig:
        try:
            if isinstance(self._given, str):
                config = checked(self._given, self._origin, self.home, Base.DENSE)
            else:
                config = load(None if self._given is None else str(self._given), self.home, Base.DENSE)
        except ConfigError as error:
            raise refused(error, DENSE) from error
        home.make(self.home, tuple(workstream.id for workstream in config.workstreams))
        if config.hub.control_group:
            home.open_to_group(self.home, config.hub.control_group)
        return config

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while not is_answering(home.socket_of(self.home)):
            if self._has_ended.wait(LOOK_S):
                raise Failure(failure.FAILED, "the hub ended before it was ready")
            if time.monotonic() >= deadline:
                raise Failure(failure.TIMED_OUT, f"the hub did not get ready within {START_S:.0f} s")

    def _end(self) -> None:
        assert self._thread is not None, "ended only once begun"
        self._is_leaving.set()
        if self._tree is not None:
            self._tree.wake()
        self._thread.join(self._patience_s)
        if self._thread.is_alive():
            raise Failure(failure.TIMED_OUT, f"the hub did not end within {self._patience_s:.0f} s")
        if self._error is not None:
            raise Failure(failure.FAILED, f"the hub failed: {self._error}") from self._error
        if not (self.home / "run" / ENDED).exists():
            raise Failure(
                failure.FAILED, "the hub ended by itself", "its trail says why: `trail tail --message Failed`"
            )

    # --- in its own thread --------------------------------------------------------------------------------------------

    def _live(self, config: HubConfig, clock: Clock) -> None:
        try:
            personal = as_told(config.trail.personal)
            house = House(str(self.home), clock.offset, READER, __version__, base=DENSE, personal=personal)
            tree = self._tree = SharedTree(house, tree_of(config, __version__))
            try:
                self._run(tree, config.hub.shutdown_s)
            finally:
                tree.close()
        except BaseException as error:  # noqa: BLE001  # the top of a thread: told to whoever holds the hub
            self._error = error
        finally:
            self._has_ended.set()

    def _run(self, tree: SharedTree, shutdown_s: float) -> None:
        while not tree.has_ended and not self._is_leaving.is_set():
            tree.run(self._is_leaving.is_set, ANCHOR_EVERY_S)
            anchored(self.home)
        tree.ask_to_end("its program ends it", keep_workstreams=False)
        tree.run(bool, shutdown_s + BACKSTOP_S)
