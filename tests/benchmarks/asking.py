"""What it takes to ask the conditions of many rules about an event, and to keep a window over a stream.

The conditions are four, turned over with other numbers: one comparison; three parts and a list; a loop over eight items
with fields of theirs; a text, a pattern and a ratio.  CPU time of one thread.  The floor asks the same of the same
events in plain Python, written by hand: no kind is looked at, and what is missing would raise.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.watching import Reader, Watch
from alluse_hub.actors.coordinator.windows import Filling, Table
from alluse_hub.protocols.conditions import Condition, holds, parse
from alluse_hub.protocols.flow import Event
from tests.benchmarks.figures import Figure, Sample

AMONG = (100, 1_000)
FLOOR = "the same questions in plain Python, no kind looked at"
CAPITALS = re.compile("^[A-Z]{1,5}$")

Payload = dict[str, Any]
Question = Callable[[Mapping[str, Any]], bool]

EVENTS: list[Payload] = [
    {
        "symbol": ("AAPL", "IBM", "very-long")[n % 3],
        "volume": 900 + 37 * n % 400,
        "mean": 500.5 + n,
        "regime": ("high", "low", "very high")[n % 3],
        "halted": n % 7 == 0,
        "side": "buy",
        "price": 101.5,
        "venue": "X",
        "account": "gen",
        "session": "2008-09-29",
        "positions": [{"symbol": "AAPL", "quantity": k * 30 - n, "leg": {"delta": 0.2}} for k in range(8)],
        "risk": {"level": 0.5 + n % 50 / 100, "kind": "drawdown"},
    }
    for n in range(100)
]
GAPS: list[Payload] = [{name: value for name, value in event.items() if name != "volume"} for event in EVENTS]


def condition(n: int) -> str:
    match n % 4:
        case 0:
            return f"volume > {1000 + n}"
        case 1:
            return f'!halted && risk.level > {0.5 + n % 40 / 100} && regime in ["high", "very high"]'
        case 2:
            return f"positions.exists(x, x.quantity > {150 + n % 50} && x.leg.delta < 0.3)"
        case _:
            return f'symbol.matches("^[A-Z]{{1,5}}$") && volume / mean > {1 + n % 20 / 10}'


def question(n: int) -> Question:
    level, ratio, quantity = 0.5 + n % 40 / 100, 1 + n % 20 / 10, 150 + n % 50
    match n % 4:
        case 0:
            return lambda p: p["volume"] > 1000 + n
        case 1:
            return lambda p: not p["halted"] and p["risk"]["level"] > level and p["regime"] in {"high", "very high"}
        case 2:
            return lambda p: any(x["quantity"] > quantity and x["leg"]["delta"] < 0.3 for x in p["positions"])
        case _:
            return lambda p: bool(CAPITALS.search(p["symbol"])) and p["volume"] / p["mean"] > ratio


def conditions(_folder: Path, *, events: int, runs: int) -> list[Figure]:
    figures: list[Figure] = []
    for count in AMONG:
        ready = [parse(condition(n)) for n in range(count)]
        plain = [question(n) for n in range(count)]
        times = max(1, events * AMONG[0] // count)
        true = sum(holds(one, event) is True for one in ready for event in EVENTS[:10])
        assert true == sum(one(event) for one in plain for event in EVENTS[:10]), "both ask the same"
        floor = Sample.each(_per_s(_plainly(plain, EVENTS, times), count * times) for _ in range(runs))
        asked = Sample.each(_per_s(_asked(ready, EVENTS, times), count * times) for _ in range(runs))
        walked = Sample.each(_per_s(_asked(ready, GAPS, times), count * times) for _ in range(runs))
        name = f"conditions of {count:,} rules"
        figures += [
            Figure(name, "conditions/s of CPU", asked, floor, FLOOR, counts={"asked": count * times * runs}),
            Figure(f"{name}, a field missing in half", "conditions/s of CPU", walked, floor, FLOOR),
        ]
    return [*figures, *_window(events * 10, runs)]


def _per_s(work: Callable[[], None], count: int) -> float:
    return count / _took(work)


def _took(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return max(time.process_time() - began, 1e-9)


def _asked(ready: Sequence[Condition], events: Sequence[Payload], times: int) -> Callable[[], None]:
    def work() -> None:
        for n in range(times):
            event = events[n % len(events)]
            for one in ready:
                holds(one, event)

    return work


def _plainly(plain: Sequence[Question], events: Sequence[Payload], times: int) -> Callable[[], None]:
    def work() -> None:
        for n in range(times):
            event = events[n % len(events)]
            for one in plain:
                one(event)

    return work


def _window(events: int, runs: int) -> list[Figure]:
    asked = parse('count(ws4.fill, "60s", where(quantity > 10), by(symbol)) > 1000000')
    told = [
        Event(ws="ws4", n=n + 1, event="fill", payload={"symbol": f"S{n % 10}", "quantity": n}) for n in range(events)
    ]

    def kept() -> None:
        watch = Watch.over([asked])
        ((id_, feed),) = watch.feeds.items()
        filling = Filling(Table(feed.kind, feed.clock, feed.length, -60.0))
        for n, event in enumerate(told):
            at = n / 50
            heard = feed.heard(event, n + 1)
            if heard is not None:
                filling.add(at, heard)
            holds(asked, event.payload, Reader(watch, {id_: filling}, Now(at, 1, "s")))

    def bare() -> None:
        rows: dict[str, deque[float]] = {}
        for n, event in enumerate(told):
            at, payload = n / 50, event.payload
            row = rows.setdefault(str(payload["symbol"]), deque())
            if payload["quantity"] > 10:  # type: ignore[operator]  # a number, as it was made
                row.append(at)
            while row and row[0] <= at - 60:
                row.popleft()
            assert len(row) < 1_000_000

    floor = Sample.each(_took(bare) / events * 1e6 for _ in range(runs))
    found = Sample.each(_took(kept) / events * 1e6 for _ in range(runs))
    floor_is = "a deque for each key, and its length"
    return [
        Figure("an event into a window, and asked", "µs CPU", found, floor, floor_is, counts={"events": events * runs})
    ]
