"""What would have to be otherwise: P11, decided again with the change, the loser wins; P14, the unknown is safe."""

import random

import pytest

from alluse_hub.actors.coordinator.arbiter import decide, in_force
from alluse_hub.actors.coordinator.changes import to_win
from alluse_hub.actors.coordinator.fates import Outcome
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.protocols.claims import Claim, Lease, Mode, Policy, Tier
from alluse_hub.protocols.resources import Declared, Pool, Value
from tests.actors.coordinator.worlds import TRADING

NOW = Now(100.0, 7, "s7")
CASES = 2_000
MODE_POLICIES = (Policy.SAFETY_LATTICE, Policy.RECENT, Policy.FIRST_HOLDER, Policy.SPECIFIC_FIRST, Policy.HUMAN)
DEEP = 20_000


def claim(id_: str, want: str = "paused", **how: object) -> Claim:
    usual = {"holder": id_, "reason": f"{id_} said so", "resource": "ws4/trading"}
    return Claim.model_validate({**usual, "id": id_, "want": want, **how})


def text(resource: Declared, id_: str, *claims: Claim, granted: str = "") -> str | None:
    change = to_win(resource, claims, NOW, id_, frozenset(granted.split()))
    return change.text if change is not None else None


def test_against_a_claim_of_its_tier_a_priority_is_enough() -> None:
    assert text(TRADING, "b", claim("a", priority=2), claim("b", "normal", placed=1)) == "with priority 3"


def test_against_a_higher_tier_it_would_have_to_be_of_one() -> None:
    boss = claim("boss", tier="operator", placed=2)

    assert text(TRADING, "b", boss, claim("b", "normal", placed=1)) == "as a claim of tier operator"


def test_against_safety_no_priority_and_no_tier_helps() -> None:
    assert text(TRADING, "b", claim("a", safety=True), claim("b", "normal", tier="operator")) == "if a ended"
    both = claim("a", safety=True), claim("c", safety=True)
    assert text(TRADING, "b", *both, claim("b", "normal", tier="operator")) == (
        "if all that is held for safety ended, 2 claims"
    )


def test_of_a_pool_less_may_be_enough() -> None:
    pool = Pool(resource="ws4/broker", capacity=4)
    claims = [claim(id_, "", resource="ws4/broker", amount=3, placed=n) for n, id_ in enumerate("ab")]

    assert text(pool, "b", *claims, granted="a") == "if it took only 1"


def test_one_that_wins_needs_nothing() -> None:
    assert text(TRADING, "a", claim("a")) is None


def some(rng: random.Random) -> tuple[Declared, list[Claim], frozenset[str]]:
    resource: Declared = rng.choice(
        (
            TRADING.model_copy(update={"policy": rng.choice(MODE_POLICIES)}),
            Pool(resource="ws4/trading", capacity=3, policy=rng.choice((Policy.PRIORITY, Policy.FAIR_SHARE))),
            Value(resource="ws4/trading", policy=rng.choice((Policy.PRIORITY, Policy.RECENT, Policy.FIRST_HOLDER))),
        )
    )
    claims = [
        claim(
            f"c{n}",
            rng.choice(("normal", "reduce_only", "paused")),
            safety=rng.random() < 0.3 and isinstance(resource, Mode),
            tier=rng.choice(list(Tier)),
            priority=rng.randrange(3),
            placed=n,
            amount=rng.randrange(1, 4),
            lease=Lease(until=rng.choice((None, 101.0, 99.0))),
        )
        for n in range(rng.randrange(1, 6))
    ]
    granted: set[str] = set()
    if isinstance(resource, Pool):
        granted = {c.id for c in claims if rng.random() < 0.4}
    return resource, claims, frozenset(granted)


def law(rng: random.Random) -> bool:
    resource, claims, granted = some(rng)
    is_told = False
    for fate in decide(resource, claims, NOW, granted).fates:
        if fate.outcome in {Outcome.LOSES, Outcome.WAITS}:
            change = to_win(resource, claims, NOW, fate.claim.id, granted)
            assert change is not None, "if nobody else claimed it, it would have it"
            again = decide(resource, change.claims, NOW, granted).fate(fate.claim.id)
            assert again is not None
            assert again.outcome in {Outcome.HOLDS, Outcome.COVERED}
            is_told = True
    return is_told


def test_with_the_stated_change_the_loser_does_win() -> None:
    assert sum(law(random.Random(seed)) for seed in range(CASES)) > CASES / 4


@pytest.mark.deep
def test_with_the_stated_change_the_loser_does_win_over_many_cases() -> None:
    for seed in range(CASES, CASES + DEEP):
        law(random.Random(seed))


def test_a_claim_that_is_not_known_to_have_ended_still_holds() -> None:
    """P14 of the arbiter: taking away what ends a hold, a time or a market clock, never loosens."""
    for seed in range(CASES):
        rng = random.Random(seed)
        claims = [
            claim(
                f"c{n}",
                rng.choice(("normal", "reduce_only", "paused")),
                safety=True,
                placed=n,
                lease=Lease(until=rng.choice((None, 99.0, 101.0)), until_cleared=rng.random() < 0.5),
            )
            for n in range(4)
        ]
        known = in_force(TRADING, claims, NOW)
        blind = [one.model_copy(update={"lease": Lease()}) if rng.random() < 0.5 else one for one in claims]
        assert TRADING.height(in_force(TRADING, blind, NOW).rung) >= TRADING.height(known.rung)
        assert TRADING.height(in_force(TRADING, claims, Now(0.0)).rung) >= TRADING.height(known.rung)
