"""Starting a program behind a new shim, and where the two keep their files in the hub's folder."""

import fcntl
import os
import select
import sys
from contextlib import suppress
from pathlib import Path

import alluse_hub
from alluse_hub.protocols.errors import WorkstreamError
from alluse_hub.protocols.workstream import MonitorSpec

from .shim.main import REPORT_FD

REPORT_TIMEOUT_S = 10.0
"""From the shim's start to its word that the program runs: two forks and an interpreter, on a busy machine."""

START_SHIM = "import sys; sys.path.append(sys.argv[1]); from shim.main import main; main()"
"""Imported rather than run, so that its compiled form is used: compiling costs a megabyte that is never given back."""

REPORT_BYTES = 4_096
FREE_FD_LEAST = 10
"""Descriptors from here on collide with none that the shim is given."""

TAIL_BYTES = 4_096
WORDS_CHARS = 200


class CannotStartError(WorkstreamError):
    """The program cannot be started; the text says what is missing and where it is configured."""


def run_folder(home: Path) -> Path:
    return home / "run" / "shims"


def log_file(home: Path, ws: str) -> Path:
    return home / "log" / f"{ws}.log"


def command_line(spec: MonitorSpec, home: Path) -> list[str]:
    """With ``{python}``, ``{state}`` and ``{home}`` filled in; other braces are the program's own."""
    return [_filled(word, spec, home) for word in spec.command]


def _filled(word: str, spec: MonitorSpec, home: Path) -> str:
    state = home / "state" / spec.workstream
    return word.replace("{python}", sys.executable).replace("{state}", str(state)).replace("{home}", str(home))


def environment(spec: MonitorSpec, home: Path) -> dict[str, str]:
    """A program of the hub's own interpreter finds the hub's package wherever it was started from."""
    env = dict(os.environ)
    if spec.command[0] == "{python}":
        package = str(Path(alluse_hub.__file__).parent.parent)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (package, env.get("PYTHONPATH", ""))))
    return env | {name: _filled(value, spec, home) for name, value in spec.env.items()}


def launch(spec: MonitorSpec, home: Path) -> None:
    """Returns when the program runs and its shim listens.  Raises CannotStartError."""
    home = home.absolute()
    for folder in (run_folder(home), log_file(home, "").parent, home / "state" / spec.workstream):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = str(log_file(home, spec.workstream))
    command = command_line(spec, home)
    cwd = str(home / spec.cwd) if spec.cwd else str(home)
    arguments = [str(run_folder(home)), spec.workstream, log, cwd, *command]
    read, write = os.pipe()
    try:
        report = fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, FREE_FD_LEAST)
        os.close(write)
        try:
            starter = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-E", "-c", START_SHIM, str(Path(__file__).parent), *arguments],
                environment(spec, home),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, report, REPORT_FD),
                ],
                setsid=True,
                setsigmask=(),
            )
        finally:
            os.close(report)
        word = _report(read)
        _reap(starter)
    finally:
        os.close(read)
    if word != "ok":
        why = word.removeprefix("error: ") or "its shim ended without a word"
        raise CannotStartError(f"cannot start {command[0]!r}: {why}; see the command of {spec.workstream} in hub.toml")


def _report(read: int) -> str:
    """What the shim says before it closes its end; nothing if it takes too long."""
    poll = select.poll()
    poll.register(read, select.POLLIN)
    return os.read(read, REPORT_BYTES).decode() if poll.poll(REPORT_TIMEOUT_S * 1000) else ""


def _reap(starter: int) -> None:
    """The shim has forked, so the process that was spawned ends at once."""
    with suppress(ChildProcessError):  # somebody's handler was faster
        os.waitpid(starter, 0)


def log_size(home: Path, ws: str) -> int:
    try:
        return log_file(home, ws).stat().st_size
    except FileNotFoundError:
        return 0


def last_words(home: Path, ws: str, since: int) -> str:
    """The last line that the program wrote to its log after byte ``since``; empty if none."""
    try:
        with log_file(home, ws).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since if since <= size else 0, size - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip()[:WORDS_CHARS] if lines else ""
