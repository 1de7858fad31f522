"""The lock of a home: one hub at a time, whether it is a daemon or a part of some program."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from alluse_hub.protocols.errors import CallerError
from alluse_hub.supervision.lock import locked, locked_inside

Lock = Callable[[Path], AbstractContextManager[None]]

ELSEWHERE = """
import sys
from pathlib import Path
from alluse_hub.protocols.errors import CallerError
from alluse_hub.supervision import lock
try:
    with getattr(lock, sys.argv[1])(Path(sys.argv[2])):
        print("taken")
except CallerError as error:
    print(error)
"""


def elsewhere(kind: str, home: Path) -> str:
    """What becomes of an attempt in another process."""
    command = [sys.executable, "-c", ELSEWHERE, kind, str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.mark.parametrize("other", ["locked", "locked_inside"])
@pytest.mark.parametrize("lock", [locked, locked_inside])
def test_what_one_process_holds_no_other_takes_until_it_lets_go(home: Path, lock: Lock, other: str) -> None:
    with lock(home):
        assert "another daemon (pid " in elsewhere(other, home)

    assert elsewhere(other, home) == "taken"


def test_a_hub_inside_a_program_is_held_against_the_same_program(home: Path) -> None:
    with locked_inside(home):
        with pytest.raises(CallerError, match="embedded"), locked_inside(home):
            pass
        assert (home / "run" / "lock").read_text(encoding="ascii").strip().endswith(", embedded")
        assert "another daemon" in elsewhere("locked_inside", home)  # reading the file did not lose it

    with locked_inside(home):
        pass


def test_it_is_let_go_of_when_the_hub_fails(home: Path) -> None:
    with pytest.raises(RuntimeError, match="planted"), locked_inside(home):
        raise RuntimeError("planted")

    assert elsewhere("locked", home) == "taken"
