"""The hub's home: one folder with everything of one hub, and where to look for it.

``--home``, else ``$ALLUSE_HUB_HOME``, else ``alluse-hub`` below the state folder of the XDG Base Directory
Specification (``$XDG_STATE_HOME``, ``~/.local/state``).
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

from alluse_hub.cli.failure import FAILED, FORBIDDEN, USAGE, Failure

FOLDERS = ("trail", "trail/spool", "run", "run/shims", "run/procs", "log", "state")

FILES = ("clock.json", "clock.new", "starts.json")
"""Written in the home itself."""

CONFIG_NOTE = "run/config"
"""Holds the path of the configuration that the hub was started with."""

SOCKET_PATH_BYTES_MAX = 107
"""Of a unix socket's path, without its closing NUL: unix(7)."""

LONGEST_SOCKET = "run/control.sock"


def find(given: str | None) -> Path:
    """The home meant, absolute; it need not exist."""
    if given == "":
        raise Failure(USAGE, "--home is empty", "give a folder")
    chosen = given or os.environ.get("ALLUSE_HUB_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(state) if state else Path.home() / ".local" / "state").absolute() / "alluse-hub"
    except RuntimeError as error:
        raise Failure(USAGE, f"there is no home folder to look in: {error}", "give --home DIR") from error


def socket_of(home: Path) -> Path:
    return home / "run" / "control.sock"


def has_trail(home: Path) -> bool:
    return (home / "trail" / "spool").is_dir()


def guardian_of(home: Path) -> int:
    """The pid of the daemon that guards this home; 0 if it is gone, and then nobody repairs the tree."""
    try:
        pid = int((home / "run" / "lock").read_text(encoding="ascii").strip() or 0)
        os.kill(pid, 0)
    except (OSError, ValueError):
        return 0
    return pid


def note_config(home: Path, name: str) -> None:
    """``name``: of the file that a hub has its configuration from as it starts; empty for none."""
    (home / CONFIG_NOTE).write_text(name, encoding="utf-8", errors="surrogateescape")


def noted_config(home: Path) -> str:
    """As it was noted when the hub last started; empty before that."""
    try:
        return (home / CONFIG_NOTE).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def starts_of(home: Path, now: float) -> dict[str, Any]:  # JSON
    """What the guardian's book has to say at hub time ``now``: its entries, oldest first, how many failures of the
    daemon or its tree count, and when one of them will not any more.  Empty if there is no book."""
    try:
        book = json.loads((home / "starts.json").read_text(encoding="utf-8"))
        left_s = sorted(at - now for at in book["frees_at"] if at > now)
        window = {"allowed": book["allowed"], "period_s": book["period_s"], "entries": book["entries"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"used": len(left_s), "frees_s": round(left_s[0], 3) if left_s else None, **window}


def make(home: Path, workstreams: tuple[str, ...] = ()) -> None:
    """Make what is missing of the home, closed to others.  Raises Failure saying what stands in the way."""
    check_length(home, workstreams)
    for folder in (home, *(home / name for name in FOLDERS), *(home / "state" / name for name in workstreams)):
        try:
            folder.mkdir(mode=0o700, parents=folder == home, exist_ok=True)
        except FileExistsError as error:
            raise Failure(FAILED, f"{folder} is no folder", "move it aside, or choose another --home") from error
        except NotADirectoryError as error:
            blocker = next((parent for parent in folder.parents if parent.exists() and not parent.is_dir()), folder)
            raise Failure(
                FAILED, f"cannot make {folder}: {blocker} is a file, no folder", "choose another --home"
            ) from error
        except OSError as error:
            raise Failure(
                FAILED, f"cannot make {folder}: {error.strerror}", "choose a --home where you may write"
            ) from error
    for folder in (home, *(home / name for name in FOLDERS)):
        _check_owner(home, folder)
    _check_links(home)


def _check_owner(home: Path, folder: Path) -> None:
    """Whoever else owns it, or may write in it, could have the hub read and write where he likes."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise Failure(
            FORBIDDEN,
            f"{folder} belongs to user {_name_of(found.st_uid)}, but the hub would run as {_name_of(os.geteuid())}",
            f"run it as that user, or give it to this one (chown -R {_name_of(os.geteuid())} {home}), or choose another"
            " --home",
        )
    if stat.S_IMODE(found.st_mode) & stat.S_IWOTH:
        raise Failure(FORBIDDEN, f"everybody may write in {folder}", f"close it: chmod 700 {folder}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Failure(FAILED, f"{folder} cannot be written", "mend its rights, or choose another --home")


def _check_links(home: Path) -> None:
    """What the hub writes stands in the home itself.  Folders of programs are theirs, as is what else lies about."""
    own = [home / name for name in (*FILES, *FOLDERS)]
    for folder in (home / name for name in FOLDERS if name != "state"):
        with os.scandir(folder) as items:
            own += [Path(item.path) for item in items if item.is_symlink()]
    for path in own:
        if path.is_symlink():
            raise Failure(
                FORBIDDEN,
                f"{path} is a link to {path.readlink()}, and the hub would write there",
                "look who made it, then delete it; to have the trail on another disk, mount that at home/trail",
            )


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def act_as_owner(home: Path) -> None:
    """What a command leaves in a home must be the hub's to read: root goes on as the home's owner, nobody else may.

    For the rest of the process.  Raises Failure.
    """
    found = home.stat()
    if found.st_uid == os.geteuid():
        return
    if os.geteuid() != 0:
        raise Failure(FORBIDDEN, f"{home} belongs to another user", "do this as its owner, or as root")
    os.setegid(found.st_gid)
    os.seteuid(found.st_uid)


def check_length(home: Path, workstreams: tuple[str, ...] = ()) -> None:
    """Raises Failure if the sockets below would have longer paths than the kernel takes."""
    sockets = [LONGEST_SOCKET, *(f"run/shims/{name}.sock" for name in workstreams)]
    longest = max((len(os.fsencode(home / name)), name) for name in sockets)
    if longest[0] > SOCKET_PATH_BYTES_MAX:
        over = longest[0] - SOCKET_PATH_BYTES_MAX
        raise Failure(
            USAGE,
            f"{home} is too long a path: {longest[1]} in it would be {over} bytes over the limit of a unix socket",
            "choose a shorter --home",
        )


def open_to_group(home: Path, group: str) -> None:
    """Let members of ``group`` pass through to the control socket, and nowhere else.  Raises Failure."""
    import grp

    try:
        number = grp.getgrnam(group).gr_gid
        for folder in (home, home / "run"):
            os.chown(folder, -1, number)
            folder.chmod(0o710)
    except KeyError as error:
        raise Failure(USAGE, f"hub.control_group is {group!r}, no group here", "see `getent group`") from error
    except OSError as error:
        raise Failure(
            FORBIDDEN, f"cannot give {home / 'run'} to the group {group}: {error.strerror}", "be a member of it"
        ) from error
