"""Finding and making a hub's home."""

import os
import stat
from pathlib import Path

import pytest

from alluse_hub.cli import failure, home
from alluse_hub.cli.failure import Failure


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("/a", {"ALLUSE_HUB_HOME": "/b"}, "/a"),
        (None, {"ALLUSE_HUB_HOME": "/b", "XDG_STATE_HOME": "/x"}, "/b"),
        (None, {"XDG_STATE_HOME": "/x"}, "/x/alluse-hub"),
        (None, {"HOME": "/u"}, "/u/.local/state/alluse-hub"),
        ("~/h", {"HOME": "/u"}, "/u/h"),
    ],
)
def test_where_the_home_is(
    monkeypatch: pytest.MonkeyPatch, given: str | None, environment: dict[str, str], expected: str
) -> None:
    for name in ("ALLUSE_HUB_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert home.find(given) == Path(expected)


def test_a_relative_home_is_below_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert home.find("h") == tmp_path / "h"


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home below the test's folder, whatever the length of its path."""
    monkeypatch.setattr(home, "SOCKET_PATH_BYTES_MAX", 1_000)
    return tmp_path / "deep" / "home"


def test_all_folders_are_made_and_closed_to_others(short: Path) -> None:
    home.make(short, ("ws1", "ws2"))

    made = [short, *(short / name for name in (*home.FOLDERS, "state/ws1", "state/ws2"))]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in made} == {0o700}


def test_making_it_again_changes_nothing(short: Path) -> None:
    home.make(short)
    (short / "state" / "kept").touch()

    home.make(short)

    assert (short / "state" / "kept").exists()


def test_a_home_below_a_file_names_the_file(short: Path) -> None:
    short.parent.parent.mkdir(exist_ok=True)
    short.parent.touch()

    with pytest.raises(Failure) as error:
        home.make(short)

    assert error.value.code == failure.FAILED
    assert f"{short.parent} is a file" in error.value.message
    assert "--home" in error.value.hint


def test_a_home_that_is_a_file(short: Path) -> None:
    short.parent.mkdir()
    short.touch()

    with pytest.raises(Failure, match="is no folder"):
        home.make(short)


def test_a_home_that_everybody_may_write_is_refused(short: Path) -> None:
    home.make(short)
    short.chmod(0o777)

    with pytest.raises(Failure, match="everybody may write") as error:
        home.make(short)

    assert f"chmod 700 {short}" in error.value.hint


@pytest.mark.parametrize("folder", ["trail", "trail/spool", "run", "log"])
def test_a_folder_of_the_home_that_everybody_may_write_is_refused(short: Path, folder: str) -> None:
    """D12."""
    home.make(short)
    (short / folder).chmod(0o777)

    with pytest.raises(Failure, match=f"everybody may write in .*/{folder}$"):
        home.make(short)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("folder", [".", "trail", "run"])
def test_a_folder_of_another_user_is_refused_with_both_names(short: Path, folder: str) -> None:
    """D12: also for root, who may write there."""
    home.make(short)
    os.chown(short / folder, 65_534, -1)

    with pytest.raises(Failure, match=r"belongs to user nobody, but the hub would run as root") as error:
        home.make(short)

    assert "run it as that user" in error.value.hint


@pytest.mark.parametrize(
    "planted", ["trail/trail.db", "trail/head", "trail/spool/power.bell", "run/lock", "log/hub.log", "clock.json"]
)
def test_a_planted_link_is_named_and_never_followed(short: Path, planted: str) -> None:
    """D12."""
    home.make(short)
    (short / planted).symlink_to(short.parent / "elsewhere")

    with pytest.raises(Failure, match=f"{planted} is a link to .*elsewhere") as error:
        home.make(short)

    assert error.value.code == failure.FORBIDDEN
    assert not (short.parent / "elsewhere").exists()


def test_a_folder_that_is_a_link_is_refused(short: Path) -> None:
    """D12."""
    home.make(short)
    (short / "trail" / "spool").rmdir()
    (short.parent / "elsewhere").mkdir()
    (short / "trail" / "spool").symlink_to(short.parent / "elsewhere")

    with pytest.raises(Failure, match="spool is a link"):
        home.make(short)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written(short: Path) -> None:
    short.parent.mkdir(mode=0o500)

    with pytest.raises(Failure, match="Permission denied"):
        home.make(short)


def test_a_read_only_place_is_told() -> None:
    with pytest.raises(Failure) as error:
        home.make(Path("/proc/hub"))

    assert error.value.code == failure.FAILED
    assert error.value.message.startswith("cannot make /proc/hub: ")


def test_a_path_too_long_for_a_socket_is_told_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)

    with pytest.raises(Failure, match="too long a path") as error:
        home.make(folder)

    assert error.value.code == failure.USAGE
    assert not folder.exists()


def test_a_long_name_of_a_workstream_counts_as_well() -> None:
    folder = Path("/" + "x" * 70)
    home.check_length(folder)

    with pytest.raises(Failure, match=r"run/shims/w+\.sock"):
        home.check_length(folder, ("w" * 48,))


def test_the_longest_path_that_fits_can_be_bound(tmp_path: Path) -> None:
    length = home.SOCKET_PATH_BYTES_MAX - len("/" + home.LONGEST_SOCKET)
    home.check_length(Path("/" + "x" * (length - 1)))

    with pytest.raises(Failure):
        home.check_length(Path("/" + "x" * length))


def test_a_group_may_pass_through_to_the_socket_and_nowhere_else(short: Path) -> None:
    import grp  # noqa: PLC0415  # not on every system

    home.make(short)

    home.open_to_group(short, grp.getgrgid(os.getegid()).gr_name)

    modes = {name: stat.S_IMODE((short / name).stat().st_mode) for name in (".", "run", "trail", "state", "log")}
    assert modes == {".": 0o710, "run": 0o710, "trail": 0o700, "state": 0o700, "log": 0o700}


def test_a_group_that_is_not_there(short: Path) -> None:
    home.make(short)

    with pytest.raises(Failure, match="no group here"):
        home.open_to_group(short, "no-such-group")
