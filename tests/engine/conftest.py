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
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorSystem

from alluse_hub.supervision.engine.allowed import EVERYTHING
from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.settings import Settings
from alluse_hub.supervision.processes import children_of, start_ticks

STOCK = "multiprocTCPBase"

PATIENCE_S = 20.0


def eventually(holds: Callable[[], bool], what: str = "", patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    return start_ticks(pid) != 0


def descendants(pid: int) -> list[int]:
    return [pid, *(below for child in children_of(pid) for below in descendants(child))]


@pytest.fixture
def room() -> Iterator[Path]:
    """Short, because socket paths are."""
    path = Path(tempfile.mkdtemp(prefix="hub-"))
    yield path
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


@pytest.fixture
def ours(room: Path) -> Iterator[ActorSystem]:
    system = open_system(room, {"version": 1}, settings=settings_of(room))
    probe = system.createActor("tests.engine.cast.Puppet")
    admin_pid = system.ask(probe, ("parent_pid",), PATIENCE_S)
    yield system
    end(system, admin_pid)


@pytest.fixture(params=["ours", "stock"])
def system(request: pytest.FixtureRequest) -> Iterator[ActorSystem]:
    """On each base; for what both promise."""
    if request.param == "ours":
        yield request.getfixturevalue("ours")
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
