"""Real processes: pipes, signals, faults, exit codes."""

import json
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.workstreams.faults import Fault, fault
from alluse_hub.actors.workstreams.program import BEAT_S

HOUSE = Path(__file__).parents[3]
PACKAGE = "alluse_hub.actors.workstreams"
LIMIT_S = 20


def start(ws: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"{PACKAGE}.{ws}", *arguments]
    return subprocess.Popen(command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def line(id_: str, command: str, **parameters: Any) -> bytes:
    return json.dumps({"id": id_, "command": command, "parameters": parameters}).encode() + b"\n"


def run(ws: str, lines: list[bytes], *arguments: str) -> tuple[int, list[bytes], bytes]:
    """Exit code, what was written but for beats (a loaded machine may be slow enough for one), the log."""
    with start(ws, *arguments) as program:
        out, err = program.communicate(b"".join(lines), timeout=LIMIT_S)
    said = [line for line in out.splitlines(keepends=True) if b'"kind":"heartbeat"' not in line]
    return program.returncode, said, err


SPAN = line("span", "set_replay", **{"from": "2004-08-19", "to": "2004-09-10"})
SESSIONS = [line(f"s{number}", "next_session") for number in range(1, 7)]


def events(lines: list[bytes]) -> dict[int, str]:
    found: dict[int, str] = {}
    for one in lines:
        if not one.endswith(b"\n"):
            continue
        body = json.loads(one)
        if body["kind"] == "event":
            told = json.dumps([body[name] for name in ("n", "event", "session", "payload")])
            assert found.setdefault(body["n"], told) == told
    return found


def test_end_of_input_is_a_clean_exit_and_stdout_holds_lines_only() -> None:
    code, lines, err = run("ws1", [line("a", "ping"), b"rubbish\n", line("b", "ping")])

    kinds = [json.loads(one)["kind"] for one in lines]
    assert (code, kinds, err) == (0, ["hello", "reply", "log", "reply"], b"")


@pytest.mark.parametrize("at", [2, 4])
def test_killed_amid_a_session_it_goes_on_where_it_was(tmp_path: Path, at: int) -> None:
    _, expected, _ = run("ws3", [SPAN, *SESSIONS])
    arguments = ("--state", str(tmp_path), "--fault", f"kill@{at}")

    code, first, _ = run("ws3", [SPAN, *SESSIONS], *arguments)
    again, second, _ = run("ws3", [SPAN, *SESSIONS], *arguments)

    assert (code, again) == (-signal.SIGKILL, 0)
    hello = json.loads(second[0])
    told = events(first)
    assert hello["resumed"] is True
    assert hello["events"] >= len(told) > 0 or at == 2
    assert told.items() <= events(second).items()
    assert events(second) == events(expected)


def test_sigterm_ends_it_cleanly() -> None:
    with start("ws1") as program:
        assert program.stdout is not None
        assert json.loads(program.stdout.readline())["kind"] == "hello"

        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=LIMIT_S)

    assert (program.returncode, err) == (0, b"")


def test_it_beats_while_it_waits() -> None:
    with start("ws1") as program:
        assert program.stdout is not None
        program.stdout.readline()

        beat = json.loads(program.stdout.readline())
        program.communicate(timeout=LIMIT_S)

    assert (beat["kind"], beat["busy"], beat["seq"]) == ("heartbeat", None, 2)


def test_stop_is_answered_before_the_end() -> None:
    code, lines, _ = run("ws2", [line("a", "stop"), line("b", "ping")])

    assert code == 0
    assert [json.loads(one).get("id") for one in lines] == [None, "a"]


def test_two_programs_cannot_share_a_state_folder(tmp_path: Path) -> None:
    with start("ws1", "--state", str(tmp_path)) as first:
        assert first.stdout is not None
        first.stdout.readline()

        code, lines, err = run("ws1", [], "--state", str(tmp_path))
        first.communicate(timeout=LIMIT_S)

    said = json.loads(lines[0])
    assert (code, said["kind"], said["level"]) == (1, "log", "error")
    assert f"belongs to the running program with pid {first.pid}" in said["text"]
    assert said["text"] in err.decode()


def test_damaged_data_is_said_and_ends_it(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("Ticker,Date\n", encoding="utf-8")

    code, lines, _ = run("ws3", [], "--data", str(file))

    said = json.loads(lines[0])
    assert (code, said["kind"], said["level"], said["seq"]) == (1, "log", "error", 1)
    assert "own.csv, line 1: the columns must be" in said["text"]


def test_a_damaged_state_is_said_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "snapshot.json").write_bytes(b"rubbish")

    code, lines, _ = run("ws5", [], "--state", str(tmp_path))

    assert code == 1
    assert "snapshot.json: the checksum" in json.loads(lines[0])["text"]


def test_a_line_too_long_is_refused_and_the_next_is_answered() -> None:
    code, lines, _ = run("ws1", [b"x" * 9_000_000 + b"\n", line("a", "ping")])

    said = [json.loads(one) for one in lines]
    assert code == 0
    assert "the longest accepted" in said[1]["text"]
    assert said[2]["ok"] is True


def test_garbage_is_written_once_and_the_reply_still_comes(tmp_path: Path) -> None:
    arguments = ("--state", str(tmp_path), "--fault", "garbage@1")

    _, first, _ = run("ws1", [line("a", "ping")], *arguments)
    _, second, _ = run("ws1", [line("a", "ping")], *arguments)

    assert len(first) == 5
    assert b"\xff" in first[2]
    assert json.loads(first[4])["ok"] is True
    assert len(second) == 2


def test_a_flood_is_as_long_as_ordered() -> None:
    _, lines, _ = run("ws1", [line("a", "ping")], "--fault", "flood=500")

    assert [json.loads(one)["kind"] for one in lines].count("log") == 500


def test_a_hanging_program_neither_answers_nor_beats_nor_ends_by_sigterm() -> None:
    with start("ws1", "--fault", "hang@1") as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(line("a", "ping"))
        program.stdin.flush()
        program.stdout.readline()

        is_heard, _, _ = select.select([program.stdout], [], [], 1.5 * BEAT_S)
        program.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(timeout=0.3)
        program.kill()

    assert is_heard == []
    assert program.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kill@3", Fault("kill", 3)),
        ("slow=20ms", Fault("slow", 20)),
        ("leak=5MB/s", Fault("leak", 5)),
        ("flood=1000", Fault("flood", 1000)),
    ],
)
def test_faults_are_read(text: str, found: Fault) -> None:
    assert fault(text) == found


@pytest.mark.parametrize("text", ["kill", "kill=3", "explode@3", "slow=0", "hang@-1", "leak=lots"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no fault|could not convert"):
        fault(text)


def test_a_program_imports_neither_the_hubs_libraries_nor_the_heavy_of_the_standard_one() -> None:
    for number in range(1, 6):
        code = f"import sys, {PACKAGE}.ws{number}; print(*sorted(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, check=True, timeout=LIMIT_S)
        loaded = set(done.stdout.decode().split())
        assert not loaded & {
            "pydantic",
            "thespian",
            "asyncio",
            "sqlite3",
            "psutil",
            "multiprocessing",
            "inspect",
            "dataclasses",
        }
        assert {name for name in loaded if name.startswith("alluse_hub.")} - {"alluse_hub.actors"} == {
            name for name in loaded if name.startswith(f"{PACKAGE}")
        }
