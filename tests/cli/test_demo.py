"""The demonstration as a client: progress while it runs, a summary at its end, and no trace after it."""

import contextlib
import io
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.cli import demo, failure
from alluse_hub.cli.client import Client
from alluse_hub.cli.main import main
from alluse_hub.cli.progress import NEWS_KEPT, Lines, Live, Shown, news_line
from alluse_hub.cli.render import Style

if TYPE_CHECKING:
    from tests.cli.conftest import Daemon

SUMMARY: dict[str, Any] = {
    "session": "2004-08-31",
    "sessions": 20,
    "of": 20,
    "events": 200,
    "digest": "d" * 64,
    "entries": 3_000,
    "messages": 1_000,
    "actor_restarts": 0,
    "program_starts": 5,
    "program_ends": 0,
    "rules": {"volatility-pause": {"fired": 2, "failed": 0, "refused": 1}},
    "conflicts": {
        "opened": 12,
        "closed": 12,
        "outcomes": {"longer wins": 12},
        "first": [
            {
                "id": "k1",
                "resource": "ws4/trading",
                "outcome": "longer wins",
                "opened": "Two holds end at different times.",
                "closed": "The longer wins.",
            }
        ],
    },
    "accounts": {
        "session": "2004-08-31",
        "settlement": {
            "accounts": {
                "Gen-Acc": {"equity": "203395.01", "cash": "203395.01", "positions": "0.00", "baseline": "200000.00"}
            },
            "equity": "203395.01",
            "reconciled": True,
        },
    },
    "flows": [],
    "digests": {"ws3": "e" * 64},
    "trail": {"whole": True, "entries": 3_000, "incarnations": 12, "gaps": [], "doubles": [], "unrecorded": []},
    "note": "Premiums are modelled.",
}


class Child:
    """A daemon's process that never was."""

    returncode: int | None = None

    def __init__(self, status: int | None = None) -> None:
        self.returncode = status

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, _timeout: float) -> int:
        return self.returncode or 0


def fired(rule: str, n: int = 1) -> dict[str, Any]:
    return {"message": "RuleFired", "body": {"rule": rule, "event": f"ws3#{n}", "why": "x > 1"}}


@pytest.fixture
def stage(daemon: "Daemon", monkeypatch: pytest.MonkeyPatch) -> "Daemon":
    """The fake daemon in the place of a real one, and no waiting between looks."""
    daemon.replies["progress"] = {**daemon.replies["progress"], "ended": True}  # type: ignore[dict-item]  # documents
    daemon.replies["trail"] = {"entries": [fired("pause")], "leaf": 9}
    daemon.replies["summary"] = SUMMARY
    daemon.replies["shutdown"] = {"text": "the hub ends"}

    @contextlib.contextmanager
    def hub(_folder: Path, _config: Path) -> Iterator[Child]:
        yield Child()

    real = Client
    monkeypatch.setattr(demo, "_hub", hub)
    monkeypatch.setattr(demo, "Client", lambda _folder: real(daemon.home))
    monkeypatch.setattr(demo, "POLL_S", 0.01)
    return daemon


