"""Thespian's own test suite against our base: ``python -m tests.engine.upstream [arguments of pytest]``.

The installed package carries its suite.  Its ``asys`` fixture runs every test on six bases; here it is limited to ours.
``--stock`` runs it on the stock TCP base instead, for comparison.  A failure is expected only if it is listed below,
with its reason; a listed test that passes is reported too.
"""

import os
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import thespian.test as suite
from thespian.actors import ActorAddress, ActorSystem

from alluse_hub.supervision.engine.address import SocketAddress
from alluse_hub.supervision.engine.allowed import EVERYTHING
from alluse_hub.supervision.engine.base import EngineBase
from alluse_hub.supervision.engine.room import admin_path, open_room
from alluse_hub.supervision.engine.settings import MIB, Settings
from alluse_hub.supervision.engine.transport import Transport

EXPECTED = {
    "test_badmessage.py::test03_intermittentlyBad": "asks that a failing handler be run a second time; ours never is",
    "test_runcommand.py::TestRunCommand::testCommandAbort": (
        "takes the late answer to one ask for the answer to the next; ours keeps it for listen"
    ),
}
"""Failures that are ours on purpose, or cannot be otherwise: test -> reason."""

STOCK = "multiprocTCPBase"

OURS = "multiprocTCPhub"
"""The suite starts systems by name, and gives ports and conventions to those whose name begins like this."""

LARGE_MIB = 512

ROOMS = Path(tempfile.gettempdir()) / f"up{os.getpid()}"
"""A test looks at the letters in a printed address, and knows only plain ones."""


def room_of(port: object) -> Path:
    open_room(ROOMS)
    return open_room(ROOMS / f"p{port}")


class ConventionTransport(Transport):
    """With the suite's ports for addresses: one room for each."""

    @staticmethod
    def getAddressFromString(address: Any, _routing: bool = False) -> ActorAddress:  # noqa: N802
        port = address[1] if isinstance(address, tuple) else str(address).rpartition(":")[2]
        return ActorAddress(SocketAddress(admin_path(room_of(port))))

    @staticmethod
    def getConventionAddress(capabilities: dict[str, Any]) -> list[ActorAddress] | None:  # type: ignore[override] # noqa: N802
        leaders = capabilities.get("Convention Address.IPv4")
        if not leaders:
            return None
        return [
            ConventionTransport.getAddressFromString(leader)
            for leader in (leaders if isinstance(leaders, list) else [leaders])
        ]


def printed(address: SocketAddress) -> str:
    """Two tests read a host out of a printed address, to put a port behind it."""
    return f"(unix|127.0.0.1:{address.path})"


class ActorSystemBase(EngineBase):
    transport_class = ConventionTransport

    def __init__(self, system: ActorSystem, logDefs: Any = None) -> None:  # noqa: N803
        room = room_of(system.capabilities.get("Admin Port", 1900))
        super().__init__(system, logDefs, Settings(room, EVERYTHING, frame_max_bytes=LARGE_MIB * MIB))


def limited_to(base: str) -> Any:
    @pytest.fixture
    def asys(request: pytest.FixtureRequest) -> Iterator[ActorSystem]:
        port = suite.get_free_admin_port()
        capabilities = {
            "Foo Allowed": True, "Cows Allowed": True, "Dogs Allowed": True, "dog": "food",
            "Admin Port": port, "Convention Address.IPv4": ("", port),
        }  # fmt: skip
        system = ActorSystem(base, capabilities, logDefs=suite.simpleActorTestLogging(), transientUnique=True)
        system.base_name, system.port_num, system.txonly = base, port, False
        yield system
        system.shutdown()

    return asys


class Judge:
    """Compares the failures with the list."""

    def __init__(self, expected: dict[str, str]) -> None:
        self.expected = expected
        self.surprises: list[str] = []
        self.seen: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("/")[2]
        if report.when == "call" or report.failed:
            outcome = "failed" if report.failed or self.seen.get(name) == "failed" else report.outcome
            self.seen[name] = outcome

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for name, outcome in sorted(self.seen.items()):
            if outcome == "failed" and name in self.expected:
                terminalreporter.line(f"expected to fail: {name}: {self.expected[name]}")
            elif outcome == "failed":
                self.surprises.append(name)
                terminalreporter.line(f"NOT EXPECTED TO FAIL: {name}")
            elif outcome == "passed" and name in self.expected:
                self.surprises.append(name)
                terminalreporter.line(f"EXPECTED TO FAIL, BUT PASSES: {name}")


def main(arguments: list[str]) -> int:
    os.environ.pop("PYTHONUNBUFFERED", None)  # one test compares outputs that it changes
    is_stock = "--stock" in arguments
    arguments = [argument for argument in arguments if argument != "--stock"]
    module = types.ModuleType(f"thespian.system.{OURS}")
    module.ActorSystemBase = ActorSystemBase  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    SocketAddress.__str__ = printed  # type: ignore[method-assign]  # in this process and those it forks
    suite.asys = limited_to(STOCK if is_stock else OURS)
    judge = Judge({} if is_stock else EXPECTED)
    folder = Path(suite.__file__).parent
    chosen = [a if not a.startswith("test_") else str(folder / a) for a in arguments]
    if not any(a.startswith(str(folder)) for a in chosen):
        chosen.append(str(folder))
    try:
        pytest.main(
            ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:randomly", "-p", "no:cacheprovider", *chosen],
            [judge],
        )
    finally:
        shutil.rmtree(ROOMS, ignore_errors=True)
    return 1 if judge.surprises else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
