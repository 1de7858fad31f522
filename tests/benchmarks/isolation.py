"""Each benchmark in a process of its own, with a folder of its own, and nothing left of either.

The process adopts whatever its descendants leave behind (PR_SET_CHILD_SUBREAPER), so that at the end, and after a
Ctrl-C as well, "all that is below us" is all there is to end: daemons that have detached, shims, actor systems.  What
had to be killed although the benchmark had ended its part in order is named in ``Ran.left``.
"""

import contextlib
import json
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alluse_hub.supervision import processes
from alluse_hub.supervision.processes import Process
from tests.benchmarks.figures import Figure

LEAVE_S = 5.0
"""How long what was told to end may take to be gone."""

KILLED_S = 10.0
LOOK_S = 0.01
ENDING_S = 60.0
"""How long an interrupted benchmark may take to tidy up."""

PREFIX = "hub-bench-"

Run = Callable[[Path], list[Figure]]
Told = TypeVar("Told")


class BenchmarkError(Exception):
    """A benchmark that could not be run to its end; the text is its traceback."""


@dataclass(frozen=True, slots=True)
class Ran:
    """``left``: names of processes that outlived their orderly end.  ``took_s`` with everything."""

    figures: list[Figure]
    left: list[str]
    took_s: float


def isolated(run: Run, *, pinned: bool = False) -> Ran:
    """Run it in a fork, on one core if ``pinned``.  Raises BenchmarkError; a Ctrl-C tidies up first."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _live(parent, run, Path(folder), pinned=pinned)
        try:
            os.waitpid(pid, 0)
        except BaseException:
            _end(pid)
            raise
        path = Path(folder) / "result.json"
        if not path.exists():
            raise BenchmarkError("it was killed before it had a result")
        told = json.loads(path.read_text(encoding="utf-8"))
    if told["error"]:
        raise BenchmarkError(told["error"])
    figures = [Figure.from_json(figure) for figure in told["figures"]]
    return Ran(figures, told["left"], time.monotonic() - began)


def _end(pid: int) -> None:
    """Have the fork tidy up and end."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + ENDING_S
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(LOOK_S)


def _live(parent: int, run: Run, folder: Path, *, pinned: bool) -> None:
    """The whole life of the fork; never returns."""
    result: dict[str, object] = {"error": "it was interrupted", "figures": [], "left": []}
    try:
        try:
            _settle_in(parent, folder, pinned=pinned)
            ground = folder / "ground"
            ground.mkdir()
            result["figures"] = [figure.as_json() for figure in run(ground)]
            result["left"] = end_descendants(LEAVE_S)
            result["error"] = ""
        except KeyboardInterrupt:
            pass
        except BaseException:  # noqa: BLE001  # the top of a process: the parent has to hear of it, whatever it is
            result["error"] = traceback.format_exc()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        end_descendants(0.0)
        partial = folder / "result.new"
        partial.write_text(json.dumps(result), encoding="utf-8")
        partial.rename(folder / "result.json")
    finally:
        os._exit(0)


def _settle_in(parent: int, folder: Path, *, pinned: bool) -> None:
    processes.adopt_orphans()
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # hubs on the engine leave their rooms here, if they are killed
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    processes._prctl(processes.PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise KeyboardInterrupt
    if pinned:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def apart(work: Callable[[], Told]) -> Told:
    """What ``work`` gives, in a fork of its own: memory as fresh as it was here, and nothing of it left here.

    Raises BenchmarkError.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with open(write, "wb") as pipe:  # noqa: PTH123  # a descriptor, no path
                pickle.dump(work(), pipe, protocol=5)
        except BaseException:  # noqa: BLE001  # the top of a process
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:  # noqa: PTH123  # as above
        said = pipe.read()
    os.waitpid(pid, 0)
    if not said:
        raise BenchmarkError("a part of it failed; it has said why")
    told: Told = pickle.loads(said)
    return told


# --- what is below us ------------------------------------------------------------------------------------------------


def descendants(pid: int) -> list[Process]:
    """All live processes below ``pid``, by their parents at this moment."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        parents.setdefault(processes.parent_of(int(path.name)), []).append(int(path.name))
    found: list[Process] = []
    below = [pid]
    while below:
        for child in parents.get(below.pop(), ()):
            below.append(child)
            if ticks := processes.start_ticks(child):
                found.append(Process(child, ticks, name_of(child)))
    return found


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def end_descendants(patience_s: float) -> list[str]:
    """Wait for the end of all that is below this process, then kill the rest; the names of those killed."""
    deadline = time.monotonic() + patience_s
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        _reap()
        time.sleep(LOOK_S)
    named = [process.name for process in left]
    deadline = time.monotonic() + KILLED_S
    while left and time.monotonic() < deadline:
        for process in left:
            processes.kill(process)
        _reap()
        time.sleep(LOOK_S)
        left = descendants(os.getpid())
    _reap()
    return named


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