def test_it_watches_to_the_end_sums_up_and_ends_the_hub(stage: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0

    out = capsys.readouterr().out
    assert "rule pause fired on ws3#1: x > 1" in out
    assert "20 of 20, to 2004-08-31" in out
    assert "203,395.01" in out
    assert "The longer wins." in out
    assert "and 11 more" in out
    assert "the trail is whole: 3,000 entries" in out
    assert "modelled" in out
    assert stage.requests[-1]["ask"] == "shutdown"
    assert [r["ask"] for r in stage.requests].count("summary") == 1


def test_as_json_the_summary_is_one_document_and_progress_goes_to_stderr(
    stage: "Daemon", capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--json"]) == 0

    out = capsys.readouterr()
    document = json.loads(out.out)
    assert (document["schema"], document["sessions"]) == ("alluse-hub/demo", 20)
    assert "rule pause fired" in out.err


def test_a_broken_trail_is_the_exit_status(stage: "Daemon") -> None:
    broken = {"whole": False, "entries": 3, "incarnations": 1, "gaps": ["g"], "doubles": [], "unrecorded": []}
    stage.replies["summary"] = {**SUMMARY, "trail": broken}

    assert main(["demo"]) == failure.TRAIL_BROKEN


def test_the_span_and_speed_are_the_configuration_of_the_hub(
    stage: "Daemon", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("alluse_hub.cli.home.SOCKET_PATH_BYTES_MAX", 1_000)
    folder = tmp_path / "h"

    words = ["demo", "--from", "2005-01-03", "--to", "2005-02-01", "--speed", "50", "--home", str(folder)]
    assert main(words) == 0

    assert (folder / "hub.toml").read_text(encoding="utf-8") == (
        "[replay]\nfrom = 2005-01-03\nto = 2005-02-01\nspeed = 50.0\nautostart = true\n"
    )


def test_the_base_asked_for_stands_in_the_configuration_of_the_hub(
    stage: "Daemon", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("alluse_hub.cli.home.SOCKET_PATH_BYTES_MAX", 1_000)
    folder = tmp_path / "h"

    assert main(["demo", "--base", "engine", "--home", str(folder)]) == 0

    text = (folder / "hub.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["hub"] == {"base": "engine"}


def test_a_temporary_home_is_removed_and_kept_when_asked(
    stage: "Daemon", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders: list[Path] = []

    def make(prefix: str) -> str:
        folder = tmp_path / f"{prefix}{len(folders)}"
        folder.mkdir(mode=0o700)
        folders.append(folder)
        return str(folder)

    monkeypatch.setattr("tempfile.mkdtemp", make)
    monkeypatch.setattr("alluse_hub.cli.home.SOCKET_PATH_BYTES_MAX", 1_000)

    assert main(["demo"]) == 0
    assert main(["demo", "--keep"]) == 0

    assert [folder.exists() for folder in folders] == [False, True]
    assert f"the home is kept: {folders[1]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--from", "monday"], "--from 'monday' is no date"),
        (["--to", "2004-02-30"], "--to '2004-02-30' is no date"),
        (["--from", "2005-01-01", "--to", "2004-01-01"], "is after"),
        (["--speed", "-1"], "--speed is -1"),
        (["--speed", "nan"], "--speed is nan"),
    ],
)
def test_wrong_wishes(words: list[str], wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *words]) == failure.USAGE
    assert wrong in capsys.readouterr().err


def test_a_home_that_is_not_empty_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").touch()

    assert main(["demo", "--home", str(tmp_path)]) == failure.CONFLICT
    assert "is not empty" in capsys.readouterr().err


def test_a_hub_that_dies_is_told_with_its_last_words(
    stage: "Daemon", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def dead(folder: Path, _config: Path) -> Iterator[Child]:
        (folder / "log" / "serve.log").write_text("no space left\n", encoding="utf-8")
        yield Child(1)

    monkeypatch.setattr(demo, "_hub", dead)

    assert main(["demo"]) == failure.FAILED

    err = capsys.readouterr().err
    assert "the hub ended at its start, status 1" in err
    assert "no space left" in err


def test_a_replay_that_stands_still_is_given_up(
    stage: "Daemon", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "STALL_S", 0.05)
    stage.replies["progress"] = {**stage.replies["progress"], "ended": False}  # type: ignore[dict-item]  # documents

    assert main(["demo"]) == failure.TIMED_OUT
    assert "the replay stands still" in capsys.readouterr().err


def test_ctrl_c_ends_the_child_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    program = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));"
        " print('up', flush=True); signal.pause()"
    )
    real = subprocess.Popen
    children: list[subprocess.Popen[bytes]] = []

    def popen(_command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        children.append(real([sys.executable, "-c", program], **more))
        return children[0]

    monkeypatch.setattr(subprocess, "Popen", popen)

    def play() -> None:
        with demo._hub(tmp_path, tmp_path / "hub.toml"):
            deadline = time.monotonic() + 30
            while "up" not in (tmp_path / "log" / "serve.log").read_text(encoding="utf-8"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play()

    assert children[0].returncode == 7


# --- progress ---------------------------------------------------------------------------------------------------------


def shown(doc: dict[str, Any], *news: dict[str, Any]) -> Shown:
    return Shown(doc, list(news), 25.0)


def test_a_log_gets_the_first_firing_of_each_rule_and_all_conflicts(stage: "Daemon") -> None:
    out = io.StringIO()
    lines = Lines(out, Style())
    doc = stage.replies["progress"]
    assert isinstance(doc, dict)
    conflict = {"message": "ConflictOpened", "body": {"id": "k1", "sentence": "a against b"}}

    lines.show(shown(doc, fired("pause", 1), fired("pause", 2), fired("sync", 3), conflict))
    lines.show(shown(doc, fired("pause", 4), conflict))

    text = out.getvalue()
    assert [text.count(f"ws3#{n}:") for n in (1, 2, 3, 4)] == [1, 0, 1, 0]
    assert text.count("conflict k1: a against b") == 2
    assert text.count("session 2008-09-29  1,046/1,174  25/s, 5.1 s left") == 1


def test_a_live_area_is_drawn_in_place_and_fits(stage: "Daemon") -> None:
    out = io.StringIO()
    live = Live(out, Style(width=80))
    doc = stage.replies["progress"]
    assert isinstance(doc, dict)

    live.show(shown(doc, *(fired(f"rule{n}", n) for n in range(NEWS_KEPT + 3))))
    first = out.getvalue()
    live.show(shown(doc))
    second = out.getvalue()[len(first) :]
    live.close()

    height = first.count("\n")
    assert second.startswith(f"\033[?7l\r\033[{height}A")
    assert "rule0 fired" not in first
    assert f"rule{NEWS_KEPT + 2} fired" in first
    assert out.getvalue().endswith(f"\r\033[{height}A\033[J\033[?7h")


@pytest.mark.parametrize("message", ["ConflictClosed", "ChildRestarted", "ProgramEnded", "ProgramParked", "Other"])
def test_every_piece_of_news_has_a_line(message: str) -> None:
    assert news_line({"message": message, "body": {}})
