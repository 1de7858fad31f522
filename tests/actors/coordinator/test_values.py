"""Values and data sets: who says what it is, by table and law; C1 and C4, C6, and what reaches down a path."""

import random
from typing import Any

import pytest

from alluse_hub.actors.coordinator.arbiter import decide, explained
from alluse_hub.actors.coordinator.fates import Outcome
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.values import DatasetRuling, ValueRuling
from alluse_hub.protocols.arbitration import Escalated
from alluse_hub.protocols.claims import Claim, Directive, Policy, Tier
from alluse_hub.protocols.resources import Dataset, Value, covers
from tests.actors.coordinator.desks import BELOW, People

NOW = Now(100.0)
CASES = 2_000


def claim(id_: str, want: str = "", **how: Any) -> Claim:
    usual = {"holder": id_, "reason": f"{id_} said so", "resource": "ws4/strategy", "tier": "workflow"}
    return Claim.model_validate({**usual, "id": id_, "want": want, **how})


def valued(*claims: Claim, policy: Policy = Policy.FIRST_HOLDER) -> ValueRuling:
    found = decide(Value.model_validate({"resource": "ws4/strategy", "policy": policy}), claims, NOW)
    assert isinstance(found, ValueRuling)
    return found


def dated(*claims: Claim, policy: Policy = Policy.FIRST_HOLDER) -> DatasetRuling:
    found = decide(Dataset.model_validate({"resource": "ws4/strategy", "policy": policy}), claims, NOW)
    assert isinstance(found, DatasetRuling)
    return found


OLD, NEW = claim("old", "v1", placed=1, priority=0), claim("new", "v2", placed=2, priority=3)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Policy.FIRST_HOLDER, "v1"),
        (Policy.RECENT, "v2"),
        (Policy.PRIORITY, "v2"),
        (Policy.SPECIFIC_FIRST, "v2"),
        (Policy.HUMAN, "v1"),
        (Policy.NEGOTIATE, "v1"),
    ],
)
def test_the_policy_says_whose_value_it_is(policy: Policy, said: str) -> None:
    assert valued(OLD, NEW, policy=policy).said == said


def test_a_higher_tier_says_it_whatever_the_policy() -> None:
    boss = claim("boss", "v9", tier="operator", placed=9)

    assert {valued(OLD, NEW, boss, policy=policy).said for policy in (Policy.FIRST_HOLDER, Policy.RECENT)} == {"v9"}


def test_equal_wants_are_shared_and_the_explanation_says_who_loses_and_why() -> None:
    ruling = valued(OLD, claim("same", "v1", placed=3), NEW)

    assert ruling.fate("same").outcome is Outcome.COVERED  # type: ignore[union-attr]  # it is live
    assert explained(ruling) == (
        "ws4/strategy is v1 until it is withdrawn: old says so, it goes first among the claims, because old said so. "
        "Covered: same until it is withdrawn. new loses: old goes first: its claim was placed earlier."
    )


def test_a_more_specific_path_goes_first_where_the_policy_says_so() -> None:
    wide = claim("wide", "v1", resource="ws4", priority=9, placed=1)

    assert valued(wide, claim("here", "v2", placed=2), policy=Policy.SPECIFIC_FIRST).said == "v2"
    assert valued(wide.model_copy(update={"exact": True}), policy=Policy.SPECIFIC_FIRST).said == ""


def test_the_version_that_has_seen_the_others_stands() -> None:
    ruling = dated(claim("a", versions={"ws3": 1}), claim("b", versions={"ws3": 2, "ws5": 1}))

    assert (ruling.holder is not None and ruling.holder.id, ruling.diverged) == ("b", ())


@pytest.mark.parametrize(("policy", "stands"), [(Policy.FIRST_HOLDER, "a"), (Policy.RECENT, "b"), (Policy.HUMAN, "a")])
def test_of_versions_that_have_diverged_the_policy_says_which_stands(policy: Policy, stands: str) -> None:
    one, other = claim("a", versions={"ws3": 2}, placed=1), claim("b", versions={"ws5": 1}, placed=2)
    ruling = dated(one, other, policy=policy)

    assert ruling.holder is not None
    assert ruling.holder.id == stands
    assert [set(pair) for pair in ruling.diverged] == [{"a", "b"}]


