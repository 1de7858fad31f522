"""Very many light actors in one process, each woken once in a period: work, punctuality, memory."""

from functools import partial
from pathlib import Path

from tests.benchmarks import bases, cast, floors
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.isolation import apart

FLOOR = "a bare heap of as many objects, on one epoll"


def ticking(folder: Path, *, base: str, actors: int, ticks: int, period_s: float, runs: int) -> list[Figure]:
    """``ticks``: how often each is woken; their times are spread evenly over the period."""
    cpu, late, size_kib = [], [], []
    bare_cpu, bare_late, bare_size_kib = [], [], []
    for run in range(runs):
        told = apart(partial(_slept, folder / str(run), base, actors, ticks, period_s))
        cpu.append(told["cpu_s"])
        late.append(told["late_s"])
        size_kib.append(told["size_kib"])
        bare = apart(partial(floors.woken, actors, ticks, period_s))
        bare_cpu.append(bare[0])
        bare_late.append(bare[1])
        bare_size_kib.append(bare[2])
    counts = {"actors": actors, "woken": sum(map(len, late))}
    share = 100 / (ticks * period_s)
    name = f"{actors:,} actors woken every {period_s:g} s"
    return [
        Figure(
            f"{name}: CPU",
            "% of a core",
            Sample.each(cpu).times(share),
            Sample.each(bare_cpu).times(share),
            FLOOR,
            base,
            counts,
        ),
        Figure(
            f"{name}: lateness of a wakeup",
            "ms",
            Sample.of(late).times(1e3),
            Sample.of(bare_late).times(1e3),
            FLOOR,
            base,
            counts,
        ),
        Figure(
            f"{name}: memory of an actor",
            "KiB",
            Sample.each(size_kib),
            Sample.each(bare_size_kib),
            FLOOR,
            base,
            counts,
        ),
    ]


def _slept(folder: Path, base: str, actors: int, ticks: int, period_s: float) -> cast.Order:
    with bases.running(base, folder) as system:
        asked = cast.order("sleep", sleepers=actors, period_s=period_s, ticks=ticks)
        return cast.told(system.ask(system.createActor(cast.Dormitory), asked, bases.ASK_S))
