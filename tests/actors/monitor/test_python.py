"""The adapter for workstreams that live in the hub's own process."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from alluse_hub.actors.monitor.worker import MonitorWorker
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    AttachFailed,
    Detach,
    Dismiss,
    EndProgram,
    LinesRead,
    Look,
    Looked,
    NotRunning,
    ProgramGone,
    ReleaseLines,
    SignalProgram,
    WriteLines,
)
from alluse_hub.protocols.workstream import Hello, MonitorSpec, Reply

AGENT = "alluse_hub.actors.workstreams.ws1:AgentFoundation"


class Inside:
    def __init__(self, home: Path, python: str = AGENT) -> None:
        self.said: list[Message] = []
        spec = MonitorSpec(workstream="ws1", python=python)
        self.worker = MonitorWorker(SimpleNamespace(name="ws1", home=home, spec=spec, deliver=self.said.append))

    def do(self, *jobs: Message) -> "Inside":
        for job in jobs:
            self.worker.do(job)
        return self

    def write(self, line: str) -> "Inside":
        return self.do(WriteLines(ids=("x",), lines=(line,)))


def test_a_workstream_is_an_object_that_says_hello_and_answers_at_once(tmp_path: Path) -> None:
    inside = Inside(tmp_path).do(Attach()).write('{"id":"k1","command":"ping","parameters":{}}')

    assert [type(message) for message in inside.said] == [Attached, LinesRead, LinesRead]
    first, second = (message for message in inside.said if isinstance(message, LinesRead))
    assert isinstance(first.lines[0], Hello)
    assert isinstance(second.lines[0], Reply)
    assert second.lines[0].ok
    assert (tmp_path / "state" / "ws1").is_dir()
    inside.worker.close()


def test_its_state_outlives_the_object(tmp_path: Path) -> None:
    command = '{"id":"k1","command":"send_alert","parameters":{"urgency":"high","subject":"a","text":"b"}}'
    Inside(tmp_path).do(Attach()).write(command).worker.close()
    inside = Inside(tmp_path).do(Attach())
    inside.worker.close()

    [read] = [message for message in inside.said if isinstance(message, LinesRead)]
    assert isinstance(read.lines[0], Hello)
    assert read.lines[0].resumed


def test_it_ends_in_order_and_starts_again(tmp_path: Path) -> None:
    inside = Inside(tmp_path).do(Attach(), EndProgram(grace_s=1.0), Dismiss(), Attach())
    inside.worker.close()

    assert [type(message) for message in inside.said] == [Attached, LinesRead, ProgramGone, Attached, LinesRead]


def test_a_signal_ends_it_and_later_input_goes_nowhere(tmp_path: Path) -> None:
    inside = Inside(tmp_path).do(Attach(), SignalProgram(signal="KILL")).write("{}")

    assert inside.said[-1] == ProgramGone(cause="killed by SIGKILL")


def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    inside = Inside(tmp_path).do(Attach()).write('{"id":"k1","command":"stop","parameters":{}}')

    assert inside.said[-1] == ProgramGone(cause="normal")


@pytest.mark.parametrize("python", ["no_such_module:X", "alluse_hub.actors.workstreams.ws1:NoSuchClass"])
def test_a_class_that_is_not_there_is_told(tmp_path: Path, python: str) -> None:
    [failed] = Inside(tmp_path, python).do(Attach()).said

    assert isinstance(failed, AttachFailed)
    assert python in failed.error


def test_it_has_no_beats_and_no_buffer(tmp_path: Path) -> None:
    inside = Inside(tmp_path).do(Attach(start=False), Look(), ReleaseLines(through=1), Detach())

    assert inside.said == [NotRunning(), Looked(age_s=0.0)]


def test_any_other_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no job for a program"):
        Inside(tmp_path).do(NotRunning())
