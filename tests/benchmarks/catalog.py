"""Which benchmarks there are, how large they are, on which bases each is run, and how."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tests.benchmarks import (
    asking,
    crowd,
    deciding,
    demo,
    ends,
    failover,
    hubs,
    latency,
    mail,
    proving,
    recording,
    rerunning,
    searching,
    standing,
    starting,
    sustained,
    syncing,
    ticking,
    trying,
)
from tests.benchmarks.bases import BASES, DENSE, ENGINE, STOCK
from tests.benchmarks.figures import Figure
from tests.benchmarks.isolation import Ran, isolated

Sizes = dict[str, Any]  # Any: keyword arguments of the benchmark's own function


class Group(StrEnum):
    TRAIL = "trail"  # parts of the hub, without actors
    HUB = "hub"  # a whole hub, on each base
    BASE = "base"  # bare actors, on each base


@dataclass(frozen=True, slots=True)
class Benchmark:
    """``full``: sizes for a quiet machine; ``small``: enough to see that it works.  ``on``: changes for one base.
    ``without``: bases on which it cannot be run, or means nothing there, and why.
    """

    name: str
    group: Group
    run: Callable[..., list[Figure]]
    full: Sizes
    small: Sizes
    on: dict[str, Sizes] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    pinned: bool = False

    @property
    def bases(self) -> tuple[str, ...]:
        """Those it is run on; of the trail, which needs none, one without a name."""
        return ("",) if self.group is Group.TRAIL else tuple(base for base in BASES if base not in self.without)

    def measure(self, base: str, *, is_small: bool = False, pinned: bool = False, resized: Sizes | None = None) -> Ran:
        """``base``: one of its own.  ``resized``: instead of the sizes of these names.  Raises BenchmarkError."""
        sizes = self.small if is_small else self.full | self.on.get(base, {})
        sizes = sizes | {name: size for name, size in (resized or {}).items() if name in sizes}
        if base:
            sizes = sizes | {"base": base}
        pinned = pinned or self.pinned
        ran = isolated(lambda folder: self.run(folder, **sizes), pinned=pinned)
        suffix = ", on one core" if pinned else ""
        return replace(ran, figures=[replace(one, base=base, name=one.name + suffix) for one in ran.figures])


ROUND_TRIPS: Sizes = {"trips": 2_000, "runs": 5}
FEW_TRIPS: Sizes = {"trips": 20, "runs": 1}
FAST: Sizes = {"trips": 20_000}
KILLS: Sizes = {"kills": 35, "runs": 3, "settle_s": 0.3}
ONE_KILL: Sizes = {"kills": 1, "runs": 1, "settle_s": 0.2}

NO_PROCESS = "its actors share one process: there is none of their own to kill"
ONE_PROCESS_EACH = "ten thousand actors would be ten thousand processes"

BENCHMARKS = (
    Benchmark(
        "sender-path", Group.TRAIL, recording.sender_path, {"turns": 20_000, "runs": 5}, {"turns": 200, "runs": 2}
    ),
    Benchmark(
        "end-to-end",
        Group.TRAIL,
        recording.end_to_end,
        {"turns": 30_000, "writers": 2, "runs": 5},
        {"turns": 200, "writers": 2, "runs": 1},
    ),
    Benchmark(
        "sustained",
        Group.TRAIL,
        sustained.sustained,
        {"seconds": 60, "per_s": 24_000, "writers": 2, "runs": 2},
        {"seconds": 0.2, "per_s": 2_000, "writers": 2, "runs": 1},
    ),
    Benchmark(
        "acknowledged",
        Group.TRAIL,
        sustained.acknowledged,
        {"asks": 300, "per_s": 10_000, "writers": 1, "runs": 3},
        {"asks": 3, "per_s": 1_000, "writers": 1, "runs": 1},
    ),
    Benchmark("verify", Group.TRAIL, proving.verify, {"entries": 1_000_000, "runs": 3}, {"entries": 10_000, "runs": 1}),
    Benchmark("conditions", Group.TRAIL, asking.conditions, {"events": 2_000, "runs": 5}, {"events": 10, "runs": 1}),
    Benchmark("arbiter", Group.TRAIL, deciding.arbiter, {"decisions": 2_000, "runs": 5}, {"decisions": 20, "runs": 1}),
    Benchmark(
        "rerun",
        Group.TRAIL,
        rerunning.rerunning,
        {"first": "2008-01-02", "last": "2009-03-31", "runs": 5},
        {"first": "2008-01-02", "last": "2008-01-04", "runs": 1},
    ),
    Benchmark(
        "whatif",
        Group.TRAIL,
        trying.whatif,
        {"events": 1_000_000, "rules": 100, "runs": 3},
        {"events": 200, "rules": 20, "runs": 1},
    ),
    Benchmark(
        "syncs",
        Group.TRAIL,
        syncing.deliveries,
        {"datasets": 100, "rounds": 25, "runs": 5},
        {"datasets": 3, "rounds": 2, "runs": 1},
    ),
    Benchmark(
        "search",
        Group.TRAIL,
        searching.search,
        {"entries": 2_000_000, "asks": 50, "runs": 5},
        {"entries": 5_100, "asks": 2, "runs": 1},
    ),
    Benchmark(
        "directive",
        Group.HUB,
        latency.directive,
        {"cycles": 100, "runs": 3, "gap_s": 0.05},
        {"cycles": 2, "runs": 1, "gap_s": 0.01},
    ),
    Benchmark("failover", Group.HUB, failover.monitor, KILLS, ONE_KILL, without={DENSE: NO_PROCESS}),
    Benchmark("program", Group.HUB, failover.program, KILLS, ONE_KILL),
    Benchmark(
        "start",
        Group.HUB,
        starting.start,
        {"setup": hubs.REFERENCE, "starts": 10},
        {"setup": hubs.PROBES, "starts": 1},
    ),
    Benchmark(
        "status",
        Group.HUB,
        starting.status,
        {"setup": hubs.REFERENCE, "asks": 20, "runs": 5},
        {"setup": hubs.PROBES, "asks": 1, "runs": 1},
    ),
    Benchmark(
        "standing",
        Group.HUB,
        standing.standing,
        {"setup": hubs.REFERENCE, "runs": 3, "idle_s": 20.0, "settle_s": 5.0},
        {"setup": hubs.PROBES, "runs": 1, "idle_s": 0.2, "settle_s": 0.0},
    ),
    Benchmark(
        "demo",
        Group.HUB,
        demo.demo,
        {"first": "2008-01-02", "last": "2008-12-31", "runs": 3},
        {"first": "2008-01-02", "last": "2008-01-04", "runs": 1},
    ),
    Benchmark("listeners", Group.HUB, standing.listeners, {"setup": hubs.REFERENCE}, {"setup": hubs.PROBES}),
    Benchmark("round-trips", Group.BASE, mail.round_trips, ROUND_TRIPS, FEW_TRIPS, {ENGINE: FAST, DENSE: FAST}),
    Benchmark(
        "round-trips-pinned",
        Group.BASE,
        mail.round_trips,
        ROUND_TRIPS,
        FEW_TRIPS,
        {ENGINE: FAST},
        without={DENSE: "its one process is on one core as it is"},
        pinned=True,
    ),
    Benchmark("ask", Group.BASE, mail.asks, ROUND_TRIPS, FEW_TRIPS),
    Benchmark(
        "burst",
        Group.BASE,
        mail.burst,
        {"letters": 50_000, "runs": 5},
        {"letters": 50, "runs": 1},
        {STOCK: {"letters": 2_000, "runs": 3}},
    ),
    Benchmark(
        "fan-in",
        Group.BASE,
        mail.fan_in,
        {"senders": 50, "letters": 1_000, "runs": 5},
        {"senders": 3, "letters": 5, "runs": 1},
        {STOCK: {"letters": 40, "runs": 3}},
    ),
    Benchmark("large", Group.BASE, mail.large, {"size": 10_000_000, "trips": 20}, {"size": 100_000, "trips": 1}),
    Benchmark("creation", Group.BASE, crowd.creation, {"children": 20, "runs": 5}, {"children": 2, "runs": 1}),
    Benchmark(
        "replacement",
        Group.BASE,
        crowd.replacement,
        {"kills": 20, "runs": 5},
        {"kills": 2, "runs": 1},
        without={DENSE: NO_PROCESS},
    ),
    Benchmark(
        "hung",
        Group.BASE,
        ends.hung,
        {"hangs": 21, "runs": 5},
        {"hangs": 1, "runs": 1},
        without={
            STOCK: "its handlers have no limit",
            DENSE: "its handlers have no limit: one that hangs hangs all",
        },
    ),
    Benchmark(
        "subtree",
        Group.BASE,
        ends.subtree,
        {"widths": [2, 2, 2], "kills": 21, "runs": 5},
        {"widths": [1, 1, 1], "kills": 1, "runs": 1},
        without={STOCK: "what is below a killed actor lives on", DENSE: NO_PROCESS},
    ),
    Benchmark(
        "crowd",
        Group.BASE,
        crowd.crowd,
        {"children": 300, "idle_s": 20.0, "settle_s": 0.5},
        {"children": 3, "idle_s": 0.1, "settle_s": 0.0},
        without={DENSE: "it counts what a process costs; what an actor costs there, `ticking` tells"},
    ),
    Benchmark(
        "ticking",
        Group.BASE,
        ticking.ticking,
        {"actors": 10_000, "ticks": 10, "period_s": 1.0, "runs": 3},
        {"actors": 20, "ticks": 3, "period_s": 0.05, "runs": 1},
        without={STOCK: ONE_PROCESS_EACH, ENGINE: ONE_PROCESS_EACH},
    ),
)

BY_NAME = {benchmark.name: benchmark for benchmark in BENCHMARKS}
