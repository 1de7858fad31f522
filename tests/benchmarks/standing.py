"""The hub while nothing happens: what it costs, without the programs of the workstreams, and where it can be reached.

All programs are up, and there is no replay.  Its cost is that of the guardian, the host, every actor and, where there
are such, Thespian's admin and logger; the shims apart.  The programs are left out, but they beat once a second and the
monitors hear it.
"""

import time
from pathlib import Path

from tests.benchmarks import floors, hubs, isolation, kernel
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.hubs import Hub, Setup

FLOOR = "one python that sleeps"


def standing(folder: Path, *, base: str, setup: Setup, runs: int, idle_s: float, settle_s: float) -> list[Figure]:
    """``idle_s``: how long its work is watched; ``settle_s``: how long it is left alone before."""
    told: dict[str, list[float]] = {}
    bare: dict[str, list[float]] = {}
    counts = {"processes": 0, "shims": 0}
    for run in range(runs):
        with hubs.greeted(folder / str(run), setup, base) as hub:
            time.sleep(settle_s)
            own, shims = _processes(hub)
            counts = {"processes": len(own), "shims": len(shims)}
            _add(told, "", own, idle_s)
            _add(told, "shims ", shims, 0.0)
            with floors.bare_python() as pid:
                _add(bare, "", [pid], idle_s)

    def figure(name: str, unit: str, key: str, floor: str) -> Figure:
        return Figure(name, unit, Sample.each(told[key]), Sample.each(bare[floor]), FLOOR, counts=counts)

    return [
        figure("memory of the hub, PSS", "MiB", "pss", "pss"),
        figure("memory of the hub, USS", "MiB", "uss", "uss"),
        figure("memory of the shims, PSS", "MiB", "shims pss", "pss"),
        figure("idle CPU of the hub", "% of a core", "cpu", "cpu"),
        figure("idle wake-ups of the hub", "1/s", "wakeups", "wakeups"),
    ]


def _processes(hub: Hub) -> tuple[list[int], list[int]]:
    """Pids of the hub's own, and of the shims."""
    shims = [held["shim_pid"] for held in hub.holders().values()]
    own = {hub.process.pid, *(process.pid for process in hub.actors())} - set(shims)
    return sorted(own), shims


def _add(told: dict[str, list[float]], of: str, pids: list[int], idle_s: float) -> None:
    pss, uss = kernel.memory_mib(pids)
    told.setdefault(f"{of}pss", []).append(pss)
    told.setdefault(f"{of}uss", []).append(uss)
    if idle_s:
        cpu_before, wakeups_before = kernel.work_of(pids)
        time.sleep(idle_s)
        cpu_after, wakeups_after = kernel.work_of(pids)
        told.setdefault(f"{of}cpu", []).append(100 * (cpu_after - cpu_before) / idle_s)
        told.setdefault(f"{of}wakeups", []).append((wakeups_after - wakeups_before) / idle_s)


def listeners(folder: Path, *, base: str, setup: Setup) -> list[Figure]:
    """TCP ports that all processes of the hub listen on, shims and programs too."""
    with hubs.greeted(folder / "hub", setup, base) as hub:
        pids = [hub.process.pid, *(process.pid for process in isolation.descendants(hub.process.pid))]
        listening = kernel.tcp_listeners(pids)
    with floors.bare_python() as pid:
        bare = kernel.tcp_listeners([pid])
    counts = {"processes": len(pids)}
    return [Figure("TCP listeners of the hub", "", Sample.each([listening]), Sample.each([bare]), FLOOR, counts=counts)]
