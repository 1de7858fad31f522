"""What goes wrong, and how the control script says so: a status, a sentence, a remedy, and never a traceback."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.cli import failure
from alluse_hub.cli.asking import since
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.main import main

if TYPE_CHECKING:
    from tests.cli.conftest import Daemon

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["statsu"],
        ["restart"],
        ["maintenance", "ws1", "maybe"],
        ["flow", "ws3-ws4"],
        ["trail"],
        ["events", "-n", "0"],
        ["events", "-n", "1001"],
        ["events", "-n", "x"],
        ["events", "--since", "whenever"],
        ["restart", "ws1", "--timeout", "0"],
        ["restart", "ws1", "--timeout", "601"],
        ["status", "--home", ""],
        ["status", "--home", "/" + "x" * 120],
        ["status", "--colour"],
    ],
)
def test_wrong_usage_is_2_with_a_hint_and_no_traceback(
    words: list[str], daemon: "Daemon", capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == failure.USAGE

    out = capsys.readouterr()
    assert out.err.startswith("error: ")
    assert "hint: " in out.err
    assert out.out == ""


def test_no_daemon_is_4_and_tells_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--home", str(tmp_path / "h")]) == failure.UNREACHABLE

    err = capsys.readouterr().err
    assert f"no hub runs on {tmp_path / 'h'}" in err
    assert "serve" in err


def test_a_socket_left_over_is_told_from_no_socket(
    daemon: "Daemon", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = daemon.home / "run" / "control.sock"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))

    assert main(["status"]) == failure.UNREACHABLE
    assert "left over" in capsys.readouterr().err


def test_a_home_that_is_a_file_is_no_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f").touch()

    assert main(["status", "--home", str(tmp_path / "f")]) == failure.UNREACHABLE
    assert "no hub runs" in capsys.readouterr().err


def test_a_daemon_that_ends_the_connection(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["status"] = lambda _request: None

    assert main(["status"]) == failure.UNREACHABLE
    assert "ended the connection" in capsys.readouterr().err


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b"\xff\n"])
def test_an_answer_that_is_none(daemon: "Daemon", capsys: pytest.CaptureFixture[str], line: bytes) -> None:
    daemon.replies["status"] = lambda _request: line

    assert main(["status"]) == failure.FAILED
    assert "error: the hub answered with something" in capsys.readouterr().err


def test_a_silent_daemon_is_given_up(
    daemon: "Daemon", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluse_hub.cli.client.Client.ask.__defaults__", (None, 0.1), raising=False)
    from alluse_hub.cli.client import Client  # noqa: PLC0415  # patched above

    daemon.replies["status"] = lambda _request: b" "

    with Client(daemon.home) as client, pytest.raises(Failure) as error:
        client.ask("status", {}, 0.1)

    assert error.value.code == failure.TIMED_OUT


def test_ctrl_c_is_130(daemon: "Daemon", monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alluse_hub.cli.show.status", interrupt)

    assert main(["status"]) == failure.INTERRUPTED


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **more)


def test_a_closed_pipe_leaves_no_traceback(daemon: "Daemon") -> None:
    daemon.replies["trail"] = {"entries": [daemon.entry] * 1_000, "leaf": 42}
    command = f"'{sys.executable}' '{ROOT / 'run.py'}' trail tail -n 1000 | head -1"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)

    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_follower_leaves_no_traceback(daemon: "Daemon") -> None:
    daemon.replies["trail"] = {"entries": [], "leaf": 42}
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "trail", "tail", "-f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while len(daemon.requests) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    child.send_signal(signal.SIGINT)
    try:
        _, err = child.communicate(timeout=30)
    finally:
        child.kill()

    assert (child.returncode, err) == (failure.INTERRUPTED, b"")


DENIED = frozenset(
    {
        "pydantic",
        "pydantic_core",
        "asyncio",
        "thespian",
        "sqlite3",
        "sqlite_utils",
        "pysqlite3",
        "psutil",
        "typing_extensions",
        "annotated_types",
        "logging",
        "multiprocessing",
        "concurrent",
        "dataclasses",
        "inspect",
        "subprocess",
        "tempfile",
        "http",
        "email",
        "tomllib",
        "ctypes",
        "decimal",
        "datetime",
    }
)


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["tree"],
        ["flows"],
        ["conflicts"],
        ["rules", "list"],
        ["rules", "disable", "pause"],
        ["why", "ws1"],
        ["events"],
        ["trail", "tail"],
        ["trail", "check"],
        ["restart", "ws1"],
        ["flow", "pause", "ws3-ws4"],
        ["shutdown"],
        ["version"],
    ],
)
def test_control_commands_load_nothing_heavy(daemon: "Daemon", words: list[str]) -> None:
    check = {"whole": True, "entries": 1, "incarnations": 1, "gaps": [], "doubles": [], "unrecorded": []}
    daemon.replies |= {
        "why": {"kind": "actor", "actor": {}, "latest": [daemon.entry]},
        "events": {"events": [daemon.event], "leaf": 1},
        "trail": {"entries": [daemon.entry], "leaf": 1},
        "check": check,
        "restart": {"text": "t"},
        "flow": {"text": "t"},
        "rules-switch": {"text": "t"},
        "shutdown": {"text": "t"},
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "PYTEST"))}

    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "run.py"), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    )

    # What the environment itself loads before the program begins (.pth files, sitecustomize) is not ours.
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"], capture_output=True, text=True, check=True, env=environment
    )
    loaded = _imported(done.stderr) - _imported(bare.stderr)
    assert not {name for name in loaded if name.partition(".")[0] in DENIED}
    assert not {name for name in loaded if name.startswith("alluse_hub.") and not name.startswith("alluse_hub.cli")}


def _imported(report: str) -> set[str]:
    lines = [line for line in report.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 910.0),
        ("15m", 100.0),
        ("0.25h", 100.0),
        ("1970-01-01T00:10+00:00", 600.0),
    ],
)
def test_times_to_look_back_to(text: str, expected: float) -> None:
    assert since(text, 1_000.0) == expected


@pytest.mark.parametrize("text", ["", "s", "-5m", "1.2.3s", "yesterday", "2026-13-01", "5y"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Failure) as error:
        since(text, 1_000.0)

    assert error.value.code == failure.USAGE


def test_the_help_names_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "10 the trail is broken" in capsys.readouterr().out


def test_output_that_cannot_be_written_is_no_traceback(daemon: "Daemon") -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        command = [sys.executable, str(ROOT / "run.py"), "status"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)

    assert done.returncode == failure.FAILED
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_text_of_others_cannot_drive_the_terminal(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    evil = {**daemon.event, "payload": {"text": "\x1b[2J\x1b]0;gone\x07\nsecond line"}}
    daemon.replies["events"] = {"events": [evil], "leaf": 1}

    assert main(["events"]) == 0

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "\x1b" not in out
    assert io.StringIO(out).readline() == out
