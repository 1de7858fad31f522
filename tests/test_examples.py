"""The examples of the README run: a hub inside a test, and a workstream in another language."""

import json
import queue
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alluse_hub import configuration
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.actors.monitor.worker import MonitorWorker
from alluse_hub.protocols.config import parse
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import Attach, Attached, Dismiss, EndProgram, LinesRead, ProgramGone, WriteLines
from alluse_hub.protocols.workstream import EventLine, Hello, MonitorSpec, ProgramLine, Reply
from alluse_hub.supervision.processes import Process, kill
from tests.pages import README, blocks, section

PATIENCE_S = 30.0
LOOK_S = 0.01


def test_the_hub_runs_inside_a_test_as_the_readme_shows() -> None:
    [example] = blocks(section(README, "## The hub inside a test"), "python")
    shown: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), shown)

    [test] = [thing for name, thing in shown.items() if name.startswith("test_")]
    test()


def test_the_hub_runs_inside_a_program_as_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = blocks(section(README, "## The hub inside a program"), "python")
    exec(compile(example, "README.md", "exec"), {})

    status, restarted = capsys.readouterr().out.splitlines()
    assert status in {"starting", "healthy"}
    assert restarted.endswith(" runs")


ELSEWHERE = section(README, "## A workstream in another language")


def test_the_sixth_workstream_is_added_by_configuration_only(tmp_path: Path) -> None:
    [shown] = blocks(ELSEWHERE, "toml")

    config = parse(shown, "README.md", base=configuration.reference(), check_rules=check_rules)

    assert [workstream.id for workstream in config.workstreams] == ["ws1", "ws2", "ws3", "ws4", "ws5", "ws6"]
    assert configuration.filled(config.workstreams[-1].program[1], tmp_path, "ws6") == str(tmp_path / "ws6.pl")


def saved(folder: Path) -> str:
    """The README's program as a file."""
    [text] = blocks(ELSEWHERE, "perl")
    path = folder / "ws6.pl"
    path.write_text(text, encoding="utf-8")
    return str(path)


class Foreign:
    """The README's program behind a real shim, as the monitor's worker runs it."""

    def __init__(self, home: Path) -> None:
        saved(home)
        self.home = home
        self.said: queue.Queue[Message] = queue.Queue()
        spec = MonitorSpec(workstream="ws6", command=("perl", "{home}/ws6.pl"), heartbeat_timeout_s=PATIENCE_S)
        self.worker = MonitorWorker(SimpleNamespace(name="ws6", home=home, spec=spec, deliver=self.said.put))

    def hear(self, kind: type[Message]) -> Any:
        """The next message of this kind; what comes before it is left out.  Meanwhile this thread is the mailbox."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            while not self.said.empty():
                if type(message := self.said.get()) is kind:
                    return message
            for fd in select.select(self.worker.sources(), [], [], LOOK_S)[0]:
                self.worker.read(fd)
        raise AssertionError(f"no {kind.__name__} within {PATIENCE_S} s")

    def ask(self, key: str, *events: Event) -> list[ProgramLine]:
        """A delivery, and all that is said up to its reply."""
        parameters = {"session": "2004-10-14", "events": [event.model_dump() for event in events]}
        line = json.dumps({"id": key, "command": "deliver", "parameters": parameters, "deadline_s": 30.0})
        self.worker.do(WriteLines(ids=(key,), lines=(line,)))
        lines: list[ProgramLine] = []
        while not any(isinstance(line, Reply) for line in lines):
            read = self.hear(LinesRead)
            assert read.refused == ()
            lines += read.lines
        return lines

    def end(self) -> None:
        self.worker.close()
        for path in (self.home / "run" / "shims").glob("*.json"):
            known = json.loads(path.read_text(encoding="utf-8"))
            kill(Process(known["pid"], known["ticks"]))
            kill(Process(known["shim_pid"], known["shim_ticks"]))


def has_perl() -> bool:
    return bool(shutil.which("perl")) and subprocess.run(["perl", "-MJSON::PP", "-e1"], check=False).returncode == 0


needs_perl = pytest.mark.skipif(not has_perl(), reason="no perl with JSON::PP here")


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Foreign]:
    program = Foreign(tmp_path)
    yield program
    program.end()


def move(n: int, change: float | None) -> Event:
    payload = {"symbol": "AAPL", "change": change}
    return Event(ws="ws3", n=n, event="market_data_update", session="2004-10-14", payload=payload)


@needs_perl
def test_the_workstream_in_another_language_keeps_the_contract(foreign: Foreign) -> None:
    foreign.worker.do(Attach())
    foreign.hear(Attached)
    [hello] = foreign.hear(LinesRead).lines

    first = foreign.ask("r1/ws6", move(1, 0.131572), move(2, 0.01), move(3, None))
    again = foreign.ask("r1/ws6", move(1, 0.131572))
    foreign.worker.do(EndProgram(grace_s=5.0))

    assert isinstance(hello, Hello)
    [event] = [line for line in first if isinstance(line, EventLine)]
    assert (event.n, event.cause, event.payload) == (1, "r1/ws6", {"symbol": "AAPL", "change": 0.131572})
    assert [type(line) for line in again] == [Reply]
    assert foreign.hear(ProgramGone).cause == "normal"
    foreign.worker.do(Dismiss())


@needs_perl
def test_the_workstream_in_another_language_beats(tmp_path: Path) -> None:
    with subprocess.Popen(["perl", saved(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        kinds = [json.loads(program.stdout.readline())["kind"] for _ in range(2)]
        program.stdin.close()

    assert kinds == ["hello", "heartbeat"]
    assert program.returncode == 0
