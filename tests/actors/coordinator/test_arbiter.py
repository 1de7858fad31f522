"""The arbiter: tables of the order, then its laws (P1 to P3, P5) over random claims, plain-seeded and by Hypothesis."""

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.coordinator.arbiter import (
    Now,
    Outcome,
    Ruling,
    explained,
    in_force,
    lapsed,
    permits,
    rank,
)
from alluse_hub.actors.coordinator.leases import is_live
from alluse_hub.protocols.claims import Claim, Clock, Lease, Tier
from tests.actors.coordinator.worlds import TRADING

NOW = Now(100.0, 7, "s7")
RUNGS = tuple(rung.name for rung in TRADING.rungs)
CASES = 2_000


def claim(id_: str, want: str = "paused", **how: Any) -> Claim:
    usual = {"holder": id_, "reason": f"{id_} said so", "resource": "ws4/trading"}
    return Claim.model_validate({"id": id_, "want": want, **usual, **how})


def ruled(*claims: Claim, now: Now = NOW) -> Ruling:
    return in_force(TRADING, claims, now)


def test_nobody_claims_so_the_default_is_in_force() -> None:
    ruling = ruled()

    assert (ruling.rung, ruling.holder, ruling.claims) == ("normal", None, ())
    assert explained(ruling) == "ws4/trading is normal: nobody claims otherwise."


def test_the_most_restrictive_safety_claim_is_the_floor() -> None:
    ruling = ruled(claim("a", "reduce_only", safety=True), claim("b", "paused", safety=True))

    assert (ruling.rung, ruling.floor) == ("paused", "paused")
    assert [(f.claim.id, f.outcome) for f in ruling.fates] == [("a", Outcome.COVERED), ("b", Outcome.HOLDS)]


def test_no_priority_and_no_tier_lowers_the_safety_floor() -> None:
    low = claim("low", "paused", safety=True, tier=Tier.SYNC)
    high = claim("high", "normal", tier=Tier.OPERATOR, priority=10**6)

    ruling = ruled(low, high)

    assert ruling.rung == "paused"
    assert ruling.fate("high").why == "safety is a floor that no priority lowers"  # type: ignore[union-attr]  # is live


@pytest.mark.parametrize(
    ("winner", "loser", "why"),
    [
        (
            claim("z", "normal", tier="operator"),
            claim("a", "paused", priority=9),
            "z goes first: operator before rule",
        ),
        (
            claim("z", "normal", priority=2, placed=9),
            claim("a", "paused", priority=1),
            "z goes first: priority 2 before 1",
        ),
        (claim("z", "normal", placed=1), claim("a", "paused", placed=2), "z goes first: its claim was placed earlier"),
        (claim("a", "normal"), claim("z", "paused"), "a goes first: by the order of ids"),
    ],
)
def test_without_safety_the_first_in_the_order_decides_and_the_first_difference_is_named(
    winner: Claim, loser: Claim, why: str
) -> None:
    ruling = ruled(loser, winner)

    assert (ruling.rung, ruling.holder) == ("normal", winner)
    assert ruling.fate(loser.id).why == why  # type: ignore[union-attr]  # is live


def test_equal_wants_are_shared() -> None:
    ruling = ruled(claim("a", placed=1), claim("b", placed=2))

    assert [fate.outcome for fate in ruling.fates] == [Outcome.HOLDS, Outcome.COVERED]


def test_a_rule_that_asks_for_less_is_covered_and_a_person_who_does_loses() -> None:
    floor = claim("floor", "paused", safety=True)

    assert ruled(floor, claim("rule", "reduce_only")).fate("rule").outcome is Outcome.COVERED  # type: ignore[union-attr]
    person = claim("person", "reduce_only", tier="operator")
    assert ruled(floor, person).fate("person").outcome is Outcome.LOSES  # type: ignore[union-attr]  # is live


def test_of_the_claims_that_hold_the_one_that_ends_last_is_the_holder() -> None:
    short = claim("short", safety=True, priority=9, lease=Lease(clock=Clock.MARKET, until=8))
    long = claim("long", safety=True, lease=Lease(clock=Clock.MARKET, until=9))

    assert ruled(short, long).holder == long


def test_claims_whose_lease_is_over_count_for_nothing() -> None:
    over = claim("over", safety=True, lease=Lease(clock=Clock.MARKET, until=6))

    assert ruled(over).rung == "normal"
    assert lapsed((over, claim("live")), NOW) == (over,)


def test_claims_on_other_resources_count_for_nothing() -> None:
    assert ruled(claim("other", resource="ws5/models", safety=True)).rung == "normal"


