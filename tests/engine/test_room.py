import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from alluse_hub.supervision.engine.address import NAME_BYTES_MAX, PATH_BYTES_MAX, is_plausible, name_of, pid_in
from alluse_hub.supervision.engine.room import RoomError, has_admin, open_room, room_for, sweep, take_lock

UNIQUE = "0123456789abcdef"


def test_a_new_room_is_ours_alone(room: Path) -> None:
    made = open_room(room / "r")

    assert stat.S_IMODE(made.lstat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o777, 0o750])
def test_a_room_open_to_others_is_refused(room: Path, mode: int) -> None:
    (room / "r").mkdir()
    (room / "r").chmod(mode)

    with pytest.raises(RoomError, match="open to others"):
        open_room(room / "r")


def test_a_link_is_refused_wherever_it_leads(room: Path) -> None:
    open_room(room / "real")
    (room / "r").symlink_to(room / "real")

    with pytest.raises(RoomError, match="not a directory"):
        open_room(room / "r")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give a directory away")
def test_a_room_of_another_user_is_refused(room: Path) -> None:
    (room / "r").mkdir(mode=0o700)
    os.chown(room / "r", 65534, 65534)

    with pytest.raises(RoomError, match="belongs to user 65534"):
        open_room(room / "r")


def test_a_room_too_deep_for_socket_paths_is_refused(room: Path) -> None:
    with pytest.raises(RoomError, match="too long"):
        open_room(room / ("x" * (PATH_BYTES_MAX - NAME_BYTES_MAX)))


def test_each_home_has_a_room_of_its_own_and_always_the_same(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(room))

    assert room_for(Path("/a")) == room_for(Path("/a")) != room_for(Path("/b"))


def test_only_one_admin_holds_the_lock(room: Path) -> None:
    lock = take_lock(room, 0.0)
    assert lock is not None

    try:
        assert take_lock(room, 0.0) is None
        assert has_admin(room)
    finally:
        os.close(lock)
    assert not has_admin(room)


def test_looking_does_not_take_the_lock(room: Path) -> None:
    assert not has_admin(room)
    assert not has_admin(room)


def test_sockets_of_the_dead_are_swept_and_those_of_the_living_kept(room: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    (room / name_of("a", dead.pid, UNIQUE)).touch()
    (room / name_of("a", os.getpid(), UNIQUE)).touch()
    (room / "something else").touch()

    sweep(room)

    assert sorted(path.name for path in room.iterdir()) == [name_of("a", os.getpid(), UNIQUE), "something else"]


@pytest.mark.parametrize(
    "name",
    ["a12.sock", "a0.0123456789abcdef.sock", "a12.0123456789ABCDEF.sock", "12.0123456789abcdef.sock", "a12.x.sock"],
)
def test_other_names_speak_of_no_pid(name: str) -> None:
    assert pid_in(name) == 0


@pytest.mark.parametrize(
    "path", ["", "admin.sock", "/x/evil.sock", "/x\0y/admin.sock", "/" + "x" * 100 + "/admin.sock"]
)
def test_an_address_must_look_like_ours(path: str) -> None:
    assert not is_plausible(path)
