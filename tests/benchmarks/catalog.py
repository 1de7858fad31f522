"""Which benchmarks there are, how large they are, and how one is run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tests.benchmarks import bases, crowd, demo, failover, latency, mail, recording, standing, starting
from tests.benchmarks.figures import Figure
from tests.benchmarks.isolation import Ran, isolated

Sizes = dict[str, Any]  # Any: keyword arguments of the benchmark's own function


class Group(StrEnum):
    TRAIL = "trail"  # parts of the hub, without actors
    HUB = "hub"  # a whole hub, on whatever base it runs
    BASE = "base"  # bare actors, on a base to choose


@dataclass(frozen=True, slots=True)
class Benchmark:
    """``full``: sizes for a quiet machine; ``small``: enough to see that it works.  ``on``: changes for one base."""

    name: str
    group: Group
    run: Callable[..., list[Figure]]
    full: Sizes
    small: Sizes
    on: dict[str, Sizes] = field(default_factory=dict)
    pinned: bool = False

    def measure(self, base: str = "", *, is_small: bool = False, pinned: bool = False) -> Ran:
        """Raises BenchmarkError.  ``base``: for those of group ``base`` only."""
        sizes = self.small if is_small else self.full | self.on.get(base, {})
        if self.group is Group.BASE:
            sizes = sizes | {"base": base}
        pinned = pinned or self.pinned
        ran = isolated(lambda folder: self.run(folder, **sizes), pinned=pinned)
        label = bases.of_the_hub() if self.group is Group.HUB else base
        suffix = ", on one core" if pinned else ""
        return replace(ran, figures=[replace(one, base=label, name=one.name + suffix) for one in ran.figures])


ROUND_TRIPS: Sizes = {"trips": 2_000, "runs": 5}
FEW_TRIPS: Sizes = {"trips": 20, "runs": 1}

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
        "directive",
        Group.HUB,
        latency.directive,
        {"cycles": 100, "runs": 3, "gap_s": 0.05},
        {"cycles": 2, "runs": 1, "gap_s": 0.01},
    ),
    Benchmark(
        "failover",
        Group.HUB,
        failover.failover,
        {"kills": 35, "runs": 3, "settle_s": 0.3},
        {"kills": 1, "runs": 1, "settle_s": 0.2},
    ),
    Benchmark("start", Group.HUB, starting.start, {"starts": 10}, {"starts": 1}),
    Benchmark("status", Group.HUB, starting.status, {"asks": 20, "runs": 5}, {"asks": 1, "runs": 1}),
    Benchmark(
        "standing",
        Group.HUB,
        standing.standing,
        {"runs": 3, "idle_s": 20.0, "settle_s": 5.0},
        {"runs": 1, "idle_s": 0.2, "settle_s": 0.0},
    ),
    Benchmark(
        "demo",
        Group.HUB,
        demo.demo,
        {"first": "2008-01-02", "last": "2008-12-31", "runs": 3},
        {"first": "2008-01-02", "last": "2008-01-04", "runs": 1},
    ),
    Benchmark("round-trips", Group.BASE, mail.round_trips, ROUND_TRIPS, FEW_TRIPS, {bases.ENGINE: {"trips": 20_000}}),
    Benchmark(
        "round-trips-pinned",
        Group.BASE,
        mail.round_trips,
        ROUND_TRIPS,
        FEW_TRIPS,
        {bases.ENGINE: {"trips": 20_000}},
        pinned=True,
    ),
    Benchmark("ask", Group.BASE, mail.asks, ROUND_TRIPS, FEW_TRIPS),
    Benchmark(
        "burst",
        Group.BASE,
        mail.burst,
        {"letters": 50_000, "runs": 5},
        {"letters": 50, "runs": 1},
        {bases.STOCK: {"letters": 2_000, "runs": 3}},
    ),
    Benchmark(
        "fan-in",
        Group.BASE,
        mail.fan_in,
        {"senders": 50, "letters": 1_000, "runs": 5},
        {"senders": 3, "letters": 5, "runs": 1},
        {bases.STOCK: {"letters": 40, "runs": 3}},
    ),
    Benchmark("large", Group.BASE, mail.large, {"size": 10_000_000, "trips": 20}, {"size": 100_000, "trips": 1}),
    Benchmark("creation", Group.BASE, crowd.creation, {"children": 20, "runs": 5}, {"children": 2, "runs": 1}),
    Benchmark("replacement", Group.BASE, crowd.replacement, {"kills": 20, "runs": 5}, {"kills": 2, "runs": 1}),
    Benchmark("crowd", Group.BASE, crowd.crowd, {"children": 300, "idle_s": 20.0}, {"children": 3, "idle_s": 0.2}),
)

BY_NAME = {benchmark.name: benchmark for benchmark in BENCHMARKS}
