"""The commands against a daemon: what is asked, what is printed, and the exit status."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub import __version__
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.protocols.admin import Code

if TYPE_CHECKING:
    from tests.cli.conftest import Daemon

ROOT = Path(__file__).parents[2]


def refusal(code: int, message: str = "no", hint: str = "try") -> Any:
    return lambda _request: {"ok": False, "code": code, "message": message, "hint": hint}


def test_the_exit_statuses_are_those_of_the_protocol() -> None:
    here = {name: value for name, value in vars(failure).items() if name.isupper() and name != "INTERRUPTED"}

    assert here == {code.name: code.value for code in Code}


@pytest.mark.parametrize(
    ("words", "schema", "ask"),
    [
        (["status"], "status", "status"),
        (["status", "ws1"], "status", "status"),
        (["tree"], "tree", "tree"),
        (["flows"], "flows", "flows"),
        (["conflicts"], "conflicts", "conflicts"),
        (["rules", "list"], "rules", "rules"),
    ],
)
def test_json_is_one_document_with_schema_and_version(
    daemon: "Daemon", capsys: pytest.CaptureFixture[str], words: list[str], schema: str, ask: str
) -> None:
    assert main([*words, "--json"]) == 0

    out = capsys.readouterr()
    document = json.loads(out.out)
    assert (document["schema"], document["version"], document["now"]) == (f"alluse-hub/{schema}", 1, 12.0)
    assert (out.out.count("\n"), out.err) == (1, "")
    assert daemon.requests[0]["ask"] == ask


def test_status_is_0_whenever_it_could_answer(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    assert daemon.replies["status"]["hub"]["status"] != "healthy"  # type: ignore[index]  # a document here

    assert main(["status"]) == 0

    assert "ws2 is parked" in capsys.readouterr().out


def test_one_name_is_passed_on(daemon: "Daemon") -> None:
    assert main(["status", "ws1"]) == 0

    assert daemon.requests[0]["args"] == {"name": "ws1"}


@pytest.mark.parametrize(
    ("words", "ask", "args"),
    [
        (["restart", "ws1"], "restart", {"name": "ws1", "monitor": False, "reason": "", "timeout_s": 60.0}),
        (
            ["restart", "ws1", "--monitor", "--reason", "why not", "--timeout", "3"],
            "restart",
            {"name": "ws1", "monitor": True, "reason": "why not", "timeout_s": 3.0},
        ),
        (["stop", "ws1"], "stop", {"name": "ws1", "monitor": False, "reason": "", "timeout_s": 60.0}),
        (["start", "ws1"], "start", {"name": "ws1", "monitor": False, "reason": "", "timeout_s": 60.0}),
        (["maintenance", "ws1", "on"], "maintenance", {"name": "ws1", "on": True, "reason": "", "timeout_s": 60.0}),
        (["maintenance", "ws1", "off"], "maintenance", {"name": "ws1", "on": False, "reason": "", "timeout_s": 60.0}),
        (
            ["flow", "pause", "ws3-ws4"],
            "flow",
            {"name": "ws3-ws4", "monitor": False, "on": False, "reason": "", "timeout_s": 60.0},
        ),
        (
            ["flow", "resume", "ws3-ws4"],
            "flow",
            {"name": "ws3-ws4", "monitor": False, "on": True, "reason": "", "timeout_s": 60.0},
        ),
        (["shutdown", "--keep-workstreams"], "shutdown", {"reason": "", "keep_workstreams": True}),
    ],
)
def test_an_order_is_asked_and_its_answer_told(
    daemon: "Daemon", capsys: pytest.CaptureFixture[str], words: list[str], ask: str, args: dict[str, Any]
) -> None:
    daemon.replies[ask] = {"text": "it is so"}

    assert main(words) == 0

    assert daemon.requests == [{"id": "1", "ask": ask, "args": args}]
    assert capsys.readouterr().out == "it is so\n"


@pytest.mark.parametrize("code", [1, 5, 6, 7, 9])
def test_a_refusal_is_the_exit_status(daemon: "Daemon", capsys: pytest.CaptureFixture[str], code: int) -> None:
    daemon.replies["restart"] = refusal(code, "not so", "but so")

    assert main(["restart", "ws1"]) == code

    assert capsys.readouterr().err == "error: not so\nhint: but so\n"


def test_a_refusal_as_json_goes_to_stderr(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["restart"] = refusal(7, "not so", "but so")

    assert main(["restart", "ws1", "--json"]) == 7

    out = capsys.readouterr()
    assert (out.out, json.loads(out.err)) == ("", {"code": 7, "message": "not so", "hint": "but so"})


@pytest.mark.parametrize(("words", "said"), [([], "no events fit what is asked for\n"), (["--json"], "")])
def test_that_nothing_fits_is_said(
    daemon: "Daemon", capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    daemon.replies["events"] = {"events": [], "leaf": 42}

    assert main(["events", "--type", "x", *words]) == 0
    assert tuple(capsys.readouterr()) == ("", said)


def test_events_are_lines(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["events"] = {"events": [daemon.event, daemon.event], "leaf": 42}

    assert main(["events", "-n", "2", "--type", "x", "--source", "ws3", "--since", "15m", "--text", "t", "--utc"]) == 0

    args = daemon.requests[0]["args"]
    assert (args["type"], args["source"], args["text"], args["limit"]) == ("x", "ws3", "t", 2)
    assert abs(args["since"] - (time.time() - 900)) < 60
    (line, _) = capsys.readouterr().out.splitlines()
    assert line.startswith("2023-11-14 22:13:20.250+00:00  ws3#17")
    assert "symbol=AAPL close=105.26" in line


def test_a_stream_as_json_is_an_object_a_line(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["trail"] = {"entries": [daemon.entry, daemon.entry], "leaf": 42}

    assert main(["trail", "tail", "--json", "--message", "RuleFired", "--message", "Booted"]) == 0

    assert daemon.requests[0]["args"] == {"messages": ["RuleFired", "Booted"], "limit": 20}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["schema"], line["id"]) for line in lines] == [("alluse-hub/entry", "ws3/1/42")] * 2


def test_following_asks_on_from_the_last_entry_until_interrupted(
    daemon: "Daemon", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = iter([{"events": [daemon.event], "leaf": 42}, {"events": [daemon.event], "leaf": 43}])
    waits = iter([None, KeyboardInterrupt()])

    def wait(_seconds: float) -> None:
        error = next(waits)
        if error:
            raise error

    monkeypatch.setattr(time, "sleep", wait)
    daemon.replies["events"] = lambda _request: next(pages)

    assert main(["events", "--follow"]) == failure.INTERRUPTED

    assert [request["args"].get("after") for request in daemon.requests] == [None, 42]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_one_entry_whole(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["entry"] = {"entry": daemon.entry}

    assert main(["trail", "show", "ws3/1/42"]) == 0
    assert '"rule": "r"' in capsys.readouterr().out


@pytest.mark.parametrize(("whole", "status"), [(True, 0), (False, failure.TRAIL_BROKEN)])
def test_the_check_of_the_trail_judges(
    daemon: "Daemon", capsys: pytest.CaptureFixture[str], *, whole: bool, status: int
) -> None:
    gaps = [] if whole else ["ws3/1: 4 to 7"]
    daemon.replies["check"] = {
        "whole": whole,
        "entries": 1_234,
        "incarnations": 5,
        "gaps": gaps,
        "doubles": [],
        "unrecorded": [],
    }

    assert main(["trail", "check"]) == status

    out = capsys.readouterr().out
    assert "1,234 entries of 5 incarnations" in out
    assert ("gaps: ws3/1: 4 to 7" in out) is not whole


def test_the_version_needs_no_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert __version__ in capsys.readouterr().out
