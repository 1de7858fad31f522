"""Actor systems for tests, ended for certain."""

import gc
import os
import shutil
import signal
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorSystem
from thespian.system.transport import ReceiveEnvelope, TransmitOnly

from alluse_hub.supervision.dense.base import open_dense
from alluse_hub.supervision.engine.address import SocketAddress
from alluse_hub.supervision.engine.allowed import EVERYTHING
from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.door import credentials
from alluse_hub.supervision.engine.room import admin_path
from alluse_hub.supervision.engine.settings import Settings
from alluse_hub.supervision.engine.transport import Endpoint, Transport
from alluse_hub.supervision.processes import children_of, start_ticks
from tests.engine.cast import LIVING, PUPPET, Life

STOCK = "multiprocTCPBase"

PATIENCE_S = 20.0

MOMENT = timedelta(seconds=0.02)


def eventually(holds: Callable[[], bool], what: str = "", patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    return start_ticks(pid) != 0


def is_living(life: Life) -> bool:
    """Whether that very puppet is still there: its process, or where all share one, its object."""
    pid, number = life
    return number in LIVING if pid == os.getpid() else is_running(pid)


def descendants(pid: int) -> list[int]:
    return [pid, *(below for child in children_of(pid) for below in descendants(child))]


def ask(system: ActorSystem, actor: ActorAddress, *message: Any) -> Any:
    """A puppet's answer."""
    return system.ask(actor, message, PATIENCE_S)


def heard(system: ActorSystem, actor: ActorAddress, count: int = 1) -> list[str]:
    """The first ``count`` words of the system to a puppet, and whatever else came with them."""
    eventually(lambda: len(ask(system, actor, "heard")) >= count)
    words: list[str] = ask(system, actor, "heard")
    return words


def child_of(system: ActorSystem, parent: ActorAddress, name: str, path: str = PUPPET) -> int:
    """Have a puppet make a child of that name; its pid, once it runs."""
    ask(system, parent, "child", name, path)
    pid: int = ask(system, parent, "ask", name, ("pid",))
    return pid


@pytest.fixture
def room() -> Iterator[Path]:
    """Short, because socket paths are."""
    path = Path(tempfile.mkdtemp(prefix="hub-"))
    yield path
    with socket.socket(socket.AF_UNIX) as caller, suppress(OSError):  # an admin that a failed test has left over
        caller.connect(admin_path(path))
        os.kill(credentials(caller)[0], signal.SIGKILL)
    shutil.rmtree(path)


def settings_of(room: Path, **bounds: Any) -> Settings:
    return Settings(room, EVERYTHING, **bounds)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end(system: ActorSystem, admin_pid: int) -> None:
    """In order if it can be; by force if not."""
    processes = descendants(admin_pid)
    with suppress(Exception):
        system.shutdown()
    for pid in processes:
        if is_running(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(is_running(pid) for pid in processes), "the system is gone")


def admin_of(system: ActorSystem) -> int:
    """Its pid; leaves an actor behind."""
    pid: int = ask(system, system.createActor(PUPPET), "parent_pid")
    return pid


@pytest.fixture
def start(room: Path) -> Iterator[Callable[..., ActorSystem]]:
    """Systems of ours with bounds, log definitions and so on of their own."""
    begun: list[tuple[ActorSystem, int]] = []

    def start(log_defs: dict[str, Any] | None = None, **bounds: Any) -> ActorSystem:
        system = open_system(room, log_defs or {"version": 1}, settings=settings_of(room, **bounds))
        begun.append((system, admin_of(system)))
        return system

    yield start
    for system, admin_pid in begun:
        end(system, admin_pid)


@pytest.fixture
def ours(start: Callable[..., ActorSystem]) -> ActorSystem:
    return start()


@pytest.fixture
def dense() -> Iterator[ActorSystem]:
    system = open_dense()
    yield system
    system.shutdown()


@pytest.fixture(params=["ours", "stock", "dense"])
def system(request: pytest.FixtureRequest) -> Iterator[ActorSystem]:
    """On each base; for what all promise."""
    if request.param != "stock":
        yield request.getfixturevalue(request.param)
        return
    system = ActorSystem(STOCK, {"Admin Port": free_port()}, logDefs={"version": 1}, transientUnique=True)
    probe = system.createActor("tests.engine.cast.Puppet")
    admin_pid = system.ask(probe, ("parent_pid",), PATIENCE_S)
    transport = system._systemBase.transport
    yield system
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the stock base leaves its sockets to the collector
        end(system, admin_pid)
        vars(transport).clear()
        gc.collect()


# --- transports without a system -------------------------------------------------------------------------------------


@pytest.fixture
def make(room: Path) -> Iterator[Callable[..., Transport]]:
    made: list[Transport] = []

    def make(**bounds: Any) -> Transport:
        settings = Settings(room, **({"allowed": EVERYTHING} | bounds))
        made.append(Transport(Endpoint(None, None, ActorAddress(SocketAddress(admin_path(room))), settings)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def hear(transport: Transport, count: int = 1) -> list[Any]:
    """That many messages."""
    heard: list[Any] = []
    while len(heard) < count:
        envelope = transport.run(None, timedelta(seconds=PATIENCE_S))
        assert isinstance(envelope, ReceiveEnvelope), f"heard {len(heard)} of {count}"
        heard.append(envelope.message)
    return heard


def settle(*transports: Transport) -> None:
    """Let each do what there is to do, except handing out messages."""
    for transport in transports:
        transport.exchange.look(0.0)
        transport.run(TransmitOnly, MOMENT)
        transport.exchange.look(0.0)
