"""What the arbiter takes to decide on one resource among many claims, and to say why.

The claims are those of a busy day: rules, people and steps, for safety and not, each with a lease.  CPU time of one
thread; the floor looks at each claim once and finds the first by the same order, and gives no claim a fate.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

from alluse_hub.actors.coordinator.arbiter import Now, decide, explained
from alluse_hub.actors.coordinator.order import key
from alluse_hub.protocols.claims import Claim, Clock, Lease, Mode, Rung, Tier
from alluse_hub.protocols.resources import Declared, Pool
from tests.benchmarks.figures import Figure, Sample

NOW = Now(100.0, 7, "s7")
TRADING = Mode(
    resource="ws4/trading",
    rungs=(Rung(name="normal", uses=("open", "close")), Rung(name="reduce_only", uses=("close",)), Rung(name="paused")),
)
BROKER = Pool(resource="ws4/broker", capacity=8)
AMONG = (10, 1_000)


def arbiter(_folder: Path, *, decisions: int, runs: int) -> list[Figure]:
    figures: list[Figure] = []
    for count in AMONG:
        for what, resource in (("mode", TRADING), ("pool", BROKER)):
            figures += _of(what, resource, count, max(2, decisions * 10 // count), runs)
    return figures


def _of(what: str, resource: Declared, count: int, decisions: int, runs: int) -> list[Figure]:
    claims = _claims(resource, count)
    granted = frozenset(claim.id for claim in claims[:: max(1, count // 8)])
    policy = resource.policy

    def ruled() -> object:
        return decide(resource, claims, NOW, granted)

    def told() -> object:
        return explained(decide(resource, claims, NOW, granted))

    def first() -> object:
        return min(claims, key=lambda claim: key(claim, policy, NOW))

    floor = _taken(first, decisions, runs)
    floor_is = "the first of the same claims by the same order"
    counts = {"claims": count, "decisions": decisions * runs}
    return [
        Figure(
            f"arbiter: a {what} among {count:,} claims",
            "µs CPU",
            _taken(ruled, decisions, runs),
            floor,
            floor_is,
            counts=counts,
        ),
        Figure(
            f"arbiter: a {what} among {count:,} claims, in sentences",
            "µs CPU",
            _taken(told, decisions, runs),
            floor,
            floor_is,
            counts=counts,
        ),
    ]


def _taken(act: Callable[[], object], times: int, runs: int) -> Sample:
    def reading() -> float:
        begun = time.thread_time()
        act()
        return (time.thread_time() - begun) * 1e6

    return Sample.of([reading() for _ in range(times)] for _ in range(runs))


def _claims(resource: Declared, count: int) -> list[Claim]:
    dice = random.Random(count)
    is_mode = isinstance(resource, Mode)
    return [
        Claim(
            id=f"c{n}",
            resource=resource.resource,
            want=dice.choice(("normal", "reduce_only", "paused")) if is_mode else "",
            safety=is_mode and dice.random() < 0.4,
            tier=dice.choice(list(Tier)),
            priority=dice.randrange(4),
            lease=Lease(clock=dice.choice(list(Clock)), until=dice.choice((None, 8.0, 200.0))),
            holder=f"rule-{n % 20}",
            subject=f"s{n}",
            reason="risk_level > 0.8 (risk_level = 0.93) in ws2#17",
            placed=n,
            since=float(dice.randrange(1, 100)),
        )
        for n in range(count)
    ]
