"""P14 of a whole coordinator: what is missing of an event, or of the wrong type, ends no hold and allows no use."""

import copy
import random
from typing import Any

import pytest

from alluse_hub.protocols.flow import Event
from tests.actors.coordinator.timed import HOLD, Timed, rule
from tests.actors.coordinator.worlds import SHIPPED, TRADING, breach, busy, cleared, event, volatile

CASES = 1_000
DEEP = 20_000
KEPT = rule(id="kept", hold=(HOLD,), tell=(), keep="60s")
WRONG: dict[type, tuple[object, ...]] = {str: (None, -1, [], {}), float: (None, "", "high", [], {})}
"""Of a field, by the type of what it should be."""
LATER_S = 120.0
"""Past ``keep``, and within the session."""


def desk(past: list[Event]) -> Timed:
    one = Timed(*SHIPPED, KEPT)
    for number, each in enumerate(past):
        one.hear(float(number), each)
    return one


def draw(rng: random.Random, n: int) -> Event:
    return rng.choice(
        (
            breach(n, rng.choice((0.5, 0.9)), rng.choice(("gen", "rev"))),
            cleared(n, rng.choice(("gen", "rev"))),
            volatile(n, rng.choice(("AAPL", "MSFT")), rng.choice(("very high", "low"))),
            busy(n),
            event("ws2", n, "risk", scope=rng.choice(("gen", "rev")), level=rng.choice((0.2, 0.9))),
        )
    )


def blinded(rng: random.Random, whole: Event) -> Event:
    """Some of its fields are missing, or of another type; at least one."""
    payload: dict[str, Any] = dict(whole.payload)
    for name in rng.sample(sorted(payload), rng.randint(1, len(payload))):
        if rng.random() < 0.6:
            del payload[name]
        else:
            payload[name] = rng.choice(WRONG[type(payload[name])])
    return whole.model_copy(update={"payload": payload})


def after(before: Timed, *events: Event) -> tuple[set[str], set[str]]:
    """Claims and permitted uses after these, and after times have run out.  What was before stays as it is."""
    one = copy.copy(before)
    one.facts = list(before.facts)
    one.hear(before.at + 1.0, *events)
    one.wake(one.at + LATER_S)
    return set(one.ledger.claims), uses(one)


def uses(one: Timed) -> set[str]:
    return set(next(rung for rung in TRADING.rungs if rung.name == one.rung).uses)


def safe(seed: int) -> bool:
    """The blind event against the whole one, and against none: what either would leave held stays held, what neither
    allows stays refused.  Whether the whole one, or time, ended something."""
    rng = random.Random(seed)
    past = [draw(rng, n) for n in range(1, rng.randint(2, 6))]
    whole = draw(rng, 99)
    before = desk(past)
    held = set(before.ledger.claims)
    held_then, allowed_then = after(before, whole)
    held_blind, allowed_blind = after(before, blinded(rng, whole))
    held_without, allowed_without = after(before)

    assert held & held_then & held_without <= held_blind, f"seed {seed}: a hold ended for want of a field"
    assert allowed_blind <= allowed_then | allowed_without, f"seed {seed}: a use is allowed for want of a field"
    return held != held & held_then


def test_what_is_missing_ends_no_hold_and_allows_no_use() -> None:
    assert sum(safe(seed) for seed in range(CASES)) > CASES // 50


@pytest.mark.deep
def test_what_is_missing_ends_no_hold_and_allows_no_use_over_many_seeds() -> None:
    for seed in range(CASES, CASES + DEEP):
        safe(seed)
