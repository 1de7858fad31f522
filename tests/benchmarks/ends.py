"""How fast what has to end has ended: a handler that overran its limit, and all below a supervisor that was killed."""

import os
import select
import signal
import time
from pathlib import Path

from tests.benchmarks import bases, cast, floors
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.isolation import BenchmarkError

GONE_S = 60.0
"""Who is not gone by then will stay."""


def hung(folder: Path, *, base: str, hangs: int, runs: int) -> list[Figure]:
    """From the limit of a handler that hangs to the notice that its parent has of its end."""
    beyond, bare, alarms = [], [], 0
    with bases.running(base, folder) as system:
        for _ in range(runs):
            asked = cast.order("overrun", hangs=hangs)
            told = cast.told(system.ask(system.createActor(cast.Warden), asked, bases.ASK_S))
            beyond.append(told["beyond_s"])
            alarms += told["alarms"]
            bare.append(floors.overrun(cast.LIMIT_S, hangs))
    sample, floor = Sample.of(beyond).times(1e3), Sample.of(bare).times(1e3)
    name = "the limit of a hung handler, until its parent knows of its end"
    floor_is = "setitimer, SIGALRM and waitpid of a fork"
    return [Figure(name, "ms", sample, floor, floor_is, base, {"hangs": hangs * runs, "alarms": alarms})]


def subtree(folder: Path, *, base: str, widths: list[int], kills: int, runs: int) -> list[Figure]:
    """From kill -9 of a supervisor to the end of the last process below it, of which one hangs in a handler.

    ``widths``: how many children each actor has, level by level.
    """
    gone, bare = [], []
    count = 0
    with bases.running(base, folder) as system:
        root = system.createActor(cast.Branch)
        for _ in range(runs):
            took = []
            for _ in range(kills):
                grown = system.ask(root, cast.order("grow", widths=[1, *widths]), bases.ASK_S)
                _, *pids = cast.told(grown)["pids"]
                assert system.ask(root, cast.parcel("hang"), bases.ASK_S) is not None, "a leaf says that it hangs"
                took.append(_killed(pids))
                count += len(pids)
            gone.append(took)
            bare.append(floors.killed(kills))
    sample, floor = Sample.of(gone).times(1e3), Sample.of(bare).times(1e3)
    size = count // (kills * runs)
    name = f"kill -9 of a supervisor, until all {size} processes of its subtree are gone, one of them hung"
    floor_is = "a fork killed and waited for"
    return [Figure(name, "ms", sample, floor, floor_is, base, {"kills": kills * runs, "processes": count})]


def _killed(pids: list[int]) -> float:
    """Seconds from the kill of the first to the end of the last.  Raises BenchmarkError."""
    handles = {os.pidfd_open(pid): pid for pid in pids}
    try:
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN)
        alive = set(handles)
        if poll.poll(0):
            raise BenchmarkError("somebody has ended before anybody was killed")
        began = time.monotonic()
        os.kill(pids[0], signal.SIGKILL)
        while alive:
            ended = poll.poll(GONE_S * 1_000)
            if not ended:
                raise BenchmarkError(f"still there after {GONE_S:.0f} s: {[handles[handle] for handle in alive]}")
            for handle, _ in ended:
                poll.unregister(handle)
                alive.remove(handle)
        return time.monotonic() - began
    finally:
        for handle in handles:
            os.close(handle)
