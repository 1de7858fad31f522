"""Pools: what is given, what waits and how long, who yields; by table, then over random lives (P1, P4, P5, P12)."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.coordinator.arbiter import decide, explained
from alluse_hub.actors.coordinator.fates import Outcome
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.order import TIERS
from alluse_hub.actors.coordinator.pools import PoolRuling, pool_in_force
from alluse_hub.protocols.claims import Claim, Lease, Policy, Tier
from alluse_hub.protocols.resources import Mutex, Pool

NOW = Now(100.0)
BROKER = Pool(resource="ws4/broker", capacity=4)
CASES = 2_000
DEEP = 20_000


def claim(id_: str, amount: int = 1, **how: Any) -> Claim:
    usual = {"holder": id_, "reason": f"{id_} said so", "resource": "ws4/broker"}
    return Claim.model_validate({**usual, "id": id_, "amount": amount, **how})


def ruled(*claims: Claim, pool: Pool = BROKER, granted: str = "", now: Now = NOW) -> PoolRuling:
    found = decide(pool, claims, now, frozenset(granted.split()))
    assert isinstance(found, PoolRuling)
    return found


def has(ruling: PoolRuling) -> list[str]:
    return [held.id for held in ruling.granted]


def queue(ruling: PoolRuling) -> list[str]:
    return [waiting.id for waiting in ruling.queue]


def test_what_fits_is_given_and_the_rest_waits_in_order() -> None:
    ruling = ruled(*(claim(f"c{n}", placed=n) for n in range(6)))

    assert (has(ruling), queue(ruling), ruling.free) == (["c0", "c1", "c2", "c3"], ["c4", "c5"], 0)
    assert [ruling.position(id_) for id_ in ("c0", "c4", "c5")] == [0, 1, 2]


def test_what_was_given_is_kept_whoever_comes() -> None:
    ruling = ruled(claim("mine", 4), claim("boss", 4, tier="operator", priority=9), granted="mine")

    assert (has(ruling), queue(ruling), ruling.yields) == (["mine"], ["boss"], ())


def test_a_higher_tier_goes_first_whatever_the_priority() -> None:
    ruling = ruled(claim("sync", 3, tier="sync", priority=99), claim("boss", 3, tier="operator"))

    assert has(ruling) == ["boss"]


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        (Policy.PRIORITY, ["urgent", "early"]),
        (Policy.FIRST_HOLDER, ["early", "late"]),
        (Policy.FAIR_SHARE, ["urgent", "late"]),
    ],
)
def test_the_policy_says_who_goes_first(policy: Policy, first: list[str]) -> None:
    pool = BROKER.model_copy(update={"policy": policy, "capacity": 2})
    ruling = ruled(
        claim("early", holder="greedy", placed=1, priority=1),
        claim("urgent", holder="greedy", placed=3, priority=5),
        claim("late", holder="modest", placed=2, priority=0),
        pool=pool,
    )

    assert has(ruling) == first


def test_one_that_does_not_fit_is_passed_until_it_has_waited_long_enough() -> None:
    large = claim("large", 3, placed=1, since=90.0, max_wait_s=20.0)
    small = claim("small", 2, placed=2)

    soon, late = ruled(large, small, claim("x", 2), granted="x"), None
    late = ruled(large, small, claim("x", 2), granted="x", now=Now(110.0))

    assert (has(soon), queue(soon)) == (["x", "small"], ["large"])
    assert (has(late), queue(late)) == (["x"], ["large", "small"])
    assert late.fates[-1].why == "what is free is kept for large, who has waited long enough"


def test_waiting_adds_to_priority_within_a_tier_and_never_to_the_tier() -> None:
    pool = BROKER.model_copy(update={"policy": Policy.PRIORITY, "capacity": 1, "age_s": 10.0})
    patient = claim("patient", tier="sync", since=1.0)

    assert has(ruled(patient, claim("new", tier="sync", priority=8, since=99.0), pool=pool)) == ["patient"]
    assert has(ruled(patient, claim("new", tier="workflow", since=99.0), pool=pool)) == ["new"]


def test_a_holder_yields_to_a_higher_tier_only_where_the_pool_and_its_claim_say_so() -> None:
    pool = BROKER.model_copy(update={"preemptible": True})
    low = claim("low", 3, tier="sync", at="ws5", yields="flush")
    boss = claim("boss", 2, tier="operator")

    (told,) = ruled(low, boss, pool=pool, granted="low").yields
    mute = low.model_copy(update={"yields": ""})
    (asked,) = ruled(mute, boss, pool=pool, granted="low").yields
    equal = boss.model_copy(update={"tier": Tier.SYNC})

    assert (told.holder.id, told.to.id, told.must) == ("low", "boss", True)
    assert asked.must is False
    assert ruled(low, boss, granted="low").yields == ()
    assert ruled(low, equal, pool=pool, granted="low").yields == ()


def test_no_holder_is_asked_where_that_would_not_be_enough() -> None:
    pool = BROKER.model_copy(update={"preemptible": True})
    claims = (claim("a", 1, tier="sync", at="ws5", yields="x"), claim("b", 3, tier="operator"))

    assert ruled(*claims, claim("boss", 3, tier="operator"), pool=pool, granted="a b").yields == ()


def test_a_mutex_is_a_pool_of_one_that_belongs_to_who_was_first() -> None:
    pool = Mutex(resource="ws4/broker").pool

    ruling = ruled(claim("second", placed=2, priority=9), claim("first", placed=1), pool=pool)

    assert (pool.capacity, has(ruling), queue(ruling)) == (1, ["first"], ["second"])


def test_the_explanation_says_who_has_it_who_waits_and_for_what() -> None:
    ruling = ruled(claim("alice", 4, lease=Lease(until=160.0)), claim("bob", placed=1), granted="alice")

    assert explained(ruling) == (
        "ws4/broker has 4 of 4 taken, by alice for 60 s more. "
        "1 waits, first bob: ws4/broker has 0 of 4 free, and it takes 1."
    )


# --- laws ----------------------------------------------------------------------------------------------------------


def some(rng: random.Random) -> tuple[Pool, list[Claim], frozenset[str]]:
    pool = Pool(
        resource="ws4/broker",
        capacity=rng.randrange(1, 6),
        policy=rng.choice((Policy.FAIR_SHARE, Policy.PRIORITY, Policy.FIRST_HOLDER, Policy.NEGOTIATE, Policy.HUMAN)),
        preemptible=rng.random() < 0.5,
        age_s=rng.choice((1.0, 10.0, 60.0)),
    )
    claims = [
        claim(
            f"c{n}",
            rng.randrange(1, 5),
            tier=rng.choice(list(Tier)),
            priority=rng.randrange(3),
            placed=rng.randrange(5),
            holder=rng.choice("abc"),
            since=rng.choice((0.0, 50.0, 99.0)),
            max_wait_s=rng.choice((0.0, 10.0)),
            at=rng.choice(("", "ws1")),
            yields=rng.choice(("", "x")),
            lease=Lease(until=rng.choice((None, 99.0, 101.0))),
        )
        for n in range(rng.randrange(8))
    ]
    return pool, claims, frozenset(c.id for c in claims if rng.random() < 0.4)


def laws(rng: random.Random) -> None:
    pool, claims, granted = some(rng)
    ruling = pool_in_force(pool, claims, NOW, granted)
    live = {c.id for c in claims if c.lease.until is None or c.lease.until > NOW.hub_s}
    shuffled = pool_in_force(pool, rng.sample(claims, len(claims)), NOW, granted)
    assert shuffled == ruling  # P1
    assert sum(held.amount for held in ruling.granted) == ruling.taken <= pool.capacity  # P4
    assert sorted(fate.claim.id for fate in ruling.fates) == sorted(live)  # P5: each has one fate
    assert set(ruling.fresh) == set(has(ruling)) - granted
    again = pool_in_force(pool, claims, NOW, granted | set(ruling.fresh))
    assert set(has(again)) == set(has(ruling))  # what is given stays given, and nothing more comes of asking again
    for one in ruling.yields:
        assert one.to.id == queue(ruling)[0]
        assert one.holder.id in has(ruling)
        assert not one.must or (pool.preemptible and TIERS[one.to.tier] > TIERS[one.holder.tier] and one.holder.yields)


def test_laws_over_random_pools() -> None:
    for seed in range(CASES):
        laws(random.Random(seed))


@pytest.mark.deep
def test_laws_over_many_random_pools() -> None:
    for seed in range(CASES, CASES + DEEP):
        laws(random.Random(seed))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9))
def test_laws_by_hypothesis(seed: int) -> None:
    laws(random.Random(seed))


@pytest.mark.parametrize("policy", [Policy.PRIORITY, Policy.FAIR_SHARE, Policy.FIRST_HOLDER, Policy.NEGOTIATE])
@pytest.mark.parametrize("seed", range(5))
def test_nobody_waits_for_ever(policy: Policy, seed: int) -> None:
    """P12: against an adversary that always has more urgent claims ready, of one tier, all of them small and short."""
    rng = random.Random(seed)
    pool = Pool(resource="ws4/broker", capacity=3, policy=policy, age_s=1.0)
    poor = claim("poor", 3, holder="poor", priority=0, since=1.0, placed=1, max_wait_s=20.0)
    claims, granted, ends = {poor.id: poor}, set[str](), dict[str, float]()
    for tick in range(2, 200):
        now = Now(float(tick))
        for id_ in [id_ for id_, end in ends.items() if end <= tick]:
            del claims[id_], ends[id_]
            granted.discard(id_)
        while len(claims) < 8:
            id_ = f"rich{tick}-{len(claims)}"
            amount = rng.randrange(1, 3)
            claims[id_] = claim(id_, amount, holder=id_, priority=9, since=float(tick), placed=tick * 10 + len(claims))
        ruling = pool_in_force(pool, claims.values(), now, granted)
        for id_ in ruling.fresh:
            granted.add(id_)
            ends[id_] = tick + rng.randrange(1, 4)
        if poor.id in granted:
            assert tick <= 1 + 20 + 3 + 9
            return
    raise AssertionError(f"{policy}: never granted, seed {seed}")


def test_without_ageing_somebody_would() -> None:
    """The adversary of above is no straw man: by bare priority alone the poor one is never first."""
    pool = Pool(resource="ws4/broker", capacity=1, policy=Policy.PRIORITY, age_s=86_400.0)
    poor = claim("poor", since=1.0)

    for tick in range(2, 100):
        rich = claim("rich", priority=3, since=float(tick), placed=tick)
        assert pool_in_force(pool, (poor, rich), Now(float(tick))).granted == (rich,)


def test_whoever_has_a_share_already_is_served_in_the_end_as_well() -> None:
    """Of one holder something is held for ever, and others, who have nothing, come all the time."""
    pool = Pool(resource="ws4/broker", capacity=2, age_s=1.0)
    old, more = claim("old", holder="poor", since=1.0), claim("more", holder="poor", since=1.0, placed=1)

    for tick in range(2, 20):
        fresh = claim(f"rich{tick}", since=float(tick), placed=tick)
        ruling = pool_in_force(pool, (old, more, fresh), Now(float(tick)), frozenset({"old"}))
        if "more" in has(ruling):
            return
    raise AssertionError("never granted")


def test_every_fate_has_its_reason() -> None:
    ruling = ruled(*(claim(f"c{n}", 2, placed=n) for n in range(4)))

    assert {fate.outcome for fate in ruling.fates} == {Outcome.HOLDS, Outcome.WAITS}
    assert all(fate.why for fate in ruling.fates)
