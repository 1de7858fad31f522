"""Thespian's own test suite against our base: ``python -m tests.engine.upstream [arguments of pytest]``.

The installed package carries its suite.  Its ``asys`` fixture runs every test on six bases; here it is limited to ours.
``--stock`` runs it on the stock TCP base instead, for comparison.  A failure is expected only if it is listed below,
with its reason; a listed test that passes is reported too.  What fails although it should not is run once more, by
itself: the suite gives an actor a second to answer, or the time of another's answer to end, and a busy machine may take
longer.  The last line says how many ran, and how many of them did what was not expected, twice.
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

RACES = {
    "test_actorFailures.py::TestFuncActorFailures::test_confused_exit": (
        "takes the making of one actor for time enough to hear of the end of another; ours tells of an end when the"
        " process is gone"
    ),
}
"""Tests that fail or pass as two processes happen to be scheduled: test -> reason."""

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
    """Compares the failures with the lists.  ``seen``: test -> outcome, without those that were skipped."""

    def __init__(self, expected: dict[str, str], races: dict[str, str]) -> None:
        self._expected = expected
        self._races = races
        self.seen: dict[str, str] = {}

    @property
    def failures(self) -> list[str]:
        """Not expected."""
        known = self._expected.keys() | self._races.keys()
        return sorted(name for name, how in self.seen.items() if how == "failed" and name not in known)

    @property
    def passes(self) -> list[str]:
        """Not expected."""
        return sorted(name for name, how in self.seen.items() if how == "passed" and name in self._expected)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("/")[2]
        if (report.when == "call" or report.failed) and not report.skipped:
            outcome = "failed" if report.failed or self.seen.get(name) == "failed" else report.outcome
            self.seen[name] = outcome

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for name in sorted(set(self._expected) & set(self.seen)):
            terminalreporter.line(f"expected to fail: {name}: {self._expected[name]}")
        for name in sorted(set(self._races) & set(self.seen)):
            terminalreporter.line(f"may fail, and {self.seen[name]}: {name}: {self._races[name]}")
        for name in self.failures:
            terminalreporter.line(f"NOT EXPECTED TO FAIL: {name}")
        for name in self.passes:
            terminalreporter.line(f"EXPECTED TO FAIL, BUT PASSES: {name}")


def run(judge: Judge, arguments: list[str]) -> None:
    folder = str(Path(suite.__file__).parent)
    fixed = ["-c", os.devnull, "--rootdir", folder, "-p", "no:randomly", "-p", "no:cacheprovider"]
    pytest.main([*fixed, *arguments], [judge])


def main(arguments: list[str]) -> int:
    os.environ.pop("PYTHONUNBUFFERED", None)  # one test compares outputs that it changes
    is_stock = "--stock" in arguments
    module = types.ModuleType(f"thespian.system.{OURS}")
    module.ActorSystemBase = ActorSystemBase  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    if not is_stock:
        SocketAddress.__str__ = printed  # type: ignore[method-assign]  # in this process and those it forks
    suite.asys = limited_to(STOCK if is_stock else OURS)
    folder = Path(suite.__file__).parent
    chosen = [str(folder / a) if a.startswith("test_") else a for a in arguments if a != "--stock"]
    if not any(a.startswith(str(folder)) for a in chosen):
        chosen.append(str(folder))
    expected = {} if is_stock else EXPECTED
    races = {} if is_stock else RACES
    first, second = Judge(expected, races), Judge(expected, races)
    try:
        run(first, chosen)
        if first.failures:
            run(second, ["-q", *(str(folder / name) for name in first.failures)])
    finally:
        shutil.rmtree(ROOMS, ignore_errors=True)
    surprises = len(second.failures) + len(first.passes)
    sys.stdout.write(f"ran {len(first.seen)}, surprises {surprises}\n")
    return 1 if surprises else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
