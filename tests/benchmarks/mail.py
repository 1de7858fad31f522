"""Letters between actors on a base: round trips, asks from outside, bursts, fan-in, and one that is large.

The floor is a bare Unix socket between two processes, with the same parcels pickled and framed; the pinning is the
same for both.  On the dense base, where all is in one process, it is a bare queue in one process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import bases, cast, floors
from tests.benchmarks.figures import Figure, Sample

SIZE = 200
"""Bytes of a letter's body."""


@dataclass(frozen=True, slots=True)
class Bare:
    """What the same takes without a base.  ``trips`` gives the seconds of each, ``flood`` those of all together."""

    trips: Callable[..., list[float]]
    flood: Callable[[object, int], float]
    trip_is: str
    flood_is: str


BETWEEN_TWO = Bare(
    floors.ping_pong,
    floors.flood,
    "bare socket, pickled parcels, there and back",
    "bare socket, pickled parcels, one way",
)
IN_ONE = Bare(
    floors.handed_to_and_fro,
    floors.handed_over,
    "two bare queues in one process, there and back",
    "a bare queue in one process",
)


def bare_for(base: str) -> Bare:
    return IN_ONE if base == bases.DENSE else BETWEEN_TWO


def round_trips(folder: Path, *, base: str, trips: int, runs: int) -> list[Figure]:
    """Two actors, one letter at a time."""
    floor_of = bare_for(base)
    told, bare = [], []
    with bases.running(base, folder) as system:
        for _ in range(runs):
            caller = system.createActor(cast.Caller)
            asked = cast.order("call", kind="ping", size=SIZE, warm_up=floors.WARM_UP, trips=trips)
            answer = cast.told(system.ask(caller, asked, bases.ASK_S))
            told.append(answer["took_s"])
            ball = cast.parcel("ping", bytes(SIZE))
            bare.append(floor_of.trips(ball, ball, trips))
    counts = {"trips": sum(map(len, told))}
    rates = Sample.each(len(took) / sum(took) for took in told)
    bare_rates = Sample.each(len(took) / sum(took) for took in bare)
    return [
        Figure("round trips between two actors", "1/s", rates, bare_rates, floor_of.trip_is, base, counts),
        Figure(
            "a round trip between two actors",
            "µs",
            Sample.of(told).times(1e6),
            Sample.of(bare).times(1e6),
            floor_of.trip_is,
            base,
            counts,
        ),
    ]


def asks(folder: Path, *, base: str, trips: int, runs: int) -> list[Figure]:
    """From outside the actor system."""
    floor_of = bare_for(base)
    told, bare = [], []
    ball = cast.parcel("ping", bytes(SIZE))
    with bases.running(base, folder) as system:
        echo = system.createActor(cast.Echo)
        system.ask(echo, ball, bases.ASK_S)
        for _ in range(runs):
            took = []
            for _ in range(trips):
                began = time.monotonic()
                answer = system.ask(echo, ball, bases.ASK_S)
                took.append(time.monotonic() - began)
                assert answer is not None, "an echo answers"
            told.append(took)
            bare.append(floor_of.trips(ball, ball, trips))
    sample, floor = Sample.of(told).times(1e6), Sample.of(bare).times(1e6)
    return [Figure("an ask from outside", "µs", sample, floor, floor_of.trip_is, base, {"asks": trips * runs})]


def burst(folder: Path, *, base: str, letters: int, runs: int) -> list[Figure]:
    """One handler says it all; the clock stops when the other has counted them."""
    floor_of = bare_for(base)
    rates, bare = [], []
    counts = {"sent": letters * runs, "heard": 0, "disorder": 0}
    with bases.running(base, folder) as system:
        for _ in range(runs):
            thrower = system.createActor(cast.Thrower)
            asked = cast.order("burst", letters=letters, size=SIZE)
            told = cast.told(system.ask(thrower, asked, bases.ASK_S))
            rates.append(told["heard"] / told["took_s"])
            counts["heard"] += told["heard"]
            counts["disorder"] += told["disorder"]
            bare.append(letters / floor_of.flood(cast.parcel("drop", bytes(SIZE)), letters))
    name = "a burst from one handler"
    return [Figure(name, "1/s", Sample.each(rates), Sample.each(bare), floor_of.flood_is, base, counts)]


def fan_in(folder: Path, *, base: str, senders: int, letters: int, runs: int) -> list[Figure]:
    """``senders`` actors say ``letters`` each to one."""
    floor_of = bare_for(base)
    rates, bare = [], []
    counts = {"sent": senders * letters * runs, "heard": 0}
    with bases.running(base, folder) as system:
        for _ in range(runs):
            gatherer = system.createActor(cast.Gatherer)
            asked = cast.order("gather", senders=senders, letters=letters, size=SIZE)
            told = cast.told(system.ask(gatherer, asked, bases.ASK_S))
            rates.append(told["heard"] / told["took_s"])
            counts["heard"] += told["heard"]
            bare.append(senders * letters / floor_of.flood(cast.parcel("drop", bytes(SIZE)), senders * letters))
    name = f"fan-in from {senders} senders"
    return [Figure(name, "1/s", Sample.each(rates), Sample.each(bare), floor_of.flood_is, base, counts)]


def large(folder: Path, *, base: str, size: int, trips: int) -> list[Figure]:
    """A letter of ``size`` bytes, and a short answer."""
    floor_of = bare_for(base)
    with bases.running(base, folder) as system:
        caller = system.createActor(cast.Caller)
        asked = cast.order("call", kind="weigh", size=size, warm_up=1, trips=trips)
        told = cast.told(system.ask(caller, asked, bases.ASK_S))
    bare = floor_of.trips(cast.parcel("weigh", bytes(size)), cast.parcel("pong"), trips, warm_up=1)
    name = f"a letter of {size:,} bytes, and its answer"
    sample, floor = Sample.each(told["took_s"]), Sample.each(bare)
    return [Figure(name, "ms", sample.times(1e3), floor.times(1e3), floor_of.trip_is, base, {"trips": trips})]
