"""Many actors on a base: how fast they come, what each costs, and how fast a killed one is replaced."""

import time
from pathlib import Path
from typing import Any

from tests.benchmarks import bases, cast, floors, kernel
from tests.benchmarks.figures import Figure, Sample

FLOOR_FORK = "fork, and a byte over a socket"
FLOOR_PYTHON = "one python that sleeps"
FLOOR_OBJECT = "an object made and asked"


def creation(folder: Path, *, base: str, children: int, runs: int) -> list[Figure]:
    """One after the other, by an actor, each until it has answered."""
    told, bare = [], []
    is_shared = base == bases.DENSE
    with bases.running(base, folder) as system:
        for _ in range(runs):
            answer = _ask(system, "raise_one_by_one", children=children)
            told.append(answer["took_s"])
            bare.append([floors.made() if is_shared else floors.forked(1) for _ in range(children)])
    sample, floor = Sample.of(told).times(1e3), Sample.of(bare).times(1e3)
    floor_is = FLOOR_OBJECT if is_shared else FLOOR_FORK
    return [
        Figure("an actor created, until it answers", "ms", sample, floor, floor_is, base, {"actors": children * runs})
    ]


def replacement(folder: Path, *, base: str, kills: int, runs: int) -> list[Figure]:
    """From kill -9 of a child, over the notice to its parent, to the answer of the next."""
    told, bare = [], []
    with bases.running(base, folder) as system:
        for _ in range(runs):
            told.append(_ask(system, "replace", kills=kills)["took_s"])
            bare.append([floors.forked(1) for _ in range(kills)])
    sample, floor = Sample.of(told).times(1e3), Sample.of(bare).times(1e3)
    name = "kill -9 of an actor, until its replacement answers"
    return [Figure(name, "ms", sample, floor, FLOOR_FORK, base, {"kills": sum(map(len, told))})]


def crowd(folder: Path, *, base: str, children: int, idle_s: float, settle_s: float) -> list[Figure]:
    """Children of one actor, all at once; then what they cost while they idle, ``settle_s`` after their first words."""
    with bases.running(base, folder) as system:
        told = _ask(system, "raise_all", children=children)
        pids: list[int] = told["pids"]
        pss, uss = kernel.memory_mib(pids)
        descriptors = [kernel.descriptors(pid) for pid in pids]
        time.sleep(settle_s)
        before = kernel.work_of(pids)
        time.sleep(idle_s)
        after = kernel.work_of(pids)
    with floors.bare_python() as pid:
        bare_pss, bare_uss = kernel.memory_mib([pid])
        bare_descriptors = kernel.descriptors(pid)
        bare_before = kernel.work_of([pid])
        time.sleep(idle_s)
        bare_after = kernel.work_of([pid])
    counts = {"actors": len(set(pids)), "most_descriptors": max(descriptors)}

    def figure(name: str, unit: str, sample: float, floor: float, floor_is: str = FLOOR_PYTHON) -> Figure:
        return Figure(name, unit, Sample.each([sample]), Sample.each([floor]), floor_is, base, counts)

    return [
        figure(f"{children} actors up", "s", told["took_s"], floors.forked(children), f"{children} forks, all alive"),
        figure("memory of an actor, PSS", "MiB", pss / children, bare_pss),
        figure("memory of an actor, USS", "MiB", uss / children, bare_uss),
        Figure(
            "descriptors of an actor",
            "",
            Sample.of([descriptors]),
            Sample.each([bare_descriptors]),
            FLOOR_PYTHON,
            base,
            counts,
        ),
        figure(
            "idle wake-ups of an actor",
            "1/s",
            (after[1] - before[1]) / idle_s / children,
            (bare_after[1] - bare_before[1]) / idle_s,
        ),
        figure(
            "idle CPU of an actor",
            "% of a core",
            100 * (after[0] - before[0]) / idle_s / children,
            100 * (bare_after[0] - bare_before[0]) / idle_s,
        ),
    ]


def _ask(system: Any, kind: str, **wanted: int) -> dict[str, Any]:  # Any: Thespian's, and JSON
    """Of a new parent."""
    return cast.told(system.ask(system.createActor(cast.Parent), cast.order(kind, **wanted), bases.ASK_S))
