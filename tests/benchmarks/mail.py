"""Letters between actors on a base: round trips, asks from outside, bursts, fan-in, and one that is large.

The floor is a bare Unix socket between two processes, with the same parcels pickled and framed; the pinning is the
same for both.
"""

import time
from pathlib import Path

from tests.benchmarks import bases, cast, floors
from tests.benchmarks.figures import Figure, Sample

SIZE = 200
"""Bytes of a letter's body."""

FLOOR_TRIP = "bare socket, pickled parcels, there and back"
FLOOR_FLOOD = "bare socket, pickled parcels, one way"


def round_trips(folder: Path, *, base: str, trips: int, runs: int) -> list[Figure]:
    """Two actors, one letter at a time."""
    told, bare = [], []
    with bases.running(base, folder) as system:
        for _ in range(runs):
            caller = system.createActor(cast.Caller)
            asked = cast.order("call", kind="ping", size=SIZE, warm_up=floors.WARM_UP, trips=trips)
            answer = cast.told(system.ask(caller, asked, bases.ASK_S))
            told.append(answer["took_s"])
            ball = cast.parcel("ping", bytes(SIZE))
            bare.append(floors.ping_pong(ball, ball, trips))
    counts = {"trips": sum(map(len, told))}
    rates = Sample.each(len(took) / sum(took) for took in told)
    bare_rates = Sample.each(len(took) / sum(took) for took in bare)
    return [
        Figure("round trips between two actors", "1/s", rates, bare_rates, FLOOR_TRIP, base, counts),
        Figure(
            "a round trip between two actors",
            "µs",
            Sample.of(told).times(1e6),
            Sample.of(bare).times(1e6),
            FLOOR_TRIP,
            base,
            counts,
        ),
    ]


def asks(folder: Path, *, base: str, trips: int, runs: int) -> list[Figure]:
    """From outside the actor system."""
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
            bare.append(floors.ping_pong(ball, ball, trips))
    sample, floor = Sample.of(told).times(1e6), Sample.of(bare).times(1e6)
    return [Figure("an ask from outside", "µs", sample, floor, FLOOR_TRIP, base, {"asks": trips * runs})]


def burst(folder: Path, *, base: str, letters: int, runs: int) -> list[Figure]:
    """One handler says it all; the clock stops when the other has counted them."""
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
            bare.append(letters / floors.flood(cast.parcel("drop", bytes(SIZE)), letters))
    name = "a burst from one handler"
    return [Figure(name, "1/s", Sample.each(rates), Sample.each(bare), FLOOR_FLOOD, base, counts)]


def fan_in(folder: Path, *, base: str, senders: int, letters: int, runs: int) -> list[Figure]:
    """``senders`` actors say ``letters`` each to one."""
    rates, bare = [], []
    counts = {"sent": senders * letters * runs, "heard": 0}
    with bases.running(base, folder) as system:
        for _ in range(runs):
            gatherer = system.createActor(cast.Gatherer)
            asked = cast.order("gather", senders=senders, letters=letters, size=SIZE)
            told = cast.told(system.ask(gatherer, asked, bases.ASK_S))
            rates.append(told["heard"] / told["took_s"])
            counts["heard"] += told["heard"]
            bare.append(senders * letters / floors.flood(cast.parcel("drop", bytes(SIZE)), senders * letters))
    name = f"fan-in from {senders} senders"
    return [Figure(name, "1/s", Sample.each(rates), Sample.each(bare), FLOOR_FLOOD, base, counts)]


def large(folder: Path, *, base: str, size: int, trips: int) -> list[Figure]:
    """A letter of ``size`` bytes, and a short answer."""
    with bases.running(base, folder) as system:
        caller = system.createActor(cast.Caller)
        asked = cast.order("call", kind="weigh", size=size, warm_up=1, trips=trips)
        told = cast.told(system.ask(caller, asked, bases.ASK_S))
    bare = floors.ping_pong(cast.parcel("weigh", bytes(size)), cast.parcel("pong"), trips, warm_up=1)
    name = f"a letter of {size:,} bytes, and its answer"
    sample, floor = Sample.each(told["took_s"]), Sample.each(bare)
    return [Figure(name, "ms", sample.times(1e3), floor.times(1e3), FLOOR_TRIP, base, {"trips": trips})]
