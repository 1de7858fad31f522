"""What can be read of a hub that does not run."""

import json
import os
from pathlib import Path

import pytest

from alluse_hub.cli import failure, home
from alluse_hub.cli.main import main
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame, Spool


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """The home of a hub that said three things and ended."""
    folder = tmp_path / "h"
    (folder / "trail" / "spool").mkdir(parents=True)
    spool = Spool.open(folder / "trail" / "spool", "ws1")
    spool.write([Frame(EntryKind.FACT, "FlowPaused", b'{"flow":"ws1-ws2"}')] * 3, 1.0, 2.0)
    spool.close()
    return folder


def test_the_trail_of_a_hub_that_ended_can_be_checked(ended: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trail", "check", "--home", str(ended)]) == failure.DONE

    out = capsys.readouterr()
    assert "the trail is whole: 3 entries" in out.out
    assert "no daemon runs here" in out.err


def test_one_entry_of_it_can_be_shown_as_json(ended: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trail", "show", "ws1/1/2", "--home", str(ended), "--json"]) == failure.DONE

    assert json.loads(capsys.readouterr().out)["body"] == {"flow": "ws1-ws2"}


def test_what_nobody_wrote_is_not_found_there_either(ended: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trail", "show", "ws1/1/9", "--home", str(ended)]) == failure.NOT_FOUND
    assert "nobody wrote ws1/1/9" in capsys.readouterr().err


NO_TRAIL = (
    *(["tail"], ["search", "word"], ["timeline", "ws1"], ["show", "ws1/1/1"], ["check"], ["verify"], ["key"]),
    *(["export", "out"], ["rerun"], ["state", "coordinator"], ["backup", "out"], ["keys", "list"], ["keys", "rotate"]),
    *(["seal"], ["expire", "--dry-run"], ["hold", "list"], ["erase", "7", "--who", "Eve", "--reason", "asked"]),
)


@pytest.mark.parametrize("words", NO_TRAIL, ids=" ".join)
def test_where_there_is_no_trail_each_command_says_so_with_the_same_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["trail", *words, "--home", str(tmp_path)]) == failure.NOT_FOUND

    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "trail" in said
    assert not (tmp_path / "out").exists()


def test_following_needs_a_daemon(ended: Path) -> None:
    assert main(["trail", "tail", "-f", "--home", str(ended)]) == failure.UNREACHABLE


def test_a_home_whose_guardian_is_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert home.guardian_of(tmp_path) == 0
    (tmp_path / "run" / "lock").write_text(f"{os.getpid()}\n", encoding="ascii")

    assert home.guardian_of(tmp_path) == os.getpid()
