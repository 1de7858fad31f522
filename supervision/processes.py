"""Processes by pid *and* start time, so that a number used again by the kernel is never taken for the one we meant.

Every actor process enters itself in ``home/run/procs``; the guardian, and the next start of the hub, end whatever is
still alive there and should not be.
"""

import ctypes
import json
import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
NAME_BYTES_MAX = 15
"""What the kernel keeps of a process name (prctl(2), PR_SET_NAME)."""


GONE_S = 5.0
"""How long a killed process may take to be gone: it has to come back from whatever call it is in."""

LOOK_S = 0.002


@dataclass(frozen=True, slots=True)
class Process:
    """``ticks``: start time in clock ticks since boot, field 22 of proc(5)'s stat; pid and ticks are unique."""

    pid: int
    ticks: int
    name: str = ""


def start_ticks(pid: int) -> int:
    """Start time of a live process; 0 if there is none, or only its zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    fields = stat[stat.rindex(b")") + 2 :].split()
    return 0 if fields[0] in {b"Z", b"X"} else int(fields[19])


def is_stopped(process: Process) -> bool:
    """Whether it lives and is stopped by a signal, as by SIGSTOP; a debugger that holds it does not count."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_bytes()
    except OSError:
        return False
    fields = stat[stat.rindex(b")") + 2 :].split()
    return fields[0] == b"T" and int(fields[19]) == process.ticks


def is_alive(process: Process) -> bool:
    return start_ticks(process.pid) == process.ticks != 0


def kill(process: Process, how: signal.Signals = signal.SIGKILL) -> bool:
    """Signal exactly this process; False if it is gone."""
    if not is_alive(process):
        return False
    with suppress(ProcessLookupError):
        os.kill(process.pid, how)
    return True


def kill_group(leader: Process) -> None:
    """Kill a process and, if it leads one, its group."""
    if kill(leader):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGKILL)


def ended(process: Process, timeout_s: float) -> bool:
    """Wait for the end of a process, anybody's child; whether it came in time."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not is_alive(process):
            return True
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(handle)


def _prctl(option: int, argument: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"prctl({option})")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends; at once if ``parent`` is gone already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (PR_SET_CHILD_SUBREAPER)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def name_process(name: str) -> None:
    """What ``ps`` and ``top`` show."""
    _prctl(PR_SET_NAME, name.encode()[:NAME_BYTES_MAX])


PARTIAL = ".new"
"""How the file of a process ends that is not entered yet."""

# --- the register ----------------------------------------------------------------------------------------------------


def enter(home: Path, name: str) -> Process:
    """Put the calling process in the register."""
    process = Process(os.getpid(), start_ticks(os.getpid()), name)
    path = home / "run" / "procs" / str(process.pid)
    partial = path.with_suffix(PARTIAL)
    partial.write_text(json.dumps({"pid": process.pid, "ticks": process.ticks, "name": name}), encoding="utf-8")
    partial.replace(path)
    return process


def enter_other(home: Path, pid: int, name: str) -> None:
    """Put another live process in the register."""
    ticks = start_ticks(pid)
    if ticks:
        path = home / "run" / "procs" / str(pid)
        path.write_text(json.dumps({"pid": pid, "ticks": ticks, "name": name}), encoding="utf-8")


def parent_of(pid: int) -> int:
    """0 if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[1])


def name_of(pid: int) -> str:
    """As set by ``name_process``; empty if there is no such process, or only its zombie."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() if start_ticks(pid) else ""
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def entered(home: Path) -> list[Process]:
    """All in the register, alive or not."""
    found = []
    for path in sorted((home / "run" / "procs").glob("[0-9]*")):
        with suppress(OSError, ValueError, KeyError):
            known = json.loads(path.read_text(encoding="utf-8"))
            found.append(Process(known["pid"], known["ticks"], known["name"]))
    return found


def strike(home: Path, process: Process) -> None:
    """Take a dead process out of the register."""
    for suffix in ("", PARTIAL):
        (home / "run" / "procs" / f"{process.pid}{suffix}").unlink(missing_ok=True)


def strike_dead(home: Path) -> None:
    """Take all that are dead out of the register, and what somebody was writing who was killed over it."""
    paths = list((home / "run" / "procs").glob("[0-9]*"))  # first, lest somebody enter himself in between
    alive = {process.pid for process in entered(home) if is_alive(process)}
    for path in paths:
        pid = int(path.name.partition(".")[0])
        if pid not in alive and (path.suffix != PARTIAL or not start_ticks(pid)):
            path.unlink(missing_ok=True)


def end_all(home: Path) -> list[Process]:
    """Kill whatever of the register is alive, wait until it is gone and strike everything; returns those that were
    alive."""
    ended = [process for process in entered(home) if process.pid != os.getpid() and kill(process)]
    deadline = time.monotonic() + GONE_S
    while any(is_alive(process) for process in ended) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    for process in entered(home):
        if process.pid != os.getpid():
            strike(home, process)
    return ended