def test_a_rung_that_is_not_on_the_ladder_is_an_error_that_names_the_ladder() -> None:
    with pytest.raises(ValueError, match="no rung 'frozen'; it has: normal, reduce_only, paused"):
        ruled(claim("a", "frozen"))


@pytest.mark.parametrize(
    ("want", "uses"), [("normal", "open close cancel"), ("reduce_only", "close cancel"), ("paused", "cancel")]
)
def test_each_rung_permits_its_uses_and_no_others(want: str, uses: str) -> None:
    ruling = ruled(claim("a", want, safety=True))

    assert [use for use in ("open", "close", "cancel", "fly") if permits(ruling, use)] == uses.split()


def test_the_explanation_names_holder_end_reason_and_the_others() -> None:
    ruling = ruled(
        claim("vol", safety=True, subject="AAPL", lease=Lease(clock=Clock.MARKET, until=9), placed=2),
        claim("risk", safety=True, lease=Lease(clock=Clock.MARKET, until=7, until_cleared=True), placed=1),
        claim("sync", "reduce_only"),
        claim("alice", "normal", tier="operator"),
    )

    assert explained(ruling) == (
        "ws4/trading is paused until it is cleared, but at least to the end of session s7: "
        "risk holds it, for safety, because risk said so. "
        "Also held by: vol (AAPL) for 2 sessions after s7. "
        "Covered: sync until it is withdrawn. "
        "alice wants normal and loses: safety is a floor that no priority lowers."
    )


def test_an_explanation_of_a_thousand_claims_stays_readable() -> None:
    text = explained(ruled(*(claim(f"c{n}", safety=True) for n in range(1_000))))

    assert len(text) < 1_000
    assert "and 991 more" in text


# --- laws ----------------------------------------------------------------------------------------------------------


def some_claims(seed: int) -> list[Claim]:
    rng = random.Random(seed)
    return [
        claim(
            f"c{n}",
            rng.choice(RUNGS),
            safety=rng.random() < 0.4,
            tier=rng.choice(list(Tier)),
            priority=rng.randrange(3),
            placed=rng.randrange(4),
            lease=Lease(
                clock=rng.choice(list(Clock)),
                until=rng.choice((None, 6.0, 7.0, 8.0, 99.0, 101.0)),
                until_cleared=rng.random() < 0.3,
            ),
        )
        for n in range(rng.randrange(9))
    ]


CLAIMS = st.integers(0, 10**9).map(some_claims)


def outcome(ruling: Ruling) -> tuple[object, ...]:
    return (ruling.rung, ruling.floor, ruling.holder, ruling.fates, explained(ruling))


def laws(claims: list[Claim], extra: Claim, shuffled: list[Claim]) -> None:
    ruling = ruled(*claims)
    live = [c for c in claims if is_live(c.lease, NOW)]
    assert outcome(ruled(*shuffled)) == outcome(ruling)  # P1
    height = TRADING.height(ruling.rung)
    assert all(height >= TRADING.height(c.want) for c in live if c.safety)  # P2
    more = ruled(*claims, extra)
    assert TRADING.height(more.floor) >= TRADING.height(ruling.floor)  # P3
    assert extra.safety or more.floor == ruling.floor
    in_order = sorted(live, key=lambda claim: rank(claim, TRADING, NOW))
    assert [f.claim for f in ruling.fates] == in_order  # P5: each live claim has exactly one fate
    assert bool(ruling.claims) == bool(live) == (ruling.holder is not None)
    assert ruled(*live).rung == ruling.rung


def test_laws_over_random_claims() -> None:
    for seed in range(CASES):
        rng = random.Random(seed)
        claims = some_claims(seed)
        extra = claim("extra", rng.choice(RUNGS), safety=rng.random() < 0.5)
        laws(claims, extra, rng.sample(claims, len(claims)))


@settings(max_examples=200, deadline=None)
@given(CLAIMS, st.sampled_from(RUNGS), st.booleans(), st.randoms(use_true_random=False))
def test_laws_by_hypothesis(claims: list[Claim], want: str, safety: bool, rng: random.Random) -> None:
    laws(claims, claim("extra", want, safety=safety), rng.sample(claims, len(claims)))


def test_deciding_among_ten_claims_takes_a_fraction_of_a_millisecond() -> None:
    claims = [claim(f"c{n}", RUNGS[n % 3], safety=n % 2 == 0) for n in range(10)]

    def spent() -> float:
        begun = time.process_time()
        for _ in range(200):
            ruled(*claims)
        return (time.process_time() - begun) / 200

    assert min(spent() for _ in range(5)) < 500e-6
