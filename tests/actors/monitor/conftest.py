"""Fixtures for the monitor's tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.monitor.core import CORE
from alluse_hub.protocols.workstream import MonitorSpec
from tests.actors.monitor.bench import Bench
from tests.actors.monitor.programs import PROGRAM, MakeReal, RealProgram
from tests.actors.monitor.whole import Live, MakeLive
from tests.twice import decided_twice


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[MakeReal]:
    """Makes real programs: of the text given, or the usual one; all are ended with the test."""
    made: list[RealProgram] = []

    def make(text: str = PROGRAM, command: tuple[str, ...] = (), **more: Any) -> RealProgram:
        script = tmp_path / "program.py"
        script.write_text(text, encoding="utf-8")
        spec = MonitorSpec(workstream="ws9", command=command or ("{python}", str(script)), **more)
        made.append(RealProgram(tmp_path / "home", spec))
        return made[-1]

    yield make
    for program in made:
        program.end()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[MakeLive]:
    made: list[Live] = []

    def make(text: str = PROGRAM, command: tuple[str, ...] = (), **more: Any) -> Live:
        script = tmp_path / "program.py"
        script.write_text(text, encoding="utf-8")
        spec = MonitorSpec(workstream="ws9", command=command or ("{python}", str(script)), **more)
        made.append(Live(tmp_path / "home", spec))
        return made[-1]

    yield make
    for each in made:
        each.real.end()


@pytest.fixture(autouse=True, scope="module")
def each_decision_is_made_twice() -> Iterator[None]:
    with decided_twice(CORE):
        yield
