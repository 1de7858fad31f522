"""D14: the hub's log is moved aside, or deleted with its folder, and comes back."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse_hub.supervision import hub_log
from alluse_hub.supervision.hub_log import HubLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log" / "hub.log"


@pytest.fixture
def log(path: Path) -> Iterator[HubLog]:
    made = HubLog(filename=str(path))
    yield made
    made.close()


def say(log: HubLog, text: str = "a line") -> None:
    log.handle(logging.LogRecord("hub", logging.WARNING, "", 0, text, (), None))


def test_lines_stand_in_a_file_for_its_owner_only(log: HubLog, path: Path) -> None:
    say(log)
    say(log, "another")

    assert path.read_text(encoding="utf-8") == "a line\nanother\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_moved_or_deleted_with_its_folder_comes_back(log: HubLog, path: Path) -> None:
    for n in range(9):
        say(log)
        assert path.read_text(encoding="utf-8") == "a line\n"
        if n % 3 == 0:
            path.rename(path.with_name("rotated"))
        elif n % 3 == 1:
            path.unlink()
        else:
            shutil.rmtree(path.parent)


def test_it_stays_bounded_with_one_older_file_beside_it(
    log: HubLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_log, "LOG_BYTES_MAX", 100)

    for n in range(60):
        say(log, f"line {n:02}")

    assert sorted(file.name for file in path.parent.iterdir()) == ["hub.log", "hub.log.1"]
    assert all(file.stat().st_size <= 100 for file in path.parent.iterdir())
    assert path.read_text(encoding="utf-8").splitlines()[-1] == "line 59"


def test_a_home_that_is_gone_is_not_made_anew_for_a_log(log: HubLog, path: Path) -> None:
    say(log)
    shutil.rmtree(path.parent.parent)

    say(log)

    assert not path.parent.parent.exists()