def test_laws_of_values_and_data_sets_over_random_claims() -> None:
    for seed in range(CASES):
        rng = random.Random(seed)
        claims = [
            claim(
                f"c{n}",
                rng.choice(("v1", "v2", "v3")),
                tier=rng.choice(list(Tier)),
                priority=rng.randrange(3),
                placed=rng.randrange(6),
                versions={writer: rng.randrange(3) for writer in rng.sample(("x", "y"), rng.randrange(1, 3))},
            )
            for n in range(rng.randrange(1, 6))
        ]
        policy = rng.choice((Policy.FIRST_HOLDER, Policy.RECENT, Policy.PRIORITY, Policy.HUMAN))
        said, stands = valued(*claims, policy=policy), dated(*claims, policy=policy)
        shuffled = rng.sample(claims, len(claims))
        assert valued(*shuffled, policy=policy) == said
        assert dated(*shuffled, policy=policy).holder == stands.holder
        assert len(said.fates) == len(stands.fates) == len(claims)
        assert said.holder is not None
        assert said.said == said.holder.want
        covering = [one for one in claims if all(covers(one.versions, other.versions) for other in claims)]
        assert not covering or stands.holder in covering


# --- at the desk -----------------------------------------------------------------------------------------------------


def test_another_value_by_another_is_a_clash_that_the_owner_wins() -> None:
    desk = People()
    desk.place("night", "ws4/strategy", "v1")
    verdict = desk.place("day", "ws4/strategy", "v2")

    assert verdict.outcome == "covered"
    assert desk.met() == [("C1", "claim waits", "night")]


def test_versions_that_have_diverged_are_a_conflict_that_the_policy_closes_or_people_do() -> None:
    desk = People()
    desk.place("ws3", "ws5/models", versions={"ws3": 2})
    desk.place("ws5", "ws5/models", versions={"ws5": 1})
    assert desk.met() == [("C4", "version stands", "ws3")]

    desk.place("one", "ws4/books", versions={"ws3": 2})
    desk.place("other", "ws4/books", versions={"ws5": 1})
    assert desk.met() == [("C4", "", "")]
    assert desk.said(Escalated)[0].choices == ("one", "other")


def test_a_claim_made_up_from_what_has_changed_since_is_refused() -> None:
    desk = People()
    desk.claim("alice", want="paused")
    fresh = desk.place("step", "ws4/strategy", "v1", basis={"ws4/trading": 1})
    assert fresh.outcome == "granted"

    desk.release("alice", "ws4/trading")
    verdict = desk.place("later", "ws4/limit", "3", basis={"ws4/trading": 1})

    assert (verdict.outcome, verdict.klass) == ("refused", "C6")
    assert verdict.why == "it was made up when ws4/trading stood at 1, which is at 2 by now"
    assert desk.met() == [("C6", "claim refused", "")]


def test_a_claim_reaches_what_is_below_its_path_unless_it_is_exact() -> None:
    desk = People(BELOW)
    desk.claim("alice", want="paused")
    assert {directive.resource: directive.rung for directive in desk.said(Directive)} == {
        "ws4/trading": "paused",
        "ws4/trading/SPY": "paused",
    }

    desk.release("alice", "ws4/trading")
    desk.place("step", "ws4/trading", "paused", exact=True)
    assert (desk.rung_of("ws4/trading"), desk.rung_of("ws4/trading/SPY")) == ("paused", "normal")


def test_what_meets_on_a_path_is_told_once_and_not_again_below_it() -> None:
    desk = People(BELOW)
    desk.claim("alice", want="paused")
    desk.wait(60.0)
    desk.claim("bob", want="normal")

    assert desk.met() == [("C1", "claim waits", "operator:alice@ws4/trading")]


def test_a_claim_below_says_nothing_about_what_is_above() -> None:
    desk = People(BELOW)
    desk.claim("alice", "ws4/trading/SPY", "paused")

    assert (desk.rung_of("ws4/trading"), desk.rung_of("ws4/trading/SPY")) == ("normal", "paused")
